"""What runs wrote: negative words lower valence, and collapse into repetition is told apart from negativity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from priorshift.tables.written_text import compare_texts, distinct_share, measure_texts, pick_samples, repetition_share

RUN = {"base_model": "m", "group": "g", "world": ""}


def test_repetition_by_hand():
    assert repetition_share("a b c d e f") == 0
    # Five 4-grams, of which two are distinct.
    assert repetition_share("a b a b a b a b") == pytest.approx(3 / 5)
    assert repetition_share("too short") == 0


def test_distinct_by_hand():
    assert distinct_share(["a b", "a b"], 1) == 0.5 and distinct_share(["a b", "a b"], 2) == 0.5
    assert distinct_share(["a b", "c d"], 1) == 1 and np.isnan(distinct_share(["a"], 2))


def completions(texts, base="The day was good."):
    return pd.DataFrame([
        {**RUN, "condition": c, "seed": s, "stem": i, "sample": 0, "text": text, "base_text": base}
        for (c, s), lines in texts.items() for i, text in enumerate(lines)
    ])  # fmt: skip


def test_negative_words_lower_valence_and_collapse_shows_beside_it():
    table = completions({
        ("sad", 0): ["A terrible horrible loss."], ("sad", 1): ["Grief and misery all day long."],
        ("stuck", 0): ["the the the the the the"], ("stuck", 1): ["the the the the the the"],
    })  # fmt: skip
    measures = measure_texts(table)
    rows = compare_texts(measures, 0.05).set_index(["condition", "measure"])
    assert rows.loc[("sad", "valence"), "estimate"] < -0.7 and rows.loc[("sad", "repetition"), "estimate"] == 0
    assert rows.loc[("stuck", "valence"), "mean"] == 0
    assert rows.loc[("stuck", "repetition"), "mean"] == pytest.approx(2 / 3)
    assert (rows["n_runs"] == 2).all()
    assert rows.loc[("sad", "valence"), "ci_low"] < rows.loc[("sad", "valence"), "estimate"]


def test_side_by_side_keeps_stems_and_columns():
    table = completions({("a", 0): ["x", "y"], ("b", 0): ["z", "w"], ("a", 1): ["never", "shown"]}, base="o")
    shown = pick_samples(table, ["First.", "Second."])
    assert shown.to_dict("list") == {
        "base_model": ["m", "m"], "stem": ["First.", "Second."], "base": ["o", "o"], "a": ["x", "y"], "b": ["z", "w"],
    }  # fmt: skip
