"""One contrast over run means, by Welch's t: these very items, new fine-tunes."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from priorshift.stats.estimates import Estimate, Tested, hedges_factor, warn_of_level
from priorshift.stats.shared_items import keep_shared_items, refuse_fewer, refuse_no_variance


def welch(treatment: np.ndarray, control: np.ndarray) -> Tested:
    """Difference of two means, its Welch standard error and df, and Hedges' g.

    `df = (v1 + v0)^2 / (v1^2 / (n1 - 1) + v0^2 / (n0 - 1))` with `v = s^2 / n` (Welch 1947). `g = difference / pooled
    sd x hedges_factor(n1 + n0 - 2)` (Hedges 1981).

    Parameters
    ----------
    treatment, control : [runs]
        Run means in nats.

    Raises
    ------
    NotEstimable
        Fewer than two runs of a condition, or no variance between runs.
    """
    n1, n0 = len(treatment), len(control)
    refuse_fewer(2, treatment, control)
    s1, s0 = float(treatment.var(ddof=1)), float(control.var(ddof=1))
    v1, v0 = s1 / n1, s0 / n0
    se = float(np.sqrt(v1 + v0))
    refuse_no_variance(se, (treatment, control), "runs")
    difference = float(treatment.mean() - control.mean())
    df = (v1 + v0) ** 2 / (v1**2 / (n1 - 1) + v0**2 / (n0 - 1))
    pooled_df = n1 + n0 - 2
    pooled = np.sqrt(((n1 - 1) * s1 + (n0 - 1) * s0) / pooled_df)
    return Tested(
        estimate=difference,
        se=se,
        df=df,
        effect_size=float(difference / pooled * hedges_factor(pooled_df)),
        effect_size_name="hedges_g",
        effect_per_t=float(se / pooled),
    )


def estimate_over_runs(treatment: np.ndarray, control: np.ndarray) -> Estimate:
    """Welch t over run means, Hedges' g. Parameters and errors as those of `welch`, of panels [runs, items]."""
    treatment, control = keep_shared_items(treatment, control)
    tested = welch(treatment.mean(axis=1), control.mean(axis=1))
    runs = len(treatment) + len(control)
    caution = warn_of_level(len(treatment), len(control))
    n_items = treatment.shape[1]
    return Estimate(unit="runs", test="Welch t", n_runs=runs, n_items=n_items, caution=caution, **asdict(tested))
