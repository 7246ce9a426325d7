"""Where the assumptions fail: who keeps the level, who does not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from priorshift.stats.hard_cases import (
    CASES,
    HARD_CASES,
    draw_failed,
    draw_normal,
    draw_skewed,
    permute_welch,
    simulate_hard_cases,
)

TABLE = simulate_hard_cases(120, 0.05)


@pytest.mark.parametrize("draw", [draw_normal, draw_skewed, draw_failed])
def test_effects_have_mean_0_and_sd_1(draw):
    drawn = draw(np.random.default_rng(0), 1_000_000)
    assert drawn.mean() == pytest.approx(0, abs=0.01) and drawn.std() == pytest.approx(1, abs=0.05)


def test_each_case_is_counted_at_its_units():
    assert list(TABLE.columns) == HARD_CASES and (TABLE.comparisons == 120).all()
    assert ((TABLE.rate == TABLE.rejections / 120) & (TABLE.ci_low <= TABLE.rate) & (TABLE.rate <= TABLE.ci_high)).all()
    assert TABLE.groupby("unit").ngroups == 3
    checkpoints = [case for case in CASES if not case.n_control]
    assert (TABLE.unit == "base").sum() == len(checkpoints)
    assert set(TABLE[TABLE.test.str.startswith("permutation")].n_treatment) == {5}


def test_failed_runs_and_skewed_checkpoints_are_found_too_bold():
    rates = TABLE.set_index(["setting", "test", "n_treatment"])
    assert rates.ci_low["failed runs on one side", "Welch t", 5] > 0.05
    assert rates.ci_low["skewed checkpoints", "t over checkpoints", 5] > 0.05


def test_the_degrees_of_freedom_of_the_lesser_side_mend_two_against_more():
    two = TABLE[TABLE.setting == "two runs against more"].groupby("test").rejections.sum()
    assert two["Welch t, df of the lesser side"] <= 240 * 0.05 < two["Welch t"]
    same = TABLE[TABLE.unit == "runs"].pivot(index=HARD_CASES[0:1] + HARD_CASES[3:6], columns="test", values="rate")
    assert (same["Welch t, df of the lesser side"] <= same["Welch t"]).all()


def test_permuted_p_is_the_share_of_arrangements_with_as_large_a_welch_t():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.5, 2, 5), rng.normal(0, 1, 4)
    values, found = np.concatenate([one, other]), []
    for chosen in combinations(range(9), 5):
        rest = np.delete(values, chosen)
        found.append(abs(stats.ttest_ind(values[list(chosen)], rest, equal_var=False).statistic))
    assert permute_welch(one, other) == pytest.approx(np.mean(np.array(found) >= found[0] - 1e-9))


def test_the_seed_decides_every_draw():
    assert simulate_hard_cases(3, 0.05, seed=1).equals(simulate_hard_cases(3, 0.05, seed=1))
