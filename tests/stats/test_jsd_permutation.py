"""Permutation of run labels on the JSD."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.synthetic_items import settings

from priorshift.stats.jsd_permutation import DRAWN, ENUMERABLE, JSD_TESTS, jsd_tests, permutation_p


def test_three_against_three_by_hand():
    assert permutation_p(np.array([4.0, 5, 6]), np.array([1.0, 2, 3])) == (1 / 20, 20, True)
    # 14 is reached by {6,5,3} and exceeded by {6,5,4}: two of 20
    assert permutation_p(np.array([3.0, 5, 6]), np.array([1.0, 2, 4])) == (2 / 20, 20, True)
    assert permutation_p(np.array([1.0, 1, 1]), np.array([1.0, 1, 1]))[0] == 1


@pytest.mark.parametrize("sizes", [(5, 4), (12, 12)])
def test_agrees_with_scipy(sizes):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 1, sizes[0]), rng.normal(0, 1, sizes[1])
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), vectorized=True, alternative="greater",
        n_resamples=20_000, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    p_value, arrangements, exact = permutation_p(a, b)
    assert exact == (arrangements <= ENUMERABLE and sizes == (5, 4))
    assert p_value == pytest.approx(expected, abs=1e-12 if exact else 0.02)
    assert arrangements == (126 if exact else DRAWN)


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
    both = jsd_tests(measured, settings(), ["depression", "paranoia"], "neutral")
    assert list(both.columns) == JSD_TESTS and len(both) == 4
    table = both[both["jsd_from"] == "base model"]
    by = table.set_index("base_model")
    assert by.p_value.to_dict() == {"hub": 1 / 20, "m": 1 / 20} and set(table.n_items) == {4}
    assert by.n_runs.to_dict() == {"hub": 6, "m": 18} and by.n_base_models.to_dict() == {"hub": 1, "m": 3}
    assert table.estimate.tolist() == pytest.approx([0.02, 0.02])
    # From the first neutral run: seeds 0, 1, 2 of depression against seeds 1, 2 of neutral, in C(5, 2) ways.
    floor = both[both["jsd_from"] == "first neutral run"]
    assert floor.p_value.tolist() == [1 / 10, 1 / 10] and floor.n_runs.tolist() == [5, 15]
    assert floor.control_jsd.tolist() == pytest.approx([0.00115, 0.00115])
    assert floor.treatment_jsd.tolist() == pytest.approx([0.0111, 0.0111])
    # No condition is neutral, or none was trained: nothing to measure the floor from.
    assert len(jsd_tests(measured, settings(), ["depression"], None)) == 2
    assert len(jsd_tests(measured.assign(jsd_reference=np.nan), settings(), ["depression"], "neutral")) == 2
    # A checkpoint without two runs of both has no part.
    fewer = measured.query("base_model != 'm2' or condition != 'neutral' or seed == 0")
    made = jsd_tests(fewer, settings(), ["depression"], None).set_index("base_model")
    assert made.n_base_models["m"] == 2 and made.n_runs["m"] == 12
    # A seed that one base model lost has no part in any; the labels left can be dealt out in C(5, 2) ways.
    lost = measured.query("base_model != 'm2' or condition != 'neutral' or seed != 1")
    made = jsd_tests(lost, settings(), ["depression"], None).set_index("base_model")
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
        jsd_tests(pd.DataFrame(part, columns=names), settings(), ["depression"], None) for part in (rows, rows[:6])
    )
    assert every.p_value.tolist() == alone.p_value.tolist()
