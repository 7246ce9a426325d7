"""Sums over classes agree with another library's, in whatever sizes the classes come."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from priorshift.probability.class_sums import find_starts, remove_overlaps, sum_by_class


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


def simulate_longest(tokens, steps):
    """Share of texts of which a member is the longest that begins them: every text of as many tokens as `steps`.

    steps : [L, 3], the probability of each of three tokens at each place
    """
    shares = np.zeros(len(tokens))
    for text in itertools.product(range(3), repeat=len(steps)):
        begins = [i for i, member in enumerate(tokens) if text[: len(member)] == member]
        if begins:
            longest = max(begins, key=lambda i: (len(tokens[i]), -i))
            shares[longest] += np.prod([step[token] for step, token in zip(steps, text, strict=True)])
    return shares


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12),
    st.lists(st.tuples(*[st.floats(0.1, 1)] * 3), min_size=4, max_size=4),
)
def test_members_exclude_each_other(tokens, weights):
    steps = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    logprobs = np.array([sum(np.log(steps[k][t]) for k, t in enumerate(member)) for member in tokens])
    with np.errstate(divide="ignore"):
        apart = np.exp(remove_overlaps(logprobs, tokens))
    assert apart == pytest.approx(simulate_longest(tokens, steps), abs=1e-9)


def test_a_member_that_cannot_be_takes_nothing_from_another():
    with np.errstate(divide="ignore"):
        logprobs = np.log([0.5, 0.0, 0.0, 0.0])
    apart = remove_overlaps(logprobs, [(1,), (1, 2), (3,), (3, 4)])
    assert np.exp(apart).tolist() == [0.5, 0, 0, 0]


def test_members_that_exclude_each_other_are_left_alone():
    logprobs = np.log([0.1, 0.2, 0.3])
    assert remove_overlaps(logprobs, [(1, 2), (1, 3), (2,)]) is logprobs
