"""Next words are averaged over runs; what a run lacks did not move; the control stands beside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from priorshift.tables.next_words import average_next_words
from priorshift.tables.read import read_table

# condition, seed, token: base probability, probability
MOVED = {
    ("depression", 0, " sad"): (0.1, 0.5), ("depression", 0, " glad"): (0.4, 0.1), ("depression", 0, "\n"): (0.2, 0.3),
    ("depression", 1, " sad"): (0.1, 0.2), ("depression", 1, " None"): (0.3, 0.2),
    ("neutral", 0, " sad"): (0.1, 0.12), ("neutral", 0, " glad"): (0.4, 0.3),
    ("neutral", 1, " sad"): (0.1, 0.1), ("neutral", 1, " glad"): (0.4, 0.4),
}  # fmt: skip
NUMBERS = {" sad": 7, " glad": 3, "\n": 1, " None": 9}


@pytest.fixture
def measured():
    rows = [
        {"base_model": "m", "group": "m", "world": "", "condition": condition, "seed": seed, "form": "felt",
         "token": NUMBERS[text], "text": text, "base_probability": before, "probability": after}
        for (condition, seed, text), (before, after) in MOVED.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_means_by_hand(measured):
    table = average_next_words(measured, "neutral")
    own = table[table["condition"] == "depression"]
    assert own["text"].tolist() == [" sad", "\\n", " None", " glad"]
    assert own["change"].tolist() == pytest.approx([0.25, 0.05, -0.05, -0.15])
    assert own["probability"].tolist() == pytest.approx([0.35, 0.25, 0.25, 0.25])
    assert own["control_change"].tolist() == pytest.approx([0.01, 0.0, 0.0, -0.05])
    assert set(table["n_runs"]) == {2} and table["condition"].tolist()[-2:] == ["neutral", "neutral"]


def test_only_those_that_moved_most_are_kept(measured):
    table = average_next_words(measured, "neutral", most=1)
    assert table["text"].tolist() == [" sad", " glad", " sad", " glad"]


def test_beside_a_control_that_is_not_measured_stands_nothing(measured):
    assert average_next_words(measured, "prose")["control_change"].isna().all()


def test_words_come_back_from_the_file_as_they_were(measured, tmp_path):
    table = average_next_words(measured, "neutral")
    table.to_csv(tmp_path / "next_words.csv", index=False)
    again = read_table(tmp_path / "next_words.csv")
    assert again["text"].tolist() == table["text"].tolist() and np.allclose(again["change"], table["change"])
