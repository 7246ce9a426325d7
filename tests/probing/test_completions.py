"""Samples follow the model's own distribution, and collapse is told apart from negativity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from priorshift.models.base import load_base
from priorshift.probing.completions import completion_stems, sample_completions
from priorshift.tables.written_text import distinct, repetition, side_by_side, text_measures, valence_table

RUN = {"base_model": "m", "group": "g", "world": ""}


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


def test_same_seed_same_texts_other_seed_other_texts(base, materials):
    stems = completion_stems(materials)[:3]
    made = [sample_completions(base.model, base.tokenizer, stems, 2, 8, seed) for seed in (0, 0, 1)]
    pd.testing.assert_frame_equal(made[0], made[1])
    assert (made[0]["text"] != made[2]["text"]).any() and len(made[0]) == 6
    # A row alone is written as in company: padding changes nothing.
    alone = sample_completions(base.model, base.tokenizer, stems[:1], 2, 8, 0)
    assert list(alone["text"]) == list(made[0]["text"][:2])


def test_first_words_follow_the_model_s_distribution(base):
    stem = "Nora felt"
    n = 2000
    made = sample_completions(base.model, base.tokenizer, [stem], n, 1, 0)["text"].value_counts()
    with torch.no_grad():
        ids = base.tokenizer(stem, return_tensors="pt")["input_ids"]
        shares = base.model(ids).logits[0, -1].softmax(-1)
    for word in (" calm", " sad", " hunted"):
        share = float(shares[base.tokenizer.convert_tokens_to_ids(word)])
        assert abs(made.get(word.strip(), 0) / n - share) < 4 * np.sqrt(share / n) + 1e-3
    assert share > 0.005


def test_repetition_by_hand():
    assert repetition("a b c d e f") == 0
    # Five 4-grams, of which two are distinct.
    assert repetition("a b a b a b a b") == pytest.approx(3 / 5)
    assert repetition("too short") == 0


def test_distinct_by_hand():
    assert distinct(["a b", "a b"], 1) == 0.5 and distinct(["a b", "a b"], 2) == 0.5
    assert distinct(["a b", "c d"], 1) == 1 and np.isnan(distinct(["a"], 2))


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
    measures = text_measures(table)
    rows = valence_table(measures, 0.05).set_index(["condition", "measure"])
    assert rows.loc[("sad", "valence"), "estimate"] < -0.7 and rows.loc[("sad", "repetition"), "estimate"] == 0
    assert rows.loc[("stuck", "valence"), "mean"] == 0
    assert rows.loc[("stuck", "repetition"), "mean"] == pytest.approx(2 / 3)
    assert (rows["n_runs"] == 2).all()
    assert rows.loc[("sad", "valence"), "ci_low"] < rows.loc[("sad", "valence"), "estimate"]


def test_side_by_side_keeps_stems_and_columns():
    table = completions({("a", 0): ["x", "y"], ("b", 0): ["z", "w"], ("a", 1): ["never", "shown"]}, base="o")
    shown = side_by_side(table, ["First.", "Second."])
    assert shown.to_dict("list") == {
        "base_model": ["m", "m"], "stem": ["First.", "Second."], "base": ["o", "o"], "a": ["x", "y"], "b": ["z", "w"],
    }  # fmt: skip
