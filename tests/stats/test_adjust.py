"""Corrections by hand, against plain loops, and over several tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from priorshift.stats.adjust import adjust_claims, adjust_exploratory, benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(P_VALUES)
def test_holm_is_its_definition(p_values):
    """The i-th smallest of m times m - i + 1, never below a smaller one's, at most 1."""
    m, highest, expected = len(p_values), 0.0, {}
    for rank, at in enumerate(sorted(range(m), key=lambda k: p_values[k])):
        highest = expected[at] = max(highest, min(1.0, (m - rank) * p_values[at]))
    assert holm(p_values) == pytest.approx([expected[k] for k in range(m)])


@settings(max_examples=50, deadline=None)
@given(P_VALUES)
def test_benjamini_hochberg_is_its_definition(p_values):
    """The i-th smallest of m times m / i, never above a greater one's."""
    m, lowest, expected = len(p_values), 1.0, {}
    order = sorted(range(m), key=lambda k: p_values[k])
    for rank in range(m, 0, -1):
        lowest = expected[order[rank - 1]] = min(lowest, p_values[order[rank - 1]] * m / rank)
    assert benjamini_hochberg(p_values) == pytest.approx([expected[k] for k in range(m)])


def test_no_p_value_is_none_corrected():
    assert len(holm([])) == len(benjamini_hochberg([])) == 0


AT = {"unit": "base", "world": "coupled", "family": "feeling"}


def correct_declared(n_refused):
    tables = {
        "a": pd.DataFrame({"p_value": [0.01, 0.04], "role": "declared", **AT}),
        "b": pd.DataFrame({"p_value": [0.2, 0.03], "role": ["exploratory", "declared"], **AT}),
    }
    made = adjust_claims(tables, n_refused)
    assert made["b"].p_adjusted[0] == 0.2
    return [p for table in made.values() for p in table.p_adjusted[table.role == "declared"]]


def test_declared_rows_of_all_tables_are_corrected_together():
    assert correct_declared(0) == pytest.approx([0.03, 0.06, 0.06])


def test_a_claim_that_could_not_be_estimated_counts():
    """Four claims, not three."""
    assert correct_declared(1) == pytest.approx([0.04, 0.09, 0.09])


def test_exploratory_rows_are_corrected_within_their_world_unit_and_purpose():
    rows = [
        ("coupled", "runs", "feeling", 0.01, 0.02), ("coupled", "runs", "interpretation", 0.02, 0.02),
        ("coupled", "runs", "choice", 1e-9, 1e-9), ("decoupled", "runs", "feeling", 0.04, 0.08),
        ("decoupled", "runs", "self_statement", 0.5, 0.5), ("decoupled", "base", "feeling", 0.03, 0.03),
        ("", "runs", "choice", 0.001, 0.002), ("", "runs", "choice", 0.5, 0.5),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["world", "unit", "family", "p_value", "expected"]).sample(
        frac=1, random_state=0
    )
    assert adjust_exploratory(table).tolist() == pytest.approx(table.expected.tolist())
    made = adjust_claims({"a": table.assign(role="exploratory")}, 0)["a"]
    assert made.p_adjusted.tolist() == pytest.approx(table.expected.tolist())


def test_what_must_come_out_makes_no_null_row_a_discovery():
    """Forty huge effects beside twenty null rows: pooled, a null p of .03 would pass at .05."""
    huge = pd.DataFrame({"world": "coupled", "unit": "base", "family": "choice", "p_value": np.full(40, 1e-8)})
    null = pd.DataFrame({"world": "coupled", "unit": "base", "family": "feeling", "p_value": np.linspace(0.03, 1, 20)})
    assert benjamini_hochberg([*huge.p_value, *null.p_value])[40] < 0.05
    assert adjust_exploratory(pd.concat([huge, null], ignore_index=True))[40] > 0.5


def test_a_test_with_several_rows_counts_once_and_a_row_without_p_not_at_all():
    table = pd.DataFrame({"p_value": [0.01, 0.01, 0.04, 0.04, np.nan], "matrix": ["a", "a", "b", "b", "c"], **AT})
    assert adjust_exploratory(table, test=["matrix"])[:4].tolist() == pytest.approx([0.02, 0.02, 0.04, 0.04])
    assert adjust_exploratory(table)[:4].tolist() == pytest.approx([0.02, 0.02, 0.04, 0.04])
    assert np.isnan(adjust_exploratory(table)[4])
    assert len(adjust_exploratory(table[:0])) == 0
