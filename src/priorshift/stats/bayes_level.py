"""Do the Bayesian fits keep their word? Simulation-based calibration of `bayes_model`.

True values are drawn from the priors and panels from the model (Talts et al. 2018, arXiv 1804.06788). The rank of a
true value among the posterior's draws must then be uniform. A 95 % interval must hold it in 95 %. That is an average
over the prior: at one true value an interval may hold it more or less often. Beside stands the t interval of the same
panels.

simuk, a library for this, knows NumPyro models too, but compiles each fit anew: nine of ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.bayes import Prior, Summary, list_faults, load_sampler
from priorshift.stats.bayes_data import summarize_checkpoints, summarize_crossed
from priorshift.stats.estimates import Sides, Tested, estimate_crossed, estimate_over_checkpoints
from priorshift.stats.intervals import t_interval

if TYPE_CHECKING:
    from priorshift.stats.bayes_model import Posterior

BAYES_LEVEL = [
    "unit", "domains", "n_runs", "n_items", "quantity", "level", "simulations", "covered", "coverage", "ci_low",
    "ci_high", "p_uniform", "unsound", "median_width", "t_coverage", "t_median_width", "prior_sd", "prior_effect",
]  # fmt: skip
BAYES_RANKS = ["unit", "domains", "quantity", "share", "ecdf", "band_low", "band_high"]
LEVELS = (0.5, 0.95)
SHARES = np.linspace(0.05, 0.95, 19)
DF = 3  # of the priors' t, as in `bayes_model`
KEPT = 100  # draws that ranks are among, far enough apart to be hardly correlated
ITEMS = 24


class Design(NamedTuple):
    """What is simulated: one base model (unit `both`), or checkpoints (`base`). `runs` are of each condition."""

    unit: str
    domains: int
    checkpoints: int
    runs: int = 3


DESIGNS = (Design("both", 1, 1), Design("both", 6, 1), Design("base", 1, 3))
# What a reader calls it -> the parameter's name among the draws
QUANTITIES = {
    "effect": "effect[0]",
    "SD of runs of the treatment": "sd_run[1]",
    "SD of item slopes": "sd_item[1]",
    "SD of domain slopes": "sd_domain[1]",
    "SD of base checkpoints": "sd_base[0]",
}


class Simulated(NamedTuple):
    """One data set: its true values by the parameter's name, what is fitted, and the t test beside."""

    truth: dict[str, float]
    data: Summary
    tested: Tested


def simulate_coverage(prior: Prior, simulations: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count how often posterior intervals hold the truth: `tables/bayes_level.csv` and `tables/bayes_ranks.csv`.

    Parameters
    ----------
    simulations : int
        Data sets of each of `DESIGNS`.

    Returns
    -------
    DataFrame
        Columns `BAYES_LEVEL`, a row a design, quantity and level. ci_low, ci_high: the exact binomial 95 % interval of
        the coverage. p_uniform: Kolmogorov's and Smirnov's test of uniform ranks. unsound: fits whose draws are not to
        be trusted. They count all the same. median_width: nats, of these intervals. t_coverage, t_median_width: of
        Student's t interval of the effect.
    DataFrame
        Columns `BAYES_RANKS`: the share of ranks below `share` of the draws, and the simultaneous 95 % band about it.

    Raises
    ------
    UserError
        The packages of the extra `bayes` are not installed.
    """
    model = load_sampler()
    scales = model.Scales(prior.scale, prior.effect_scale)
    rows: list[dict[str, Any]] = []
    ranks: list[dict[str, Any]] = []
    for number, design in enumerate(DESIGNS):
        rng = np.random.default_rng([seed, number])
        made = [simulate_design(rng, design, prior) for _ in range(simulations)]
        posteriors = [
            model.sample_posterior(one.data, scales, prior.draws, prior.draws, at) for at, one in enumerate(made)
        ]
        key = {"unit": design.unit, "domains": design.domains if design.domains > 1 else 0}
        for quantity, name in QUANTITIES.items():
            if name not in posteriors[0].draws:
                continue
            truths = np.array([one.truth[name] for one in made])
            draws = np.stack([_thin(posterior.draws[name]) for posterior in posteriors])  # [simulations, KEPT]
            # A rank among k draws is one of k + 1: spread evenly over its share, so that ranks have no ties.
            placed = ((draws < truths[:, None]).sum(axis=1) + rng.random(simulations)) / (draws.shape[1] + 1)
            shared = {
                **key, "n_runs": int(made[0].data.runs.sum()), "n_items": made[0].data.items, "quantity": quantity,
                "p_uniform": float(stats.kstest(placed, "uniform").pvalue),
                "unsound": sum(bool(list_faults(posterior)) for posterior in posteriors),
                "prior_sd": prior.scale, "prior_effect": prior.effect_scale,
            }  # fmt: skip
            rows += [{**shared, **row} for row in _count_covered(made, posteriors, name)]
            ranks += [{**key, "quantity": quantity, **row} for row in _tabulate_ranks(placed)]
    return pd.DataFrame(rows, columns=BAYES_LEVEL), pd.DataFrame(ranks, columns=BAYES_RANKS)


def _thin(draws: np.ndarray) -> np.ndarray:
    """At most `KEPT` of [chains, draws], evenly spaced in each chain."""
    step = max(draws.size // KEPT, 1)
    return draws[:, ::step].ravel()[:KEPT]


def _count_covered(made: list[Simulated], posteriors: list[Posterior], name: str) -> Iterator[dict[str, Any]]:
    truths = np.array([one.truth[name] for one in made])
    for level in LEVELS:
        tails = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.array([np.quantile(posterior.draws[name], tails) for posterior in posteriors]).T
        covered = int(((low <= truths) & (truths <= high)).sum())
        interval = stats.binomtest(covered, len(made)).proportion_ci(0.95, method="exact")
        row = {
            "level": level, "simulations": len(made), "covered": covered, "coverage": covered / len(made),
            "ci_low": interval.low, "ci_high": interval.high, "median_width": float(np.median(high - low)),
        }  # fmt: skip
        if name == QUANTITIES["effect"]:
            ends = np.array([t_interval(t.estimate, t.se, t.df, 1 - level)[:2] for t in (one.tested for one in made)])
            row["t_coverage"] = float(((ends[:, 0] <= truths) & (truths <= ends[:, 1])).mean())
            row["t_median_width"] = float(np.median(ends[:, 1] - ends[:, 0]))
        yield row


def _tabulate_ranks(placed: np.ndarray) -> Iterator[dict[str, float]]:
    reach = float(stats.kstwo.ppf(0.95, len(placed)))
    for share in SHARES:
        ends = {"band_low": max(share - reach, 0.0), "band_high": min(share + reach, 1.0)}
        yield {"share": float(share), "ecdf": float((placed <= share).mean()), **ends}


def simulate_design(rng: np.random.Generator, design: Design, prior: Prior) -> Simulated:
    """True values drawn from the priors, and panels drawn from the model with them."""
    sd_run = _draw_sds(rng, prior, 2)
    effect = prior.effect_scale * float(rng.standard_t(DF))
    truth = {"effect[0]": effect, "sd_run[1]": float(sd_run[1])}
    if design.unit == "base":
        sd_base = float(_draw_sds(rng, prior, 1)[0])
        pairs = [_draw_checkpoint(rng, effect + sd_base * rng.standard_normal(), sd_run, design) for _ in range(3)]
        data = summarize_checkpoints(pairs)
        return Simulated(truth | {"sd_base[0]": sd_base}, data, estimate_over_checkpoints(pairs))
    sides, slopes, domains = _draw_panels(rng, design, prior, effect, sd_run)
    fitted = summarize_crossed(*sides, domains)
    return Simulated(truth | slopes, fitted, estimate_crossed(*sides, domains))


def _draw_sds(rng: np.random.Generator, prior: Prior, size: int) -> np.ndarray:
    return prior.scale * np.abs(rng.standard_t(DF, size))


def _draw_checkpoint(rng: np.random.Generator, difference: float, sd_run: np.ndarray, design: Design) -> Sides:
    """Panels whose items differ by a constant: this unit is about these very items."""
    items = np.linspace(-1, 1, ITEMS)
    control, treatment = (
        centre + sd * rng.standard_normal((design.runs, 1)) + items
        for centre, sd in zip((0.0, difference), sd_run, strict=True)
    )
    return treatment, control


def _draw_panels(
    rng: np.random.Generator, design: Design, prior: Prior, effect: float, sd_run: np.ndarray
) -> tuple[Sides, dict[str, float], np.ndarray | None]:
    """(treatment, control), the true SDs of slopes, and the domain of each item, None where there is one."""
    mean, sd_residual = prior.effect_scale * rng.standard_t(DF), float(_draw_sds(rng, prior, 1)[0])
    domains = np.repeat(np.arange(design.domains), ITEMS // design.domains)
    (intercept, slope), sd_slope = _draw_effects(rng, prior, ITEMS)
    slopes = {"sd_item[1]": sd_slope}
    if design.domains > 1:
        (more, steeper), slopes["sd_domain[1]"] = _draw_effects(rng, prior, design.domains)
        intercept, slope = intercept + more[domains], slope + steeper[domains]
    control, treatment = (
        mean + sign * (effect + slope) / 2 + intercept + sd * rng.standard_normal((design.runs, 1))
        + sd_residual * rng.standard_normal((design.runs, ITEMS))
        for sign, sd in zip((-1, 1), sd_run, strict=True)
    )  # fmt: skip
    return (treatment, control), slopes, domains if design.domains > 1 else None


def _draw_effects(rng: np.random.Generator, prior: Prior, n: int) -> tuple[np.ndarray, float]:
    """Intercepts and slopes, [2, n], and the SD of the slopes."""
    sds, correlation = _draw_sds(rng, prior, 2), 2 * rng.beta(2, 2) - 1
    covariance = np.outer(sds, sds) * [[1, correlation], [correlation, 1]]
    return np.linalg.cholesky(covariance) @ rng.standard_normal((2, n)), float(sds[1])
