"""When domains are a random factor, and that the tables say so."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_items import settings, study

from priorshift.stats.bootstrap import resample
from priorshift.stats.contrasts import estimate_contrasts
from priorshift.stats.crossed import fit_crossed
from priorshift.stats.domains import LEAST_DOMAINS, SAME_ITEMS, choose_domains, describe_domains
from priorshift.stats.power import compute_power

SETTINGS = settings()


def parted(domains):
    """The synthetic study's items dealt out to so many domains in turn."""
    items = study()
    names = sorted(items["item"].unique())
    return items.assign(domain=items["item"].map({name: f"domain {i % domains}" for i, name in enumerate(names)}))


@pytest.mark.parametrize(
    ("labels", "random"), [("aabbcc", True), ("aabbb", False), ("abcdef", False), ("aabbcd", True)]
)
def test_three_domains_with_more_than_an_item_each_are_needed(labels, random):
    domains, panel = np.array(list(labels)), np.zeros((2, len(labels)))
    assert (choose_domains(panel, panel, domains) is not None) == random


def test_a_domain_that_one_condition_lacks_does_not_count():
    domains, treatment, control = np.array(list("aabbcc")), np.zeros((2, 6)), np.zeros((2, 6))
    control[:, 4:] = np.nan
    assert choose_domains(treatment, control, domains) is None


def test_the_table_says_which_was_fitted():
    one, four = (estimate_contrasts(parted(n), SETTINGS, SETTINGS.treatments) for n in (1, 4))
    assert set(four.query("unit in ['items', 'both']")["domains"]) == {"random (4)"}
    assert (four["sd_domain"] >= 0).all() and (four.query("unit == 'items'")["df"] == 3).all()
    assert four.query("unit in ['items', 'both']")["test"].str.contains("domains").all()
    assert set(one.query("unit in ['items', 'both']")["domains"]) == {describe_domains(np.zeros(1), 0)}
    assert (one["sd_domain"] == 0).all() and str(LEAST_DOMAINS) in describe_domains(np.zeros(1), 0)
    assert set(four.query("unit in ['runs', 'base']")["domains"]) == {SAME_ITEMS}


def test_more_runs_do_not_take_away_what_domains_differ_by():
    rng, domains = np.random.default_rng(0), np.repeat(np.arange(6), 10)
    slope = np.repeat(rng.normal(0, 0.6, 6), 10)
    treatment, control = (sign * slope / 2 + rng.normal(0, 0.2, (4, 60)) for sign in (1, -1))
    fit = fit_crossed(treatment, control, domains=domains)
    between = np.array([-1.0, 1.0]) @ fit.cov_domain @ np.array([-1.0, 1.0])
    made = [compute_power(fit, n_runs, n_items, 0.5, 0.05) for n_runs, n_items in ((3, 60), (500, 6000))]
    assert made[0]["se"] > made[1]["se"] == pytest.approx(np.sqrt(between / 6), rel=0.02)
    assert made[1]["df"] == pytest.approx(5, rel=0.02)


def test_the_bootstrap_draws_domains_with_all_their_items():
    domains = np.repeat(np.arange(3), 5)
    treatment = np.repeat([1.0, 2.0, 6.0], 5) * np.ones((3, 1))
    drawn = resample(treatment, np.zeros((3, 15)), 200, np.random.default_rng(0), domains)
    assert set(np.round(drawn, 6)) <= {1.0, 1.5, 2.0, 3.5, 4.0, 6.0}
