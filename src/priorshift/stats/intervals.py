"""Intervals: Student's t for estimates and means, noncentral t for effect sizes, exact binomial for shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats


def t_interval(
    estimate: np.ndarray, se: np.ndarray, df: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The limits of the 1 - alpha interval of Student's t, and the two-sided p of no difference from 0.

    Scalars, or arrays of one length. A standard error of 0 leaves no test: its p is NaN.
    """
    reach = stats.t.ppf(1 - alpha / 2, df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = np.where(np.asarray(se) > 0, 2 * stats.t.sf(np.abs(np.divide(estimate, se)), df), np.nan)
    return estimate - reach, estimate + reach, p_value


def ratio_interval(above: np.ndarray, below: np.ndarray, alpha: float) -> tuple[float, float]:
    """Fieller's (1954) 1 - alpha interval of mean(above) / mean(below), of pairs of values.

    The ratios r for which the t test does not reject mean(above - r below) = 0. NaN where these are no interval:
    where the mean of `below` is not different from 0 by the same test.
    """
    n = len(above)
    t = stats.t.ppf(1 - alpha / 2, n - 1)
    (va, cov), (_, vb) = np.cov(above, below) * t**2 / n
    a, b = above.mean(), below.mean()
    # (a - r b)^2 <= va - 2 r cov + r^2 vb
    square, middle, rest = b**2 - vb, a * b - cov, a**2 - va
    if square <= 0:
        return np.nan, np.nan
    reach = np.sqrt(max(middle**2 - square * rest, 0.0))
    return float((middle - reach) / square), float((middle + reach) / square)


def mean_interval(values: Sequence[float], alpha: float) -> dict[str, float]:
    """estimate (the mean), ci_low and ci_high by Student's t over the values; one value has no interval (NaN)."""
    values = np.asarray(values, dtype=float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return {"estimate": mean, "ci_low": np.nan, "ci_high": np.nan}
    low, high, _ = t_interval(mean, values.std(ddof=1) / np.sqrt(n), n - 1, alpha)
    return {"estimate": mean, "ci_low": float(low), "ci_high": float(high)}


def with_interval(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Adds statistic, the two-sided p_value and the 1 - alpha intervals of estimate and effect size.

    The interval of an effect size is that of a noncentral t (Steiger & Fouladi 1997), bias correction and all.
    Exact for d_z, and for Hedges' g if both conditions have one variance; for `d_total` it takes the total
    variance as known.

    Parameters
    ----------
    table : the fields of `estimates.Tested` as columns
    """
    estimate, se, df, per_t = (table[name].to_numpy(float) for name in ("estimate", "se", "df", "effect_per_t"))
    ci_low, ci_high, p_value = t_interval(estimate, se, df, alpha)
    low, high = noncentral_limits(
        table["effect_size"].to_numpy(float) / per_t, table["effect_df"].to_numpy(float), alpha
    )
    return table.assign(
        ci_low=ci_low,
        ci_high=ci_high,
        statistic=estimate / se,
        p_value=p_value,
        effect_low=low * per_t,
        effect_high=high * per_t,
    )


# Beyond this t the limits grow in proportion to it, and SciPy's root finder may not end.
LARGE_T = 200.0


def noncentral_limits(t: np.ndarray, df: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The noncentralities at which t, of df degrees of freedom, is the 1 - alpha/2 and the alpha/2 quantile."""
    beyond = np.maximum(np.abs(t) / LARGE_T, 1.0)
    limits = [special.nctdtrinc(df, p, t / beyond) * beyond for p in (1 - alpha / 2, alpha / 2)]
    return limits[0], limits[1]


def clopper_pearson(count: int, n: int, alpha: float) -> tuple[float, float]:
    """Exact 1 - alpha binomial interval (Clopper & Pearson 1934) by quantiles of the beta distribution."""
    low = stats.beta.ppf(alpha / 2, count, n - count + 1) if count else 0.0
    high = stats.beta.ppf(1 - alpha / 2, count + 1, n - count) if count < n else 1.0
    return float(low), float(high)
