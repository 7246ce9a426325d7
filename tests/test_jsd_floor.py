"""Permutation of run labels on the JSD."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from priorshift.jsd_floor import DRAWN, ENUMERABLE, JSD_TESTS, jsd_tests, permutation_p

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_items import settings


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
        ("m", "m", world, condition, seed, "feeling", "held_out_domains", f"i{k}",
         0.02 * (condition == "depression") + 0.001 * seed + 0.0001 * k,
         0.001 if condition == "neutral" and seed else np.nan)
        for world in ("", "coupled") for condition in ("depression", "neutral") for seed in range(3) for k in range(4)
    ]  # fmt: skip
    names = ["base_model", "group", "world", "condition", "seed", "family", "ring", "item", "jsd", "jsd_floor"]
    table = jsd_tests(pd.DataFrame(rows, columns=names), settings(), ["depression", "paranoia"])
    assert list(table.columns) == JSD_TESTS and len(table) == 2
    assert set(table.p_value) == {0.05} and set(table.n_items) == {4} and set(table.n_runs) == {6}
    assert table.estimate.tolist() == pytest.approx([0.02, 0.02])
    assert table.floor_jsd.tolist() == pytest.approx([0.001, 0.001])
