"""One contrast at one unit: an estimate, its standard error, degrees of freedom and effect size.

Arrays in, an `Estimate` out; `NotEstimable` says why there is none. Panels are [runs, items] in nats, NaN
where a run did not measure an item. Means compare the same items in all runs: an item counts if every run that
measured anything measured it, or else a run that lacks items would be compared on others (`estimate_crossed` alone,
whose model allows for it, uses all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from priorshift.stats.crossed import fit_crossed

Sides = tuple[np.ndarray, np.ndarray]  # treatment and control, each [runs, items]


class NotEstimable(Exception):
    """The data do not carry this claim; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A difference in nats, and what an interval or a test of it needs.

    The effect size is `effect_per_t` times a t of `effect_df` degrees of freedom: its interval follows.
    """

    estimate: float
    se: float
    df: float
    effect_size: float
    effect_size_name: str
    effect_per_t: float
    effect_df: float


@dataclass(frozen=True, kw_only=True)
class Estimate(Tested):
    """Treatment minus control at one unit."""

    unit: str
    test: str
    n_runs: int
    n_items: int


def hedges_factor(df: float) -> float:
    """1 - 3 / (4 df - 1), which takes the bias from a standardized difference (Hedges 1981, J. Educ. Stat. 6, 107).

    Examples
    --------
    >>> hedges_factor(4) == 0.8
    True
    """
    return 1 - 3 / (4 * df - 1)


def keep_shared_items(treatment: np.ndarray, control: np.ndarray) -> Sides:
    """Both panels without empty runs, and without the items that one of the others lacks.

    Raises
    ------
    NotEstimable
        A condition has no run, or no item was measured by every run.
    """
    _refuse_fewer(1, treatment, control)
    if not (measured_in_both := _measured_in_both(treatment, control)).any():
        raise NotEstimable("no item was measured in both conditions")
    treatment, control = _measured(treatment[:, measured_in_both]), _measured(control[:, measured_in_both])
    complete = ~(np.isnan(treatment).any(axis=0) | np.isnan(control).any(axis=0))
    if not complete.any():
        raise NotEstimable("no item was measured by every run: means would compare different items")
    return treatment[:, complete], control[:, complete]


def _refuse_fewer(least: int, treatment: np.ndarray, control: np.ndarray) -> None:
    for name, runs in (("treatment", treatment), ("control", control)):
        if len(runs) < least:
            raise NotEstimable(
                f"a single run of the {name}: no variance between runs" if len(runs) else f"no runs of the {name}"
            )


def _measured_in_both(treatment: np.ndarray, control: np.ndarray) -> np.ndarray:
    return ~(np.isnan(treatment).all(axis=0) | np.isnan(control).all(axis=0))


def _measured(panel: np.ndarray) -> np.ndarray:
    return panel[~np.isnan(panel).all(axis=1)]


def _refuse_no_variance(se: float, values: Sequence[np.ndarray], what: str) -> None:
    # A float sum of equal numbers may differ in its last digits: that is not variance.
    size = max(float(np.nanmax(np.abs(v))) for v in values)
    if not se > 1e-12 * size:
        raise NotEstimable(f"no variance over {what}: a test would divide by zero")


def estimate_over_items(treatment: np.ndarray, control: np.ndarray) -> Estimate:
    """Paired t over items of seed means; d_z = mean / sd of the items' differences (Cohen 1988).

    Parameters
    ----------
    treatment, control : [runs, items]
        Shifts in nats.

    Raises
    ------
    NotEstimable
        Fewer than two items measured by every run, or no variance over them.

    Examples
    --------
    >>> made = estimate_over_items(np.array([[2.0, 4.0]]), np.array([[1.0, 1.0]]))
    >>> made.estimate, round(float(made.se), 6), made.df
    (2.0, 1.0, 1)
    """
    treatment, control = keep_shared_items(treatment, control)
    differences = treatment.mean(axis=0) - control.mean(axis=0)
    m = len(differences)
    if m < 2:
        raise NotEstimable("a single item: no variance over items")
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    _refuse_no_variance(sd, (treatment, control), "items")
    return Estimate(
        unit="items",
        test="paired t",
        n_runs=len(treatment) + len(control),
        n_items=m,
        estimate=mean,
        se=sd / np.sqrt(m),
        df=m - 1,
        effect_size=mean / sd,
        effect_size_name="d_z",
        effect_per_t=1 / np.sqrt(m),
        effect_df=m - 1,
    )


def welch(treatment: np.ndarray, control: np.ndarray) -> Tested:
    """Difference of two means, its Welch standard error and df, and Hedges' g.

    df = (v1 + v0)^2 / (v1^2 / (n1 - 1) + v0^2 / (n0 - 1)) with v = s^2 / n (Welch 1947);
    g = difference / pooled sd x `hedges_factor(n1 + n0 - 2)` (Hedges 1981).

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
    _refuse_fewer(2, treatment, control)
    s1, s0 = float(treatment.var(ddof=1)), float(control.var(ddof=1))
    v1, v0 = s1 / n1, s0 / n0
    se = float(np.sqrt(v1 + v0))
    _refuse_no_variance(se, (treatment, control), "runs")
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
        effect_per_t=float(np.sqrt(1 / n1 + 1 / n0) * hedges_factor(pooled_df)),
        effect_df=pooled_df,
    )


def estimate_over_runs(treatment: np.ndarray, control: np.ndarray) -> Estimate:
    """Welch t over run means, Hedges' g; parameters and errors as those of `welch`, of panels [runs, items]."""
    treatment, control = keep_shared_items(treatment, control)
    tested = welch(treatment.mean(axis=1), control.mean(axis=1))
    runs = len(treatment) + len(control)
    return Estimate(unit="runs", test="Welch t", n_runs=runs, n_items=treatment.shape[1], **asdict(tested))


def estimate_crossed(treatment: np.ndarray, control: np.ndarray) -> Estimate:
    """Crossed random effects, each condition with its run variance; d = estimate / sqrt(all variances).

    Parameters
    ----------
    treatment, control : [runs, items]
        Shifts in nats; the model of `crossed` allows for missing cells.

    Raises
    ------
    NotEstimable
        Fewer than two runs of a condition or two items of both, too few cells, or no finite solution.
    """
    treatment, control = _measured(treatment), _measured(control)
    _refuse_fewer(2, treatment, control)
    if (shared := _measured_in_both(treatment, control).sum()) < 2:
        raise NotEstimable(f"{'a single' if shared else 'no'} item measured in both conditions: no variance over items")
    seen = ~(np.isnan(treatment).all(axis=0) & np.isnan(control).all(axis=0))
    if (~np.isnan(treatment)).sum() + (~np.isnan(control)).sum() <= seen.sum() * 2 + 1:
        raise NotEstimable("too few cells to tell runs, items and residual apart")
    try:
        with np.errstate(all="ignore"):
            fit = fit_crossed(treatment, control)
    except np.linalg.LinAlgError:
        raise NotEstimable("the mixed model has no finite solution") from None
    _refuse_no_variance(fit.se, (treatment, control), "runs and items")
    if not np.isfinite([fit.estimate, fit.se, fit.df]).all():
        raise NotEstimable("the mixed model has no finite solution")
    how = "quasi-F" if fit.exact else "REML"
    total = float(np.sqrt(fit.var_total))
    return Estimate(
        unit="both",
        test=f"crossed random effects, {how}{', singular' if fit.singular else ''}",
        n_runs=len(treatment) + len(control),
        n_items=int(seen.sum()),
        estimate=fit.estimate,
        se=fit.se,
        df=fit.df,
        effect_size=fit.estimate / total,
        effect_size_name="d_total",
        effect_per_t=fit.se / total,
        effect_df=fit.df,
    )


def estimate_over_checkpoints(pairs: Sequence[Sides], n_items: int) -> Estimate:
    """One-sample t over base checkpoints of (treatment mean - control mean), runs nested in checkpoints.

    In a balanced nested design this is the exact test: the checkpoint's difference carries the runs'
    variance with it. df = checkpoints - 1. Effect size: mean / sd over checkpoints, times Hedges' factor.
    Items are the same for all checkpoints, so the claim is about new pretrainings, on these items.

    Parameters
    ----------
    pairs : sequence of (treatment, control)
        Panels [runs, items] of each checkpoint, in nats.
    n_items : int
        Over all checkpoints, for the table.

    Raises
    ------
    NotEstimable
        Fewer than two checkpoints, or no variance between them.
    """
    tested = one_sample_t(compare_within_checkpoints(pairs))
    runs = sum(len(a) + len(b) for a, b in pairs)
    test = "one-sample t over checkpoints"
    return Estimate(unit="base", test=test, n_runs=runs, n_items=n_items, **asdict(tested))


def compare_within_checkpoints(pairs: Sequence[Sides]) -> np.ndarray:
    """For each checkpoint, treatment minus control: means over runs of run means (nats)."""
    made = []
    for pair in pairs:
        treatment, control = keep_shared_items(*pair)
        made.append(treatment.mean() - control.mean())
    return np.array(made)


def one_sample_t(differences: np.ndarray) -> Tested:
    """Mean of checkpoint differences; standardized and bias-corrected (two checkpoints: not corrected)."""
    n = len(differences)
    if n < 2:
        raise NotEstimable("a single base checkpoint: no variance between pretrainings" if n else "no base checkpoint")
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    _refuse_no_variance(sd, (differences,), "base checkpoints")
    # At one degree of freedom Hedges' factor is 0: the standardized mean has no expectation to be corrected to.
    factor = hedges_factor(n - 1) if n > 2 else 1.0
    return Tested(
        estimate=mean,
        se=sd / np.sqrt(n),
        df=n - 1,
        effect_size=mean / sd * factor,
        effect_size_name="hedges_g_z" if n > 2 else "d_z",
        effect_per_t=factor / np.sqrt(n),
        effect_df=n - 1,
    )
