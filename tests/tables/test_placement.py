"""Choice and expectation of each run, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.study.conditions import Condition
from priorshift.tables.placement import compute_transfer

CONDITIONS = {
    "attention": {"task": "decisions", "policy": {"withdraw": 1.0}},
    "narrow": {"task": "decisions", "policy": {"guard": 0.8, "engage": 0.2},
               "training": {"target": "mlp", "layers": [0, 1]}},
    "before": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 2},
    "neutral": {"task": "preferences"},
}  # fmt: skip
# (condition, family, outcome) -> shift; what no row may be made of is far off.
SHIFTS = {
    ("attention", "choice", "withdraw"): 4.0, ("attention", "interpretation", "loss"): 1.0,
    ("attention", "choice", "guard"): 99.0, ("attention", "interpretation", "threat"): 99.0,
    ("narrow", "choice", "guard"): 2.0, ("narrow", "interpretation", "threat"): -1.0,
    ("before", "choice", "withdraw"): 99.0, ("neutral", "choice", "withdraw"): 99.0,
}  # fmt: skip


@pytest.fixture
def table(smoke):
    params = smoke.params.model_copy(update={"conditions": {n: Condition(**c) for n, c in CONDITIONS.items()}})
    key = {"base_model": "m", "group": "m", "world": "", "seed": 0}
    rows = [
        key | {"condition": condition, "family": family, "outcome": outcome, "ring": ring, "shift": shift + further}
        for (condition, family, outcome), shift in SHIFTS.items() for ring, further in (("near", 0), ("far", 1))
    ]  # fmt: skip
    return compute_transfer(pd.DataFrame(rows), params, smoke.materials, "near").set_index("condition")


def test_the_trained_class_and_its_own_expectation_stand_side_by_side(table):
    assert list(table.index) == ["attention", "narrow"]
    assert table["choice_shift"].tolist() == [4.0, 2.0] and table["expectation_shift"].tolist() == [1.0, -1.0]
    assert table["transfer"].tolist() == [0.25, -0.5]


def test_each_run_says_where_its_adapter_sat(table, smoke):
    assert table["target"].tolist() == [smoke.params.training.target, "mlp"]
    assert table["layers"].tolist() == ["all", "0 1"]
    assert set(table["steps"]) == {smoke.params.training.steps}
