"""Training sets as a random factor beside checkpoints: against sums of squares, and where seeds do or do not vary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.synthetic_items import base_models, panel, row, settings, study

from priorshift.stats.claims import estimate_claims
from priorshift.stats.panels import build_panels
from priorshift.stats.training_sets import compare_by_seed, fit_training_sets

SETTINGS = settings()
ITEMS = study(models=base_models(hub=True))


def test_the_interval_is_the_quasi_f_of_two_crossed_factors():
    rng = np.random.default_rng(0)
    d = 0.4 * rng.standard_normal((3, 1)) + 0.5 * rng.standard_normal((1, 4)) + 0.05 * rng.standard_normal((3, 4))
    fit = fit_training_sets(d)
    rest = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0) + d.mean()
    of_base, of_sets, residual = 4 * d.mean(axis=1).var(ddof=1), 3 * d.mean(axis=0).var(ddof=1), (rest**2).sum() / 6
    total = of_base + of_sets - residual
    assert fit.se_sets**2 == pytest.approx(total / 12)
    assert fit.df_sets == pytest.approx(total**2 / (of_base**2 / 2 + of_sets**2 / 3 + residual**2 / 6))
    assert fit.sd_sets**2 == pytest.approx((of_sets - residual) / 3)


def test_without_variance_of_seeds_it_is_unit_base():
    d = np.array([[0.0], [1.0], [3.0]]) + np.array([[0.2, -0.1, -0.1], [-0.2, 0.1, 0.1], [0.0, 0.0, 0.0]])
    fit = fit_training_sets(d)
    assert (fit.sd_sets, fit.df_sets) == (0, pytest.approx(2))
    assert fit.se_sets == pytest.approx(stats.sem(d.mean(axis=1)))


def test_without_variance_of_checkpoints_seeds_are_what_counts():
    d = np.array([[0.0, 1.0, 3.0]]) + np.array([[0.2, -0.1, -0.1], [-0.2, 0.1, 0.1]])
    fit = fit_training_sets(d)
    assert fit.df_sets == pytest.approx(2) and fit.se_sets == pytest.approx(stats.sem(d.mean(axis=0)))


def test_constants_and_scale_change_nothing():
    d = np.random.default_rng(1).normal(0, 1, (3, 5)) + np.arange(5)
    fit, moved = fit_training_sets(d), fit_training_sets(100 * d[::-1, ::-1] + 7)
    assert tuple(moved) == pytest.approx((100 * fit.sd_sets, 100 * fit.se_sets, fit.df_sets))


def test_new_training_sets_are_held_at_the_level_where_unit_base_is_not():
    rng, rejected = np.random.default_rng(2), np.zeros(2)
    for _ in range(300):
        d = 0.1 * rng.standard_normal((3, 1)) + 0.2 * rng.standard_normal((1, 3)) + 0.1 * rng.standard_normal((3, 3))
        fit = fit_training_sets(d)
        with_sets = stats.t.sf(abs(d.mean()) / fit.se_sets, fit.df_sets) < 0.025
        rejected += [with_sets, stats.ttest_1samp(d.mean(axis=1), 0).pvalue < 0.05]
    assert rejected[0] / 300 < 0.08 < 0.12 < rejected[1] / 300


def test_the_table_has_it_beside_unit_base_alone():
    table = estimate_claims(ITEMS, SETTINGS)["contrasts"]
    base = table["unit"] == "base"
    columns = ["sd_sets", "sets_low", "sets_high", "sets_p_value"]
    assert table.loc[base, columns].notna().all(axis=None) and table.loc[~base, columns].isna().all(axis=None)
    own = row(table[base], world="coupled", condition="depression", control="neutral", outcome="loss")
    means = {
        name: np.array([panel(ITEMS, f"llama-coupled-{i}", name, "loss").mean(axis=1) for i in range(3)])
        for name in ("depression", "neutral")
    }
    fit = fit_training_sets(means["depression"] - means["neutral"])
    assert (own.sets_low + own.sets_high) / 2 == pytest.approx(own.estimate)
    reach = stats.t.ppf(0.975, fit.df_sets) * fit.se_sets
    assert (own.sets_high - own.sets_low) / 2 == pytest.approx(reach)


@pytest.mark.parametrize("seed", [0, 2])
def test_other_seeds_do_not_cross(seed):
    other = (ITEMS.base_model == "llama-coupled-1") & (ITEMS.condition == "neutral") & (ITEMS.seed == seed)
    panels = [
        p
        for p in build_panels(ITEMS.assign(seed=ITEMS.seed.where(~other, 9)))
        if (p.group, p.world, p.outcome) == ("llama", "coupled", "loss")
    ]
    assert len(panels) == 3 and compare_by_seed(panels, "depression", "neutral") is None
    assert compare_by_seed(panels, "depression", "random_label").shape == (3, 3)
    assert compare_by_seed(panels[:1], "depression", "random_label") is None
