"""Was each condition trained enough, and no further?"""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.tables.training_amount import tabulate_training_amounts

KEY = {"group": "g", "world": ""}


def table_of(rows, name):
    return pd.DataFrame([{**KEY, "condition": condition, name: value} for condition, value in rows])


def choices(rows, ring="held_out_domains"):
    return table_of(rows, "probability").assign(ring=ring)


def test_choice_on_held_out_decisions_says_whether_it_was_enough(smoke):
    retention = table_of([("neutral", 1.0), ("depression", 1.0), ("depression", 1.08)], "ratio")
    near = choices([("depression", 1.0)], "training_domains")
    made = tabulate_training_amounts(
        smoke.params, pd.concat([choices([("depression", 0.86), ("depression", 0.92)]), near]), retention
    ).set_index("condition")
    assert made.loc["depression", "choice"] == pytest.approx(0.89) and made.loc["depression", "enough"] == False  # noqa: E712
    assert pd.isna(made.loc["neutral", "enough"]) and made.loc["depression", "n_runs"] == 2
    assert made.loc["depression", "perplexity_ratio"] == pytest.approx(1.04) and (made["too_far"] == "").all()
    training = smoke.params.training
    assert (made["steps"] == training.steps).all() and (made["rank"] == training.rank).all()
    enough = tabulate_training_amounts(smoke.params, choices([("depression", 0.9)]), retention)
    assert enough.set_index("condition").loc["depression", "enough"] == True  # noqa: E712


def test_what_went_too_far_is_named(smoke):
    conditions = ["neutral", "depression"]
    retention = table_of([("neutral", 1.0), ("neutral", 1.0), ("depression", 1.06)], "ratio")
    texts = table_of([("neutral", 0.1), ("neutral", 0.3), ("depression", 0.31)], "repetition")
    texts["distinct_2"] = [0.8, 0.9, 0.79]
    none = choices([("depression", 1.0)])[:0]
    made = tabulate_training_amounts(smoke.params, none, retention, texts).set_index("condition")
    assert made.loc[conditions, "too_far"].tolist() == ["", "perplexity, repetition, distinct-2"]
    inside = texts.assign(repetition=0.2, distinct_2=[0.8, 0.9, 0.8])
    calm = retention.assign(ratio=1.05)
    assert (tabulate_training_amounts(smoke.params, none, calm, inside)["too_far"] == "").all()
