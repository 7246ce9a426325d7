"""One contrast at one unit: an estimate, its standard error, degrees of freedom and effect size.

Arrays in, an `Estimate` out. `NotEstimable` says why there is none. Panels are [runs, items] in nats, NaN where a run
did not measure an item. Means compare the same items in all runs: an item counts if every run that measured anything
measured it. Else a run that lacks items would be compared on others. `estimate_crossed` alone uses all items, for its
model allows for gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np

from priorshift.stats.crossed import CrossedFit, fit_crossed
from priorshift.stats.domains import SAME_ITEMS, choose_domains, describe_domains
from priorshift.stats.reml import CONTRAST
from priorshift.stats.shared_items import (
    NotEstimable,
    drop_empty_runs,
    find_measured_in_all,
    keep_shared_items,
    refuse_fewer,
    refuse_no_variance,
)

Sides = tuple[np.ndarray, np.ndarray]  # treatment and control, each [runs, items]


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A difference in nats, and what an interval or a test of it needs.

    estimate, se : nats
    df : degrees of freedom of estimate / se
    effect_size : standardized difference, bias-corrected where its name says so
    effect_per_t : se over the SD that the effect size is standardized by. Its interval has no bias correction.
    """

    estimate: float
    se: float
    df: float
    effect_size: float
    effect_size_name: str
    effect_per_t: float


@dataclass(frozen=True, kw_only=True)
class Estimate(Tested):
    """Treatment minus control at one unit."""

    unit: str
    test: str
    n_runs: int
    n_items: int
    domains: str = SAME_ITEMS  # or random, with their number
    sd_domain: float = 0.0  # of the contrast over domains, nats; 0 where they are fixed
    caution: str = ""  # what is known against the level of this test
    sd_sets: float = np.nan  # these three of unit base, where training sets are random too (`training_sets`)
    se_sets: float = np.nan
    df_sets: float = np.nan


def warn_of_level(n_treatment: int, n_control: int) -> str:
    """What is known against the level of a t with such numbers of runs or checkpoints. Empty where nothing is.

    Two against three or more reject a true null in 4 to 12 % of normal data, by the ratio of their SDs. Three or more
    against any number reject it in 4 to 7 % (Welch's t at 5 %, simulated at ratios 1 to 12).

    Examples
    --------
    >>> warn_of_level(3, 3), warn_of_level(2, 2)
    ('', '')
    >>> warn_of_level(8, 2)
    'two against 8: a 5 % test may reject a true null in 12 %'
    """
    few, many = sorted((n_treatment, n_control))
    return f"two against {many}: a 5 % test may reject a true null in 12 %" if few == 2 < many else ""


def hedges_factor(df: float) -> float:
    """1 - 3 / (4 df - 1), which takes the bias from a standardized difference (Hedges 1981, J. Educ. Stat. 6, 107).

    Examples
    --------
    >>> hedges_factor(4) == 0.8
    True
    """
    return 1 - 3 / (4 * df - 1)


def estimate_crossed(treatment: np.ndarray, control: np.ndarray, domains: np.ndarray | None = None) -> Estimate:
    """Crossed random effects, each condition with its run variance. D = estimate / sqrt(all variances).

    Parameters
    ----------
    treatment, control : [runs, items]
        Shifts in nats; the model of `crossed` allows for missing cells.
    domains : [items], optional
        The domain of each item: a random factor where the data carry it (`domains.choose_domains`), so that the claim
        is about new domains too.

    Raises
    ------
    NotEstimable
        Fewer than two runs of a condition or two items of both, too few cells, or no finite solution.
    """
    treatment, control = drop_empty_runs(treatment), drop_empty_runs(control)
    refuse_fewer(2, treatment, control)
    if (shared := find_measured_in_all(treatment, control).sum()) < 2:
        raise NotEstimable(f"{'a single' if shared else 'no'} item measured in both conditions: no variance over items")
    seen = ~(np.isnan(treatment).all(axis=0) & np.isnan(control).all(axis=0))
    if (~np.isnan(treatment)).sum() + (~np.isnan(control)).sum() <= seen.sum() * 2 + 1:
        raise NotEstimable("too few cells to tell runs, items and residual apart")
    chosen = choose_domains(treatment, control, domains)
    try:
        with np.errstate(all="ignore"):
            fit = fit_crossed(treatment, control, domains=chosen)
    except np.linalg.LinAlgError:
        raise NotEstimable("the mixed model has no finite solution") from None
    refuse_no_variance(fit.se, (treatment, control), "runs and items")
    if not np.isfinite([fit.estimate, fit.se, fit.df]).all():
        raise NotEstimable("the mixed model has no finite solution")
    total = float(np.sqrt(fit.var_total))
    return Estimate(
        unit="both",
        test=_name_test(fit),
        n_runs=len(treatment) + len(control),
        n_items=int(seen.sum()),
        estimate=fit.estimate,
        se=fit.se,
        df=fit.df,
        effect_size=fit.estimate / total,
        effect_size_name="d_total",
        effect_per_t=fit.se / total,
        caution=warn_of_level(len(treatment), len(control)),
        domains=describe_domains(domains, fit.n_domains),
        sd_domain=float(np.sqrt(max(CONTRAST @ fit.cov_domain @ CONTRAST, 0.0))),
    )


def _name_test(fit: CrossedFit) -> str:
    factors = " and domains" if fit.n_domains else ""
    how = "quasi-F" if fit.exact else "REML"
    return f"crossed random effects{factors}, {how}{', singular' if fit.singular else ''}"


def estimate_over_checkpoints(pairs: Sequence[Sides]) -> Estimate:
    """One-sample t over base checkpoints of (treatment mean - control mean), runs nested in checkpoints.

    In a balanced nested design this is the exact test: the checkpoint's difference carries the runs'
    variance with it. df = checkpoints - 1. Effect size: mean / sd over checkpoints, times Hedges' factor.
    Items are the same for all checkpoints, so the claim is about new pretrainings, on these items.

    Parameters
    ----------
    pairs : sequence of (treatment, control)
        Panels [runs, items] of each checkpoint, in nats. A column is one item in all of them.

    Raises
    ------
    NotEstimable
        Fewer than two checkpoints, no item that every run of all of them measured, or no variance between them.
    """
    differences, n_items = compare_within_checkpoints(pairs)
    tested = one_sample_t(differences)
    runs = sum(len(a) + len(b) for a, b in pairs)
    test = "one-sample t over checkpoints"
    return Estimate(unit="base", test=test, n_runs=runs, n_items=n_items, **asdict(tested))


def compare_within_checkpoints(pairs: Sequence[Sides]) -> tuple[np.ndarray, int]:
    """Treatment minus control in each checkpoint: means over runs of run means (nats), and over how many items.

    They are the items that every run of all checkpoints measured, or else checkpoints would differ by their items.
    """
    if not pairs:
        return np.array([]), 0
    kept = keep_shared_items(*chain.from_iterable(pairs))
    differences = [a.mean() - b.mean() for a, b in zip(kept[::2], kept[1::2], strict=True)]
    return np.array(differences), kept[0].shape[1]


def one_sample_t(differences: np.ndarray) -> Tested:
    """Mean of checkpoint differences. Standardized and bias-corrected (two checkpoints: not corrected)."""
    n = len(differences)
    if n < 2:
        raise NotEstimable("a single base checkpoint: no variance between pretrainings" if n else "no base checkpoint")
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    refuse_no_variance(sd, (differences,), "base checkpoints")
    # At one degree of freedom Hedges' factor is 0: the standardized mean has no expectation to be corrected to.
    factor = hedges_factor(n - 1) if n > 2 else 1.0
    return Tested(
        estimate=mean,
        se=sd / np.sqrt(n),
        df=n - 1,
        effect_size=mean / sd * factor,
        effect_size_name="hedges_g_z" if n > 2 else "d_z",
        effect_per_t=1 / np.sqrt(n),
    )
