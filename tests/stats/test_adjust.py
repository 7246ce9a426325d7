"""Corrections by hand, against plain loops, and over several tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from priorshift.stats.adjust import adjust_claims, benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=10, deadline=None)  # statsmodels collects garbage at each call
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


def correct_confirmatory(n_refused):
    tables = {
        "a": pd.DataFrame({"p_value": [0.01, 0.04], "role": "confirmatory", "unit": "base"}),
        "b": pd.DataFrame({"p_value": [0.2, 0.03], "role": ["exploratory", "confirmatory"], "unit": "base"}),
    }
    made = adjust_claims(tables, n_refused)
    assert made["b"].p_adjusted[0] == 0.2
    return [p for table in made.values() for p in table.p_adjusted[table.role == "confirmatory"]]


def test_confirmatory_rows_of_all_tables_are_corrected_together():
    assert correct_confirmatory(0) == pytest.approx([0.03, 0.06, 0.06])


def test_a_claim_that_could_not_be_estimated_counts():
    """Four claims, not three."""
    assert correct_confirmatory(1) == pytest.approx([0.04, 0.09, 0.09])


def test_exploratory_rows_are_corrected_within_their_unit():
    table = pd.DataFrame({"p_value": [0.01, 0.02, 0.5], "role": "exploratory", "unit": ["items", "runs", "runs"]})
    made = adjust_claims({"a": table}, 0)["a"].p_adjusted
    assert made.tolist() == pytest.approx([0.01, 0.04, 0.5]) and np.isfinite(made).all()
