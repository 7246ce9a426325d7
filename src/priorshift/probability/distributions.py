"""Arrays of logprobs, checked: one distribution on the last axis, any leading shape. No model code."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from priorshift.errors import UserError

# How far from 1 a distribution's sum may be: float32 log-softmax over 150,000 tokens stays within 1e-5.
TOLERANCE = 1e-4


def paired(*arrays: ArrayLike) -> list[np.ndarray]:
    """Arrays broadcast to one shape, without copies.

    Examples
    --------
    >>> [array.shape for array in paired(np.zeros((4, 1, 3)), np.zeros((2, 3)))]
    [(4, 2, 3), (4, 2, 3)]
    """
    arrays = [np.asarray(a) for a in arrays]
    if any(a.ndim == 0 or a.shape[-1] == 0 for a in arrays):
        raise UserError("expected one distribution on the last axis, got no axis or an empty one")
    if len({a.shape[-1] for a in arrays}) > 1:
        raise UserError(f"vocabularies differ in size: {' and '.join(str(a.shape[-1]) for a in arrays)}")
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = " and ".join(str(a.shape) for a in arrays)
        raise UserError(f"shapes {shapes} do not fit: expected equal or broadcastable leading axes") from None


def normalized(values: np.ndarray, name: str, start: int) -> np.ndarray:
    """Rows that sum to exactly 1 in float64; rows that do not nearly do so are refused.

    Examples
    --------
    >>> almost = np.log([[0.5, 0.49999]])
    >>> np.exp(normalized(almost, "logp", 0)).sum()
    np.float64(1.0)
    """
    refuse_no_logprob(values, name)
    with np.errstate(over="ignore"):
        sums = np.exp(values).sum(axis=-1)
    bad = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(bad):
        raise UserError(
            f"{name}: distribution {start + bad[0]} sums to {sums[bad[0]]:.6g}, not 1; expected natural-log "
            "probabilities over the whole last axis (log-softmax of logits)"
        )
    return values - np.log(sums)[:, None]


def refuse_no_logprob(values: np.ndarray, name: str) -> None:
    """Raise UserError, naming the argument, for a NaN or +inf."""
    if np.isnan(values).any() or np.isposinf(values).any():
        raise UserError(f"{name} has NaN or +inf: expected natural-log probabilities")


def class_masses(values: np.ndarray, member: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Log of the renormalized class masses [..., classes], and the mass outside of them [...].

    Examples
    --------
    >>> member = np.array([[True, False], [True, False], [False, True]])
    >>> inside, outside = class_masses(np.log([0.1, 0.2, 0.3]), member, "logp")
    >>> np.exp(inside).round(6), outside.round(6)
    (array([0.5, 0.5]), np.float64(0.4))
    """
    values = values.astype(np.float64)
    refuse_no_logprob(values, name)
    every = np.exp(values).sum(axis=-1)
    if (every > 1 + TOLERANCE).any():
        raise UserError(f"{name}: candidates' probabilities sum to {every.max():.6g}, and must not exceed 1")
    # Relative to the largest, so that masses too small for exp() keep their ratios.
    top = np.where(member.any(axis=1), values, -np.inf).max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise UserError(f"{name}: the classes' probabilities sum to 0")
    mass = np.exp(values - top) @ member
    total = mass.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(mass / total), np.maximum(1.0 - (np.exp(top) * total)[..., 0], 0.0)
