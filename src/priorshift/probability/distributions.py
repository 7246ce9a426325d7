"""Checks of arrays of logprobs: one distribution on the last axis, any leading shape. No model code."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from priorshift.errors import UserError

# How far from 1 a distribution's sum may be: float32 log-softmax over 150,000 tokens stays within 1e-5.
TOLERANCE = 1e-4
# The step from 1 to the next number, by number type.
ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


class RoundedLogprobs(UserWarning):
    """Logprobs whose number type is too short for exact divergences."""


def broadcast_distributions(*arrays: ArrayLike) -> list[np.ndarray]:
    """Give the arrays one common shape, without copies.

    Parameters
    ----------
    arrays : array_like [..., V]
        The leading axes broadcast against each other, as in numpy.

    Raises
    ------
    UserError
        There is no last axis or an empty one, its size differs, or the leading axes do not fit.

    Examples
    --------
    >>> [array.shape for array in broadcast_distributions(np.zeros((4, 1, 3)), np.zeros((2, 3)))]
    [(4, 2, 3), (4, 2, 3)]
    """
    given = [read_array(a) for a in arrays]
    if any(a.ndim == 0 or a.shape[-1] == 0 for a in given):
        raise UserError("expected one distribution on the last axis, got no axis or an empty one")
    if len({a.shape[-1] for a in given}) > 1:
        raise UserError(f"vocabularies differ in size: {' and '.join(str(a.shape[-1]) for a in given)}")
    try:
        return list(np.broadcast_arrays(*given))
    except ValueError:
        shapes = " and ".join(str(a.shape) for a in given)
        raise UserError(f"shapes {shapes} do not fit: expected equal or broadcastable leading axes") from None


def read_array(values: ArrayLike) -> np.ndarray:
    """An array of what NumPy reads, and of tensors of any device and number type. 16 bits become float32.

    Examples
    --------
    >>> import torch
    >>> read_array(torch.tensor([0.5, 1.0], dtype=torch.bfloat16, requires_grad=True))
    array([0.5, 1. ], dtype=float32)
    """
    short, detach = find_rounding(values) > 0, getattr(values, "detach", None)
    if detach is not None:  # a tensor: NumPy takes none with a gradient, of a GPU or in bfloat16
        tensor = detach().cpu()
        return np.asarray(tensor.float() if short else tensor)
    array = np.asarray(values)
    return array.astype(np.float32) if short else array


def find_rounding(values: ArrayLike) -> float:
    """By which share a number of this type may be rounded where it is one of 16 bits. 0 for longer ones.

    Examples
    --------
    >>> find_rounding(np.zeros(2, dtype=np.float16)), find_rounding([0.5])
    (0.0009765625, 0.0)
    """
    return ROUNDING.get(_name_type(values), 0.0)


def _name_type(values: ArrayLike) -> str:
    return str(getattr(values, "dtype", "")).removeprefix("torch.")


def warn_of_rounding(*arrays: ArrayLike) -> list[float]:
    """Warn (`RoundedLogprobs`) of logprobs in 16 bits, which lost too much. Returns `find_rounding` of each."""
    kinds = sorted({_name_type(values) for values in arrays if find_rounding(values)})
    if kinds:
        warnings.warn(
            f"logprobs in {' and '.join(kinds)} were rounded before they came here: over a large vocabulary their "
            "divergences are off by percents; take log-softmax in float32",
            RoundedLogprobs,
            stacklevel=3,
        )
    return [find_rounding(values) for values in arrays]


def normalize(values: np.ndarray, name: str, start: int, rounding: float = 0.0) -> np.ndarray:
    """Rescale distributions whose sum is 1 but for rounding, so that it is 1 in float64.

    Parameters
    ----------
    values : float64 [n, V]
        Logprobs in nats.
    name : str
        The argument's name, for the error.
    start : int
        The number of the first row among all distributions, for the error.
    rounding : float
        `find_rounding` of what the values were read from. A sum moves by this share of the entropy at most, and the
        entropy is at most log(V).

    Returns
    -------
    float64 [n, V]

    Raises
    ------
    UserError
        A distribution's sum is further from 1 than rounding explains, or there is a NaN or +inf.

    Examples
    --------
    >>> almost = np.log([[0.5, 0.49999]])
    >>> np.exp(normalize(almost, "logp", 0)).sum()
    np.float64(1.0)
    """
    check_logprobs(values, name)
    with np.errstate(over="ignore"):
        sums = np.exp(values).sum(axis=-1)
    bad = np.flatnonzero(np.abs(sums - 1) > max(TOLERANCE, rounding * np.log(values.shape[-1])))
    if len(bad):
        raise UserError(
            f"{name}: distribution {start + bad[0]} sums to {sums[bad[0]]:.6g}, not 1; expected natural-log "
            "probabilities over the whole last axis (log-softmax of logits)"
        )
    return values - np.log(sums)[:, None]


def subtract_logs(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """p - q, and 0 where both are -inf."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(p) & np.isneginf(q), 0.0, p - q)


def check_logprobs(values: np.ndarray, name: str) -> None:
    """Raise UserError, naming the argument, for a NaN or +inf."""
    if np.isnan(values).any() or np.isposinf(values).any():
        raise UserError(f"{name} has NaN or +inf: expected natural-log probabilities")


def compute_class_masses(values: np.ndarray, member: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Sum candidates' probabilities by class, and renormalize over the classes.

    Parameters
    ----------
    values : float [..., C]
        Logprobs in nats of C candidates that exclude each other.
    member : bool [C, K]
        Which candidate belongs to which of K classes.
    name : str
        The argument's name, for the error.

    Returns
    -------
    inside : float64 [..., K]
        Log of the renormalized masses.
    outside : float64 [...]
        The probability that no class holds.

    Raises
    ------
    UserError
        The candidates' probabilities sum to more than 1, or the classes' to 0, or there is a NaN or +inf.

    Examples
    --------
    >>> member = np.array([[True, False], [True, False], [False, True]])
    >>> inside, outside = compute_class_masses(np.log([0.1, 0.2, 0.3]), member, "logp")
    >>> np.exp(inside).round(6), outside.round(6)
    (array([0.5, 0.5]), np.float64(0.4))
    """
    values = values.astype(np.float64)
    check_logprobs(values, name)
    total = np.exp(values).sum(axis=-1)
    if (total > 1 + TOLERANCE).any():
        raise UserError(
            f"{name}: candidates' probabilities sum to {total.max():.6g}; expected at most 1: give candidates that "
            "exclude each other"
        )
    # Relative to the largest, so that masses too small for exp() keep their ratios.
    top = np.where(member.any(axis=1), values, -np.inf).max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise UserError(f"{name}: the classes' probabilities sum to 0; expected a candidate that is possible")
    mass = np.exp(values - top) @ member
    held = mass.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(mass / held), np.maximum(1.0 - (np.exp(top) * held)[..., 0], 0.0)
