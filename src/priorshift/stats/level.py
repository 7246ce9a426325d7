"""A/A comparisons: runs of one condition against runs of the same. A test at 5 % must reject 5 % of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.errors import UserError
from priorshift.stats.estimates import Sides, estimate_crossed, estimate_over_checkpoints
from priorshift.stats.intervals import count_rate
from priorshift.stats.over_items import estimate_over_items
from priorshift.stats.panels import Panel, build_panels
from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.simulation import Components, simulate
from priorshift.stats.welch import estimate_over_runs

CHECKPOINTS = 3  # a group, in simulated comparisons of unit `base`
COMPARISON = ["source", "base_model", "world", "condition", "family", "ring", "outcome", "unit", "run_sd_ratio"]
LEVEL = [
    *COMPARISON, "runs_per_side", "n_runs", "n_items", "comparisons", "rejections", "rate", "ci_low", "ci_high",
    "alpha",
]  # fmt: skip


def compare_alike(
    items: pd.DataFrame,
    condition: str,
    runs_per_side: int,
    comparisons: int,
    run_sd_ratios: Sequence[float] = (1.0,),
    seed: int = 0,
) -> pd.DataFrame:
    """p-values of `comparisons` A/A comparisons of each panel, measured and simulated, at each unit.

    `measured`: the condition's runs are parted at random into pairs of groups with no run in common, again and
    again. All comparisons share these runs and items. `simulated`: new runs and items each time, drawn from the
    panel's variance components (`estimate_components`). Measured comparisons are of one condition, so that both
    sides vary alike. A treatment may make its runs differ more, so simulated ones also multiply the run SD of one
    side. Unit `base` is simulated alone: `CHECKPOINTS` comparisons at a time are the checkpoints of a group.

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`.
    condition : str
        The one condition that is compared with itself.
    runs_per_side, comparisons : int
        Of each panel and way.
    run_sd_ratios : sequence of float
        Run SD of the one side over that of the other, in simulated comparisons.

    Returns
    -------
    DataFrame
        `COMPARISON`, runs_per_side, n_runs, n_items and p_value, one row a comparison and unit.

    Raises
    ------
    UserError
        Fewer than two runs a side, or fewer runs than two sides need.
    """
    rows: list[dict[str, Any]] = []
    for number, panel in enumerate(build_panels(items[items["condition"] == condition])):
        n = len(panel.values)
        _check_side(runs_per_side, n, panel.base_model, condition)
        key = {
            "base_model": panel.base_model, "world": panel.world, "condition": condition, "family": panel.family,
            "ring": panel.ring, "outcome": panel.outcome, "runs_per_side": runs_per_side, "n_runs": n,
            "n_items": len(panel.items),
        }  # fmt: skip
        # Each panel draws for itself: simulated panels must not share their chance.
        rng = np.random.default_rng([seed, number])
        rows += [key | found for found in _compare_panel(panel, runs_per_side, comparisons, run_sd_ratios, rng)]
    return pd.DataFrame(rows, columns=[*COMPARISON, "runs_per_side", "n_runs", "n_items", "p_value"])


def _check_side(side: int, n: int, base_model: str, condition: str) -> None:
    if side < 2 or n < 2 * side:
        raise UserError(
            f"runs_per_side: found {side}; {base_model} has {n} runs of {condition!r}, "
            f"expected 2 to {n // 2}: set it so, or train more seeds"
        )


def _compare_panel(
    panel: Panel, side: int, comparisons: int, run_sd_ratios: Sequence[float], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Source, run_sd_ratio, unit and p_value of one panel's comparisons, measured and then simulated."""
    measured = draw_pairs(panel.values, side, comparisons, rng)
    # One base model was measured: unit `base` has no comparison.
    for unit, p in _test_pairs(measured, 0, panel.domains):
        yield {"source": "measured", "run_sd_ratio": 1.0, "unit": unit, "p_value": p}
    domains = None if panel.domains is None else panel.domains[_find_complete(panel)]
    for ratio in run_sd_ratios:
        simulated = _simulate_pairs(panel, side, comparisons, ratio, rng)
        for unit, p in _test_pairs(simulated, CHECKPOINTS, domains):
            yield {"source": "simulated", "run_sd_ratio": ratio, "unit": unit, "p_value": p}


def count_rejections(p_values: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """How often each unit rejects, with exact binomial 95 % intervals: `tables/calibration.csv`.

    Measured comparisons share their runs: their interval tells how well these runs' rate is known, not how much it
    would differ with other runs.

    Parameters
    ----------
    p_values : DataFrame
        As `compare_alike` made it.

    Returns
    -------
    DataFrame
        Columns `LEVEL`.
    """
    rows = []
    for key, part in p_values.groupby([*COMPARISON, "runs_per_side", "n_runs", "n_items"], sort=True):
        n, rejections = len(part), int((part["p_value"] < alpha).sum())
        rows.append((*key, n, rejections, *count_rate(rejections, n), alpha))
    return pd.DataFrame(rows, columns=LEVEL)


def estimate_components(values: np.ndarray) -> Components:
    """Run, item and residual variance of one condition, [runs, items] without gaps, by two-way analysis of variance.

    The condition is compared with itself: items differ, and in the same way on both sides.
    """
    n, m = values.shape
    run, item = values.mean(axis=1), values.mean(axis=0)
    rest = values - run[:, None] - item + values.mean()
    residual = float((rest**2).sum()) / ((n - 1) * (m - 1))
    var_run, var_item = max(run.var(ddof=1) - residual / m, 0.0), max(item.var(ddof=1) - residual / n, 0.0)
    return Components(np.full(2, var_run), np.full((2, 2), var_item), residual)


def draw_pairs(values: np.ndarray, side: int, comparisons: int, rng: np.random.Generator) -> Iterator[Sides]:
    """Pairs of `side` runs each out of [runs, items], parted at random again and again. No run stands on both sides."""
    per_partition, made = len(values) // (2 * side), 0
    while made < comparisons:
        order = rng.permutation(len(values))
        for i in range(min(per_partition, comparisons - made)):
            a, b = np.split(order[2 * side * i : 2 * side * (i + 1)], 2)
            yield values[a], values[b]
            made += 1


def _simulate_pairs(
    panel: Panel, side: int, comparisons: int, run_sd_ratio: float, rng: np.random.Generator
) -> Iterator[Sides]:
    whole = panel.values[:, _find_complete(panel)]
    if min(whole.shape) < 2:
        return
    found = estimate_components(whole)
    found = replace(found, var_run=found.var_run * [1.0, run_sd_ratio**2])
    for _ in range(comparisons):
        yield simulate(rng, found, (side, side), whole.shape[1])


def _find_complete(panel: Panel) -> np.ndarray:
    """Which items every run measured."""
    return ~np.isnan(panel.values).any(axis=0)


def _test_pairs(pairs: Iterable[Sides], nested: int, domains: np.ndarray | None) -> Iterator[tuple[str, float]]:
    """Unit and p of every comparison. Of every `nested` ones together at unit `base`."""
    group: list[Sides] = []
    for pair in pairs:
        tests = [partial(test, *pair, domains) for test in (estimate_over_items, estimate_crossed)]
        tests.append(partial(estimate_over_runs, *pair))
        group.append(pair)
        if len(group) == nested:
            tests.append(partial(estimate_over_checkpoints, group))
            group = []
        for test in tests:
            try:
                made = test()
            except NotEstimable:
                continue
            yield made.unit, float(2 * stats.t.sf(abs(made.estimate / made.se), made.df))
