"""Unit items where domains are random: against hand-computed values and statsmodels' mixed model; what it speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from priorshift.stats.over_items import estimate_over_items

RNG = np.random.default_rng(0)
DOMAINS = np.repeat(list("abcdef"), 8)
SLOPES = np.repeat(RNG.normal(0.3, 0.5, 6), 8) + RNG.normal(0, 0.4, 48)
TREATMENT, CONTROL = SLOPES + RNG.normal(0, 0.2, (3, 48)), RNG.normal(0, 0.2, (3, 48))


def test_it_is_the_mixed_model_where_domains_have_as_many_items():
    made = estimate_over_items(TREATMENT, CONTROL, DOMAINS)
    data = pd.DataFrame({"y": TREATMENT.mean(axis=0) - CONTROL.mean(axis=0), "domain": DOMAINS})
    fit = smf.mixedlm("y ~ 1", data, groups="domain").fit(reml=True)
    assert made.estimate == pytest.approx(fit.fe_params["Intercept"])
    assert made.se == pytest.approx(fit.bse_fe["Intercept"], rel=1e-4)
    assert made.sd_domain == pytest.approx(np.sqrt(fit.cov_re.iloc[0, 0]), rel=1e-4)
    assert (made.df, made.n_items, made.domains) == (5, 48, "random (6)")


@pytest.mark.parametrize("name", ["domains_half", "domains_fifth", "domains_small"])
def test_it_agrees_with_lmer_and_lmertest(name):
    """tests/stats/r/units.R fitted them."""
    folder = Path(__file__).parent / "r"
    rows = pd.read_csv(folder / "crossed_data.csv").query("dataset == @name")
    wide = rows.pivot(index=["condition", "run"], columns="item", values="shift")
    domains = rows.groupby("item")["domain"].first()[wide.columns].to_numpy()
    made = estimate_over_items(wide.loc["treatment"].to_numpy(), wide.loc["control"].to_numpy(), domains)
    expected = pd.read_csv(folder / "units.csv").set_index("dataset").loc[name]
    assert expected.unit == "items" and not expected.singular
    assert (made.estimate, made.se, made.df) == pytest.approx((expected.estimate, expected.se, expected.df), rel=1e-5)


def test_a_domain_counts_once_however_many_items_it_has():
    differences, domains = np.array([1.0, 1.0, 1.0, 1.0, 3.0, 5.0]), np.array(list("aaaabc"))
    made = estimate_over_items(differences[None, :], np.zeros((1, 6)), domains)
    assert (made.estimate, made.se, made.df) == pytest.approx((3.0, 2 / np.sqrt(3), 2))
    assert made.effect_size == pytest.approx(3 / differences.std(ddof=1))
    assert made.effect_size == pytest.approx(made.estimate / made.se * made.effect_per_t)
    assert made.sd_domain == pytest.approx(2.0)  # the means' SD: within a domain nothing varies


def test_domains_stay_with_their_items_where_some_are_lacking():
    treatment, kept = TREATMENT.copy(), np.delete(np.arange(48), [0, 9])
    treatment[1, [0, 9]] = np.nan
    made = estimate_over_items(treatment, CONTROL, DOMAINS)
    assert made == estimate_over_items(TREATMENT[:, kept], CONTROL[:, kept], DOMAINS[kept])


@pytest.mark.parametrize("domains", [None, np.repeat(["a", "b"], 24), np.arange(48)])
def test_where_the_data_do_not_carry_them_it_is_the_paired_t(domains):
    made = estimate_over_items(TREATMENT, CONTROL, domains)
    paired = stats.ttest_rel(TREATMENT.mean(axis=0), CONTROL.mean(axis=0))
    assert made.estimate / made.se == pytest.approx(paired.statistic) and made.df == 47
    assert made.domains.startswith("fixed (") and made.sd_domain == 0 and made.test == "paired t"


def test_without_domains_it_is_scipys_paired_t():
    made = estimate_over_items(TREATMENT, CONTROL)
    expected = stats.ttest_rel(TREATMENT.mean(axis=0), CONTROL.mean(axis=0))
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert made.df == expected.df
    assert made.effect_size == pytest.approx(expected.statistic / np.sqrt(48), abs=1e-8)  # d_z = t / sqrt(items)
