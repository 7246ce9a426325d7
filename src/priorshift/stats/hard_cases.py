"""How often the tests reject a true null where their assumptions fail, and whether other tests would do better.

Unequal numbers of runs with unequal SDs, skewed run effects, failed runs on one side, skewed base checkpoints. Every
mean is 0 on both sides, so that each rejection is a false one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.estimates import Tested, estimate_crossed, one_sample_t
from priorshift.stats.intervals import count_rate
from priorshift.stats.simulation import Components, simulate
from priorshift.stats.welch import estimate_over_runs

HARD_CASES = [
    "setting", "unit", "test", "n_treatment", "n_control", "sd_ratio", "comparisons", "rejections", "rate", "ci_low",
    "ci_high", "alpha",
]  # fmt: skip
LEAST_PERMUTED = 5  # runs a side, for a permutation: with fewer it cannot reject, or hardly
PANEL = Components.from_sds(0.0, 0.4, 0.2, 0.2)  # nats; what items and residuals add to the runs' own effects
N_ITEMS = 12
RUN_SD = 0.3  # of the control, nats
SHARE_FAILED = 0.2


def draw_normal(rng: np.random.Generator, n: int) -> np.ndarray:
    """n effects of mean 0 and SD 1."""
    return rng.standard_normal(n)


def draw_skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """n log-normal effects (skewness 6.2), of mean 0 and SD 1."""
    return (rng.lognormal(size=n) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def draw_failed(rng: np.random.Generator, n: int) -> np.ndarray:
    """n effects of mean 0 and SD 1, of which a fifth is far below the others: runs in which training failed."""
    return np.where(rng.random(n) < SHARE_FAILED, -1.96, 0.49) + 0.2 * rng.standard_normal(n)


@dataclass(frozen=True)
class Case:
    """Runs of a treatment and a control, or (no control) base checkpoints' differences."""

    setting: str
    n_treatment: int
    n_control: int
    sd_ratio: float  # treatment's over control's
    draw: Callable[[np.random.Generator, int], np.ndarray] = draw_normal  # effects of the treatment's runs


CASES = (
    Case("as assumed", 3, 3, 1.0),
    Case("as assumed", 5, 5, 3.0),
    Case("two runs against more", 2, 3, 6.0),
    Case("two runs against more", 2, 8, 6.0),
    *(Case("skewed runs on one side", n, n, 3.0, draw_skewed) for n in (3, 5)),
    *(Case("failed runs on one side", n, n, 3.0, draw_failed) for n in (3, 5)),
    Case("as assumed", 3, 0, np.nan),
    *(Case("skewed checkpoints", n, 0, np.nan, draw_skewed) for n in (3, 5)),
)


def simulate_hard_cases(comparisons: int, alpha: float, seed: int = 0) -> pd.DataFrame:
    """How often each test rejects in each of `CASES`, with exact binomial 95 % intervals: `tables/hard_cases.csv`.

    Beside the tests that the tables hold stand two that might be remedies, at unit `runs`. Welch's t with the degrees
    of freedom of the lesser side keeps its level for normal runs, whatever their SDs. The permutation of Welch's t
    (Janssen 1997, Stat. Prob. Lett. 36, 9), from `LEAST_PERMUTED` runs a side, is exact only where both sides are
    distributed alike. In these cases it rejects as often as Welch's t, or more often.

    Returns
    -------
    DataFrame
        Columns `HARD_CASES`.
    """
    rows = []
    for number, case in enumerate(CASES):
        rng = np.random.default_rng([seed, number])
        p_values: dict[tuple[str, str], list[float]] = {}
        for _ in range(comparisons):
            for unit, test, p_value in _test(case, rng):
                p_values.setdefault((unit, test), []).append(p_value)
        for (unit, test), values in p_values.items():
            rejections = int((np.array(values) < alpha).sum())
            counts = (len(values), rejections, *count_rate(rejections, len(values)), alpha)
            rows.append((case.setting, unit, test, case.n_treatment, case.n_control, case.sd_ratio, *counts))
    return pd.DataFrame(rows, columns=HARD_CASES)


def _test(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, str, float]]:
    """Unit, test and p of one comparison by each test."""
    if not case.n_control:
        yield "base", "t over checkpoints", _find_p(one_sample_t(case.draw(rng, case.n_treatment)))
        return
    sizes = (case.n_treatment, case.n_control)
    treatment, control = simulate(rng, PANEL, sizes, N_ITEMS)
    treatment += case.sd_ratio * RUN_SD * case.draw(rng, sizes[0])[:, None]
    control += RUN_SD * draw_normal(rng, sizes[1])[:, None]
    over_runs = estimate_over_runs(treatment, control)
    yield "runs", "Welch t", _find_p(over_runs)
    yield "runs", "Welch t, df of the lesser side", _find_p(over_runs, min(sizes) - 1)
    if min(sizes) >= LEAST_PERMUTED:
        yield "runs", "permutation of Welch t", permute_welch(treatment.mean(axis=1), control.mean(axis=1))
    yield "both", "crossed random effects", _find_p(estimate_crossed(treatment, control))


def _find_p(made: Tested, df: float | None = None) -> float:
    return float(2 * stats.t.sf(abs(made.estimate / made.se), df or made.df))


def permute_welch(treatment: np.ndarray, control: np.ndarray) -> float:
    """Two-sided p of Welch's t among those of all ways to deal out the labels.

    Parameters
    ----------
    treatment, control : [runs]
        Run means.

    Examples
    --------
    >>> round(permute_welch(np.array([4.0, 5.0, 6.5]), np.array([1.0, 2.0, 3.0])), 3)
    0.1
    """
    made = stats.permutation_test((treatment, control), _compute_abs_t, alternative="greater", n_resamples=np.inf)
    return float(made.pvalue)


def _compute_abs_t(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
    """Size of Welch's t: t itself is not symmetric where numbers differ, and both its tails count."""
    # Not scipy.stats.ttest_ind: it finds a p for each arrangement too, and takes many times as long.
    errors = [side.var(axis=axis, ddof=1) / side.shape[axis] for side in (one, other)]
    return np.abs(one.mean(axis=axis) - other.mean(axis=axis)) / np.sqrt(sum(errors))
