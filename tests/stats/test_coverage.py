"""Unit `both` keeps its promises: the committed simulations, and a part of them made again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.coverage_both import ALPHA, EFFECT, PATH, SCENARIOS, SIMULATIONS, p_values

from priorshift.stats.simulation import Components, simulate

TABLE = pd.read_csv(PATH)
SEPARATE = TABLE[TABLE.run_variances == "separate"].set_index("scenario")
FIVE = [name for name, (n_runs, n_items, *_) in SCENARIOS.items() if n_runs == (5, 5) and n_items == 60]


def test_five_runs_and_sixty_items_keep_coverage_and_level():
    rates = SEPARATE.loc[FIVE]
    assert (rates.simulations == 2000).all()
    assert rates.coverage.between(0.93, 0.97).all()
    assert rates.type_i.between(0.04, 0.06).all()


def test_three_runs_are_conservative_where_sides_vary_alike_and_reject_up_to_nine_percent_where_not():
    """A/A comparisons of one condition can't show the second."""
    rates = SEPARATE.loc[["three runs", "three unequal runs"]]
    assert (rates.simulations == 2000).all()
    assert 0.025 < rates.type_i["three runs"] < 0.05 < rates.type_i["three unequal runs"]
    assert rates.type_i_high["three unequal runs"] < 0.09 and rates.coverage_low["three unequal runs"] > 0.905


def test_separate_run_variances_reject_less_where_runs_differ_and_lose_little_where_they_do_not():
    pooled = TABLE[TABLE.run_variances == "pooled"].set_index("scenario").type_i
    for name in ("unequal runs", "three unequal runs"):
        assert SEPARATE.type_i[name] < pooled[name] - 0.01
    assert (SEPARATE.type_i["even"] - pooled["even"]) > -0.01


@pytest.mark.parametrize("name", ["even", "unequal runs", "three runs", "three unequal runs"])
def test_the_committed_rates_are_found_again(name):
    """By studies that are not among those behind the committed rates."""
    count = 400
    for column, hits in (
        ("coverage", p_values(name, False, EFFECT, count, first=SIMULATIONS) >= ALPHA),
        ("type_i", p_values(name, False, 0.0, count, first=SIMULATIONS) < ALPHA),
    ):
        # Both rates are counts of independent studies: are they of one probability?
        committed = round(SEPARATE[column][name] * SIMULATIONS)
        both = [[int(hits.sum()), count - int(hits.sum())], [committed, SIMULATIONS - committed]]
        assert stats.fisher_exact(both).pvalue > 0.005


def test_simulated_panels_have_the_variances_they_were_asked_for():
    components = Components.of_sds((0.2, 0.6), 0.5, 0.4, 0.3)
    treatment, control = simulate(np.random.default_rng(0), components, (400, 300), 2000, effect=1.0)
    assert treatment.shape == (400, 2000) and control.shape == (300, 2000)
    # means of runs: run variance and the residual's share; of items: likewise
    assert treatment.mean(axis=1).std() == pytest.approx(0.6, rel=0.1)
    assert control.mean(axis=1).std() == pytest.approx(0.2, rel=0.1)
    differences = treatment.mean(axis=0) - control.mean(axis=0)
    assert differences.std() == pytest.approx(0.4, rel=0.05)
    assert (treatment.mean(axis=0) + control.mean(axis=0)).std() == pytest.approx(2 * 0.5, rel=0.05)
    assert differences.mean() == pytest.approx(1.0, abs=0.15)
