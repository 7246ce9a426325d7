"""Permutation of training sets' labels on the JSD."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from support.synthetic_items import settings

from priorshift.stats.jsd_permutation import ARRANGEMENTS, JSD_TESTS, compare_jsd, count_arrangements, permute_labels


def test_three_against_three_by_hand():
    assert permute_labels(np.array([4.0, 5, 6]), np.array([1.0, 2, 3])) == 1 / 20
    # 14 is reached by {6,5,3} and exceeded by {6,5,4}: two of 20
    assert permute_labels(np.array([3.0, 5, 6]), np.array([1.0, 2, 4])) == 2 / 20
    assert permute_labels(np.array([1.0, 1, 1]), np.array([1.0, 1, 1])) == 1


@pytest.mark.parametrize("sizes", [(2, 2), (3, 4), (5, 4)])
def test_exact_p_is_that_of_plain_loops(sizes):
    rng = np.random.default_rng(sum(sizes))
    a, b = rng.normal(0.4, 1, sizes[0]), rng.normal(0, 1, sizes[1])
    values, every = np.concatenate([a, b]), set(range(sum(sizes)))
    ways = list(itertools.combinations(sorted(every), sizes[0]))
    differences = [values[list(way)].mean() - values[sorted(every - set(way))].mean() for way in ways]
    as_large = sum(d >= a.mean() - b.mean() - 1e-9 for d in differences)
    assert permute_labels(a, b) == pytest.approx(as_large / len(ways))
    assert count_arrangements(*sizes) == (len(ways), True, 1 / len(ways))


def test_drawn_p_is_near_that_of_a_t_test_and_never_0():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 1, 12), rng.normal(0, 1, 12)
    assert count_arrangements(12, 12) == (ARRANGEMENTS, False, 1 / (1 + ARRANGEMENTS))
    assert permute_labels(a, b) == pytest.approx(stats.ttest_ind(a, b, alternative="greater").pvalue, abs=0.01)
    assert permute_labels(a + 100, b) == 1 / (1 + ARRANGEMENTS)


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=7), st.integers(2, 5), st.floats(1e-6, 1e-3))
def test_ties_count_whatever_the_size_of_the_values(values, treated, scale):
    """Few different values: p is that of their whole numbers, which have no rounding."""
    treated = min(treated, len(values) - 2)
    whole = np.array(values)
    sums = [whole[list(way)].sum() for way in itertools.combinations(range(len(values)), treated)]
    expected = np.mean(np.array(sums) >= whole[:treated].sum())
    shifted = 0.3 + scale * whole
    assert permute_labels(shifted[:treated], shifted[treated:]) == pytest.approx(expected)


def test_a_table_of_runs():
    rows = [
        (m, group, world, condition, seed, "feeling", "held_out_domains", f"i{k}",
         0.02 * (condition == "depression") + 0.001 * seed + 0.0001 * k,
         np.nan if (condition, seed) == ("neutral", 0) else 0.001 + 0.01 * (condition == "depression") + 1e-4 * seed)
        for m, group, world in [("hub", "hub", ""), *((f"m{i}", "m", "coupled") for i in range(3))]
        for condition in ("depression", "neutral") for seed in range(3) for k in range(4)
    ]  # fmt: skip
    names = ["base_model", "group", "world", "condition", "seed", "family", "ring", "item", "jsd", "jsd_reference"]
    measured = pd.DataFrame(rows, columns=names)
    both = compare_jsd(measured, settings(), ["depression", "paranoia"], "neutral")
    assert list(both.columns) == JSD_TESTS and len(both) == 4
    table = both[both["jsd_from"] == "base model"]
    by = table.set_index("base_model")
    assert by.least_p.to_dict() == {"hub": 1 / 20, "m": 1 / 20} and set(table.n_items) == {4}
    assert by.n_runs.to_dict() == {"hub": 6, "m": 18} and by.n_base_models.to_dict() == {"hub": 1, "m": 3}
    assert table.estimate.tolist() == pytest.approx([0.02, 0.02])
    # From the first neutral run: seeds 0, 1, 2 of depression against seeds 1, 2 of neutral, in C(5, 2) ways.
    floor = both[both["jsd_from"] == "first neutral run"]
    assert floor.least_p.tolist() == [1 / 10, 1 / 10] and floor.n_runs.tolist() == [5, 15]
    assert floor.control_jsd.tolist() == pytest.approx([0.00115, 0.00115])
    assert floor.treatment_jsd.tolist() == pytest.approx([0.0111, 0.0111])
    # Neither 1 in 20 nor 1 in 10 is below .05: no test. At an alpha of .06 and .11 there is.
    assert both[["p_value", "p_adjusted"]].isna().all(axis=None) and both.test.str.startswith("none").all()
    for alpha, tested in ((0.06, [1 / 20, 1 / 20]), (0.11, [1 / 20, 1 / 20, 1 / 10, 1 / 10])):
        other = compare_jsd(measured, settings(alpha=alpha), ["depression"], "neutral")
        assert sorted(other.p_value.dropna()) == tested and other.p_adjusted.notna().sum() == len(tested)
    # No condition is neutral, or none was trained: nothing to measure the floor from.
    assert len(compare_jsd(measured, settings(), ["depression"], None)) == 2
    assert len(compare_jsd(measured.assign(jsd_reference=np.nan), settings(), ["depression"], "neutral")) == 2
    # A checkpoint without two runs of both has no part.
    fewer = measured.query("base_model != 'm2' or condition != 'neutral' or seed == 0")
    made = compare_jsd(fewer, settings(), ["depression"], None).set_index("base_model")
    assert made.n_base_models["m"] == 2 and made.n_runs["m"] == 12
    # A seed that one base model lost has no part in any; the labels left can be dealt out in C(5, 2) ways.
    lost = measured.query("base_model != 'm2' or condition != 'neutral' or seed != 1")
    made = compare_jsd(lost, settings(), ["depression"], None).set_index("base_model")
    assert (made.n_base_models["m"], made.n_runs["m"], made.n_arrangements["m"]) == (3, 15, 10)


def test_what_a_training_set_does_in_every_base_model_counts_once():
    """Ten base models moved alike by six training sets know no more of new training sets than one does."""
    rng = np.random.default_rng(1)
    moved = {(c, s): rng.normal() for c in ("depression", "neutral") for s in range(3)}
    rows = [
        (f"m{m}", "m", "coupled", c, s, "feeling", "held_out_domains", "i", value + 1e-6 * rng.normal(), np.nan)
        for m in range(10) for (c, s), value in moved.items()
    ]  # fmt: skip
    names = ["base_model", "group", "world", "condition", "seed", "family", "ring", "item", "jsd", "jsd_reference"]
    every, alone = (
        compare_jsd(pd.DataFrame(part, columns=names), settings(alpha=0.1), ["depression"], None)
        for part in (rows, rows[:6])
    )
    assert every.p_value.tolist() == alone.p_value.tolist()
