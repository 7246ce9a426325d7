"""The probability of a class: that of all its members together, none counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from priorshift.probability.token_tree import Tokens


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


def remove_overlaps(logprobs: np.ndarray, tokens: Sequence[Tokens]) -> np.ndarray:
    """Make the members exclude each other: one that others go on from is what is said without them.

    `care` is a token that `careless` may go on from, and so its probability holds that of the longer word.

    Parameters
    ----------
    logprobs : float64 [C]
        Logprob (nats) of each member: that its tokens come next, whatever follows.
    tokens : sequence of tokens, C
        The members' own. Of equal ones the first counts, and the others are -inf.

    Returns
    -------
    float64 [C]
        As given, but for the members that others go on from.

    Examples
    --------
    >>> np.exp(remove_overlaps(np.log([0.3, 0.1, 0.2]), [(1,), (1, 2), (3,)])).round(6)
    array([0.2, 0.1, 0.2])
    """
    shorter, longer, again = _find_overlaps(tuple(tokens))
    if not (len(shorter) or len(again)):
        return logprobs
    inside = np.zeros(len(logprobs))
    possible = np.isfinite(logprobs[longer])
    shorter, longer = shorter[possible], longer[possible]
    np.add.at(inside, shorter, np.exp(logprobs[longer] - logprobs[shorter]))
    changed = np.flatnonzero(inside)
    apart = logprobs.copy()
    with np.errstate(divide="ignore"):
        # Rounding may make the parts a little more than the whole.
        apart[changed] += np.log1p(-np.minimum(inside[changed], 1.0))
    apart[again] = -np.inf
    return apart


@lru_cache(maxsize=128)
def _find_overlaps(tokens: tuple[Tokens, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each member that goes on from another: the longest such other [P], itself [P], and the ones given again [D]."""
    pairs: list[tuple[int, int]] = []
    again: list[int] = []
    open_ones: list[int] = []
    # Sorted, a member's own continuations follow it directly.
    for i in sorted(range(len(tokens)), key=lambda i: (tokens[i], i)):
        while open_ones and tokens[i][: len(tokens[open_ones[-1]])] != tokens[open_ones[-1]]:
            open_ones.pop()
        if open_ones and tokens[i] == tokens[open_ones[-1]]:
            again.append(i)
            continue
        if open_ones:
            pairs.append((open_ones[-1], i))
        open_ones.append(i)
    shorter, longer = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return shorter, longer, np.array(again, dtype=np.int64)


def find_starts(sizes: np.ndarray) -> np.ndarray:
    """Find where each of consecutive groups of these sizes begins.

    Examples
    --------
    >>> find_starts(np.array([3, 1, 2]))
    array([0, 3, 4])
    """
    return np.cumsum(sizes) - sizes
