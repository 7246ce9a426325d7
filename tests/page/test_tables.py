"""Tables of a page: sorted by values, read as text, no markup from their cells."""

from __future__ import annotations

import re

import pandas as pd

from priorshift.page.tables import write_table


def test_numbers_keep_their_value_and_a_column_its_decimals():
    html = write_table(pd.DataFrame({"n": [3, 12], "estimate": [0.5, float("nan")], "p": [0.1234567, 0.1]}), "Numbers")
    assert re.findall(r'data-value="([^"]+)">([^<]+)<', html) == [
        ("3", "3"), ("0.5", "0.5"), ("0.1234567", "0.123"), ("12", "12"), ("nan", "–"), ("0.1", "0.100"),
    ]  # fmt: skip


def test_cells_are_text_and_conditions_are_named():
    frame = pd.DataFrame({"condition": ["depression"], "base_model": ["gpt_neox-0"], "held": [True], "x": ["<i>"]})
    html = write_table(frame, 'A "table"')
    assert "depression-like" in html and "gpt_neox-0" in html and ">yes<" in html
    assert "&lt;i&gt;" in html and "<i>" not in html and 'aria-label="A &quot;table&quot;"' in html
    assert html.count("<button") == 4 and "base model<" in html


def test_heads_of_two_levels_are_joined():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("family", ""), ("from base", "p_value")]))
    assert re.findall(r"<button[^>]*>([^<]+)<", write_table(frame, "JSD")) == ["family", "from base · p value"]


def test_small_numbers_are_not_rounded_away():
    written = write_table(pd.DataFrame({"learning_rate": [0.0005, 0.0002], "ratio": [1.25, 0.0]}), "rates")
    assert ">0.0005<" in written and ">0.0002<" in written and ">1.25<" in written and ">0.00<" in written
