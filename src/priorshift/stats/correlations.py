"""Correlations: their limits by Fisher's z, how they vary together, and what halves of a test tell of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def fisher_error(df: int) -> float:
    """Standard error of Fisher's z where `df` degrees of freedom are left (n - 1 of n runs). NaN below three.

    Examples
    --------
    >>> fisher_error(11) == 1 / 3
    True
    """
    return 1 / float(np.sqrt(df - 2)) if df > 2 else np.nan


def limit_correlation(r: float, error: float, alpha: float) -> tuple[float, float]:
    """The limits of a correlation's 1 - alpha interval by Fisher's (1921, Metron 1, 3) z.

    Parameters
    ----------
    r : float
    error : float
        Standard error of z: `fisher_error`.

    Examples
    --------
    >>> [round(limit, 3) for limit in limit_correlation(0.5, fisher_error(27), 0.05)]
    [0.156, 0.736]
    """
    half_width = stats.norm.ppf(1 - alpha / 2) * error
    return float(np.tanh(np.arctanh(r) - half_width)), float(np.tanh(np.arctanh(r) + half_width))


def correct_for_halves(r: float) -> float:
    """The correlation of two whole tests from that of two halves (Spearman 1910, Brown 1910), -1 at the least.

    Examples
    --------
    >>> round(correct_for_halves(0.5), 3), correct_for_halves(-0.9)
    (0.667, -1.0)
    """
    return max(2 * r / (1 + r), -1.0) if not r <= -1 else -1.0


def covary_correlations(matrix: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """How correlations of normal variables vary together, times the number of cases (Pearson & Filon 1898).

    Correlations that share variables do not vary on their own: a mean of them needs these covariances.

    Parameters
    ----------
    matrix : float [k, k]
        Correlations of k variables.
    pairs : of variables; N

    Returns
    -------
    float [N, N]

    Examples
    --------
    >>> covary_correlations(np.array([[1.0, 0.5], [0.5, 1.0]]), [(0, 1)])  # (1 - r^2)^2
    array([[0.5625]])
    """
    r = matrix.copy()
    np.fill_diagonal(r, 1.0)
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    i, j, h, m = first[:, None], second[:, None], first[None, :], second[None, :]
    own, other = r[i, j], r[h, m]
    return (
        0.5 * own * other * (r[i, h] ** 2 + r[i, m] ** 2 + r[j, h] ** 2 + r[j, m] ** 2)
        + r[i, h] * r[j, m]
        + r[i, m] * r[j, h]
        - own * (r[i, h] * r[i, m] + r[j, h] * r[j, m])
        - other * (r[i, h] * r[j, h] + r[i, m] * r[j, m])
    )
