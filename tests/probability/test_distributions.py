"""What counts as a distribution, and masses of classes, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import log_softmax

from priorshift.errors import UserError
from priorshift.probability.distributions import (
    TOLERANCE,
    broadcast_distributions,
    check_logprobs,
    compute_class_masses,
    normalize,
)

LOGITS = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-20, 20))


@given(LOGITS, st.floats(-0.9, 0.9))
def test_normalizing_takes_out_a_small_error_and_nothing_else(logits, share):
    exact = log_softmax(logits, axis=-1)
    found = normalize(exact + np.log1p(share * TOLERANCE), "logp", 0)
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_a_sum_that_is_off_is_refused_with_its_number():
    with pytest.raises(UserError, match=r"^logq: distribution 7 sums to 0\.9, not 1"):
        normalize(np.log([[0.5, 0.5], [0.4, 0.5]]), "logq", 6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_and_exact_zeros_are_not(value):
    check_logprobs(np.array([0.0, -np.inf]), "logp")
    with pytest.raises(UserError, match=r"^logp has NaN"):
        check_logprobs(np.array([0.0, value]), "logp")


def test_leading_axes_broadcast_without_copies():
    small = np.zeros((2, 3))
    large, repeated = broadcast_distributions(np.zeros((4, 1, 3)), small)
    assert large.shape == repeated.shape == (4, 2, 3) and np.shares_memory(small, repeated)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [(((),), "last axis"), (((2, 0),), "last axis"), (((2,), (3,)), "2 and 3"), (((2, 1), (3, 1)), "do not fit")],
)
def test_shapes_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(UserError, match=message):
        broadcast_distributions(*(np.zeros(shape) for shape in shapes))


def test_class_masses_by_hand():
    member = np.array([[True, False], [True, False], [False, True], [False, False]])
    inside, outside = compute_class_masses(np.log([[0.1, 0.2, 0.3, 0.1], [0.05, 0.05, 0.3, 0.6]]), member, "logp")
    np.testing.assert_allclose(np.exp(inside), [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(outside, [0.4, 0.6])


@given(st.floats(-3000, 0))
def test_masses_too_small_to_exponentiate_keep_their_ratio(level):
    inside, outside = compute_class_masses(level + np.log([0.25, 0.75]), np.eye(2, dtype=bool), "logp")
    np.testing.assert_allclose(np.exp(inside), [0.25, 0.75], rtol=1e-9)
    assert outside == pytest.approx(1 - np.exp(level), abs=1e-12)


@pytest.mark.parametrize(("values", "message"), [([0.7, 0.7], "sum to 1.4"), ([0.0, 0.0], "sum to 0")])
def test_masses_that_cannot_be_are_refused(values, message):
    with np.errstate(divide="ignore"), pytest.raises(UserError, match=message):
        compute_class_masses(np.log(values), np.eye(2, dtype=bool), "logp")
