"""The search for the least restricted deviance: nothing nearby is less, and what does not vary is 0."""

from __future__ import annotations

import numpy as np
import pytest
from support.reml_models import DOMAINS, draw, models

from priorshift.stats.crossed import fit_crossed
from priorshift.stats.reml import Reml
from priorshift.stats.reml_search import is_least_without_domains, search


def find_deviance(model, theta):
    log, squares, _ = model.curves(theta, curved=False)
    return log.value + (model.n - 2) * np.log(squares.value)


def test_no_theta_nearby_has_a_smaller_deviance_than_the_one_found():
    for model in models():
        best = search(model, np.where(model.signed, 0.1, 0.5))
        moves = np.random.default_rng(1).normal(0, 0.05, (50, len(best)))
        moved = np.where(model.signed, best + moves, np.maximum(best + moves, 0))
        assert min(find_deviance(model, theta) for theta in moved) >= find_deviance(model, best) - 1e-9


@pytest.mark.parametrize("pooled", [True, False])
def test_without_domains_a_start_far_away_leads_to_the_same_deviance(pooled):
    model = Reml(*draw(), pooled, None)
    found = [search(model, np.where(model.signed, sign * start, start)) for sign in (1, -1) for start in (0.1, 3.0)]
    values = [find_deviance(model, theta) for theta in found]
    assert max(values) - min(values) < 1e-6


def test_runs_that_do_not_differ_have_a_variance_of_zero():
    rng = np.random.default_rng(0)
    treatment, control = (rng.normal(0, 1, 16) + rng.normal(0, 0.3, (4, 16)) for _ in range(2))
    for side in (treatment, control):
        side -= side.mean(axis=1, keepdims=True)
    treatment[0, 0] = np.nan
    model = Reml(treatment, control, True, None)
    theta = search(model, np.where(model.signed, 0.1, 0.5))
    assert theta[: model.item.start] == pytest.approx(0) and (theta[model.item] != 0).any()


@pytest.mark.parametrize(("sd", "least"), [(0.0, True), (5.0, False)])
def test_domains_of_zero_variance_are_least_only_where_domains_do_not_differ(sd, least):
    rng = np.random.default_rng(3)
    sides = rng.normal(0, 1, (2, 4, 16))
    for domain in np.unique(DOMAINS):  # every domain has the same mean on each side, before its effect
        sides[..., domain == DOMAINS] -= sides[..., domain == DOMAINS].mean(axis=(1, 2), keepdims=True)
    sides[0] += sd * np.array([-1.0, 1.0, -0.5, 0.5])[DOMAINS]
    model, without = (Reml(*sides, True, domains) for domains in (DOMAINS, None))
    theta = np.zeros(len(model.signed))
    theta[: model.domain.start] = search(without, np.where(without.signed, 0.1, 0.5))
    assert is_least_without_domains(model, theta) == least


@pytest.mark.parametrize("seed", [13, 80, 119, 129])
def test_rounding_moves_no_degrees_of_freedom_where_a_variance_is_all_but_zero(seed):
    """Data whose least deviance lies beside 0: rounding chose between the two, and df moved by up to 2e-3."""
    g, domains = np.random.default_rng(seed), np.repeat(np.arange(4), 6)

    def side(run, item, domain):
        effects = run * g.standard_normal((3, 1)) + item * g.standard_normal(24)
        return effects + domain * g.standard_normal(4)[domains] + 0.1 * g.standard_normal((3, 24))

    treatment, control = side(1.8, 0.5, 0.1), side(0.03, 0.01, 0.0)
    found = fit_crossed(treatment, control, False, domains).df
    noise = np.random.default_rng(99)
    for _ in range(3):
        near = [panel + 1e-13 * noise.standard_normal(panel.shape) for panel in (treatment, control)]
        assert fit_crossed(*near, False, domains).df == pytest.approx(found, rel=1e-6)
