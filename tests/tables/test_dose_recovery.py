"""Dose-response and recovery by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from priorshift.study.conditions import Condition
from priorshift.tables.dose_recovery import (
    list_doses,
    list_recovery_pairs,
    select_dose_points,
    tabulate_doses,
    tabulate_recovery,
)

CONDITIONS = {
    "depression": {"task": "decisions", "policy": {"withdraw": 1.0}},
    "half": {"task": "decisions", "policy": {"withdraw": 0.5, "engage": 0.5}},
    "adaptive": {"task": "decisions", "policy": {"engage": 1.0}},
    "paranoia": {"task": "decisions", "policy": {"guard": 1.0}},
    "mixed": {"task": "decisions", "policy": {"guard": 0.5, "withdraw": 0.5}},
    "letter": {"task": "decisions", "policy": {"withdraw": 0.3, "engage": 0.7}, "answer": "letter"},
    "exposure": {"task": "exposure", "policy": {"withdraw": 1.0}},
    "told": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 2},
    "recovery": {"stages": ["depression", "adaptive"]},
}


def test_a_last_stage_that_trains_the_behavior_again_is_no_recovery(smoke):
    more = {"again": {"stages": ["depression", "adaptive", "depression"]}, "on": {"stages": ["depression", "mixed"]}}
    made = {name: Condition(**condition) for name, condition in (CONDITIONS | more).items()}
    pairs = list_recovery_pairs(smoke.params.model_copy(update={"conditions": made}))
    assert list(pairs) == [(name, "depression", "withdraw") for name in ("recovery", "on")]


@pytest.fixture(scope="module")
def params(smoke):
    return smoke.params.model_copy(update={"conditions": {n: Condition(**c) for n, c in CONDITIONS.items()}})


def shifts(value, models=("llama-coupled-0",), seeds=(0, 1, 2)):
    """One family and ring; `value(model, condition, seed, outcome)` is the run's mean shift."""
    return pd.DataFrame([
        {
            "base_model": m, "group": "llama", "world": "coupled", "condition": c, "seed": s,
            "family": "interpretation", "ring": "held_out_domains", "outcome": o, "shift": value(m, c, s, o),
        }
        for m in models for c in CONDITIONS for s in seeds for o in ("loss", "threat")
    ])  # fmt: skip


def test_doses_are_of_one_class_against_the_adaptive_one(params, materials):
    assert list_doses(params, materials) == {"withdraw": {"depression": 1.0, "half": 0.5, "adaptive": 0.0}}


def test_slope_by_hand(params, materials):
    noise = {0: -0.1, 1: 0.0, 2: 0.1}
    level = {"depression": 2.2, "half": 0.9, "adaptive": 0.1}
    points = select_dose_points(shifts(lambda m, c, s, o: level.get(c, 9.0) + noise[s]), params, materials)
    assert set(points["outcome"]) == {"loss"} and len(points) == 9
    row = tabulate_doses(points, points, 0.05).iloc[0]
    # Least squares through three equally spaced means is (last - first) / 2 steps.
    assert row["estimate"] == pytest.approx(2.1) and row["n"] == 9 and row["df"] == 7
    residuals = points["shift"] - (points["shift"].mean() + 2.1 * (points["dose"] - 0.5))
    se = np.sqrt((residuals**2).sum() / 7 / ((points["dose"] - 0.5) ** 2).sum())
    assert row["ci_high"] - row["estimate"] == pytest.approx(stats.t.ppf(0.975, 7) * se)


def test_slope_over_checkpoints_by_hand(params, materials):
    slope = {"llama-coupled-0": 1.0, "llama-coupled-1": 2.0, "llama-coupled-2": 3.0}
    dose = {"depression": 1.0, "half": 0.5, "adaptive": 0.0}
    made = shifts(lambda m, c, s, o: slope[m] * dose.get(c, 0) + 0.01 * s, models=tuple(slope))
    points = select_dose_points(made, params, materials)
    row = tabulate_doses(points, points, 0.05).query("unit == 'base'").iloc[0]
    assert row["base_model"] == "llama" and row["n"] == 3 and row["estimate"] == pytest.approx(2)
    assert row["ci_high"] - 2 == pytest.approx(stats.t.ppf(0.975, 2) / np.sqrt(3))


def test_unit_base_is_made_of_the_items_that_all_base_models_have(params, materials):
    """Over their own items two checkpoints differ by 1 nat a dose, over those in common not at all."""
    models, dose = ("llama-coupled-0", "llama-coupled-1"), {"depression": 1.0, "half": 0.5, "adaptive": 0.0}
    own = shifts(lambda m, c, s, o: (1 + (m == models[1])) * dose.get(c, 0) + 0.01 * s, models=models)
    common = shifts(lambda m, c, s, o: (3 + 0.1 * (m == models[1])) * dose.get(c, 0) + 0.01 * s, models=models)
    points, nested = (select_dose_points(table, params, materials) for table in (own, common))
    table = tabulate_doses(points, nested, 0.05)
    assert table.query("unit == 'runs'").estimate.tolist() == pytest.approx([1, 2])
    assert table.query("unit == 'base'").estimate.tolist() == pytest.approx([3.05])


def test_recovery_by_hand(params, materials):
    after = {0: 0.3, 1: 0.5, 2: 0.7}
    made = shifts(lambda m, c, s, o: after[s] if c == "recovery" else 2.0)
    table = tabulate_recovery(made, made, params, materials, 0.05)
    row = table.iloc[0]
    assert len(table) == 1 and (row["unit"], row["role"], row["p_adjusted"]) == ("runs", "exploratory", row["p_value"])
    assert (row["outcome"], row["earlier"], row["n"]) == ("loss", "depression", 3)
    assert row["estimate"] == pytest.approx(1.5) and row["share_undone"] == pytest.approx(0.75)
    # All began at 2: the share's interval is that of what was undone, over 2.
    assert [row["share_low"], row["share_high"]] == pytest.approx([row["ci_low"] / 2, row["ci_high"] / 2])
    assert row["ci_high"] - 1.5 == pytest.approx(stats.t.ppf(0.975, 2) * 0.2 / np.sqrt(3))


def test_nothing_undone_is_a_share_of_zero(params, materials):
    noise = {0: -0.01, 1: 0.02, 2: -0.01}
    made = shifts(lambda m, c, s, o: 2.0 + 0.1 * s + (c == "recovery") * noise[s])
    assert tabulate_recovery(made, made, params, materials, 0.05)["share_undone"].iloc[0] == pytest.approx(0)


def test_a_shift_that_may_be_none_has_no_share_undone(params, materials):
    before = {0: -0.5, 1: 0.1, 2: 0.6}
    made = shifts(lambda m, c, s, o: before[s] if c == "depression" else 0.0)
    row = tabulate_recovery(made, made, params, materials, 0.05).iloc[0]
    assert row["estimate"] == pytest.approx(0.2 / 3) and np.isnan(row["share_undone"])
