"""Means over runs and over checkpoints, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from priorshift.mechanism.summary import compute_shares, judge_equivalence, summarize

VALUES = {("a-0", 0): 1.0, ("a-0", 1): 3.0, ("a-1", 0): 4.0, ("a-1", 1): 6.0, ("hub", 0): 7.9, ("hub", 1): 8.1}


@pytest.fixture
def rows():
    made = [
        {"base_model": name, "group": name[0] if name != "hub" else name, "world": "" if name == "hub" else "coupled",
         "seed": seed, "family": "x", "value": value, "whole": 2 * value}
        for (name, seed), value in VALUES.items()
    ]  # fmt: skip
    return pd.DataFrame(made)


def test_runs_are_averaged_within_a_model_and_models_within_an_architecture(rows):
    table = summarize(rows, ["family"], ["value"], 0.05).set_index(["unit", "base_model"])
    assert table["value"].to_dict() == {
        ("runs", "a-0"): 2.0, ("runs", "a-1"): 5.0, ("runs", "hub"): 8.0, ("base", "a"): 3.5,
    }  # fmt: skip
    assert table["n"].eq(2).all()
    # Two checkpoints at 2 and 5: t(.975, 1) = 12.706, se 1.5.
    assert table.loc[("base", "a"), "value_high"] == pytest.approx(3.5 + 12.706 * 1.5, abs=0.01)


def test_equivalence_takes_the_margin_and_two_runs_at_least(rows):
    rows["value"] = [0.1, 0.12, 0.11, 0.13, 0.6, 0.62]
    table = judge_equivalence(rows, ["family"], "value", 0.5, 0.05).set_index(["unit", "base_model"])
    assert table["equivalent"].to_dict() == {
        ("runs", "a-0"): True, ("runs", "a-1"): True, ("runs", "hub"): False, ("base", "a"): True,
    }  # fmt: skip
    alone = judge_equivalence(rows[rows["seed"] == 0], ["family"], "value", 0.5, 0.05)
    assert not alone.loc[alone["unit"] == "runs", "equivalent"].any()


def test_a_share_of_what_is_not_there_is_not_given(rows):
    table = compute_shares(rows, ["family"], "value", "whole", 0.05).set_index(["unit", "base_model"])
    assert table.loc[("runs", "hub"), "share"] == pytest.approx(0.5)
    # t(.975, 1) is 12.7: the interval of a-0, at 1 and 3, holds 0.
    assert np.isnan(table.loc[("runs", "a-0"), "share"])
