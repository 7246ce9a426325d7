"""Sums over classes agree with another library's, in whatever sizes the classes come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from priorshift.probability.class_sums import find_starts, sum_by_class


@given(st.lists(st.lists(st.floats(-700, 0), min_size=1, max_size=5), min_size=1, max_size=6))
def test_sums_are_log_sum_exp_of_each_class(classes):
    sizes = np.array([len(members) for members in classes])
    sums = sum_by_class(np.concatenate([np.array(members) for members in classes]), sizes)
    assert sums == pytest.approx([logsumexp(members) for members in classes], rel=1e-12, abs=1e-12)


def test_rows_of_classes_keep_their_shape():
    logprobs = np.log(np.arange(1.0, 11.0))
    sums = np.exp(sum_by_class(logprobs, np.array([[2, 1], [3, 4]])))
    assert sums == pytest.approx(np.array([[1 + 2, 3], [4 + 5 + 6, 7 + 8 + 9 + 10]]))


def test_starts_are_where_the_one_before_ends():
    assert find_starts(np.array([3, 1, 2])).tolist() == [0, 3, 4]
