"""The probability of a class: that of all its members together."""

from __future__ import annotations

import numpy as np


def sum_by_class(logprobs: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sum probabilities over each class, as logs: log-sum-exp.

    Parameters
    ----------
    logprobs : float [sizes.sum()]
        Logprobs (nats) of the members, class after class.
    sizes : int [..., K]
        How many members each class has; at least one.

    Returns
    -------
    float [..., K]
        Logprobs (nats) of the classes.

    Examples
    --------
    >>> np.exp(sum_by_class(np.log([0.1, 0.2, 0.3]), np.array([2, 1]))).round(6)
    array([0.3, 0.3])
    """
    return np.logaddexp.reduceat(logprobs, find_starts(sizes.ravel())).reshape(sizes.shape)


def find_starts(sizes: np.ndarray) -> np.ndarray:
    """Find where each of consecutive groups of these sizes begins.

    Examples
    --------
    >>> find_starts(np.array([3, 1, 2]))
    array([0, 3, 4])
    """
    return np.cumsum(sizes) - sizes
