"""Do the controls agree? Where a measure moves two of them apart, it measures something besides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from priorshift.stats.estimates import Sides, Tested, estimate_over_checkpoints
from priorshift.stats.intervals import t_interval
from priorshift.stats.panels import PROBE, Probe, build_panels, group_checkpoints, share_items
from priorshift.stats.shared_items import NotEstimable, keep_shared_items
from priorshift.stats.welch import welch

CONTROLS = [
    "base_model", "world", "condition", "control", "family", "outcome", "ring", "unit", "n_runs", "n_items",
    "estimate", "ci_low", "ci_high", "margin", "flag",
]  # fmt: skip


def compare_controls(items: pd.DataFrame, controls: Sequence[str], margin: float, alpha: float) -> pd.DataFrame:
    """Compare each two controls on every probe: `tables/controls.csv`, in nats.

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`.
    controls : sequence of str
        Conditions that should leave expectations alone. The later one of a pair is `condition`, the earlier `control`.
    margin : float
        The smallest effect of interest, nats.

    Returns
    -------
    DataFrame
        Columns `CONTROLS`. Unit `runs`: difference of means over runs and Welch's interval, for each base model. Unit
        `base`: over the checkpoints of an architecture and world, where there are two. The interval is empty where a
        control has one run. flag: the difference is greater than the margin. The measure then tells something besides
        what the treatments teach, or else one of the two is no control. Exploratory, and not corrected.
    """
    rows: list[dict[str, Any]] = []
    panels = build_panels(items)
    for control, condition in combinations(controls, 2):
        pair = {"condition": condition, "control": control}
        for panel in panels:
            named = {"base_model": panel.base_model, "world": panel.world} | pair | _name_probe(panel.probe)
            made = _compare_runs(panel.select(condition), panel.select(control), alpha)
            rows += [named | {"unit": "runs"} | made] if made else []
        for group, world, probe, checkpoints in group_checkpoints(panels):
            ran = share_items([panel for panel in checkpoints if {condition, control} <= panel.conditions])
            named = {"base_model": group, "world": world} | pair | _name_probe(probe)
            made = _compare_checkpoints([(panel.select(condition), panel.select(control)) for panel in ran], alpha)
            rows += [named | {"unit": "base"} | made] if made else []
    table = pd.DataFrame(rows, columns=CONTROLS)
    return table.assign(margin=margin, flag=table["estimate"].astype(float).abs() > margin)


def _name_probe(probe: Probe) -> dict[str, Any]:
    return dict(zip(PROBE, probe, strict=True))


def _compare_runs(condition: np.ndarray, control: np.ndarray, alpha: float) -> dict[str, Any]:
    """The difference over runs. Nothing where the two share no item."""
    try:
        kept = keep_shared_items(condition, control)
    except NotEstimable:
        return {}
    means = [side.mean(axis=1) for side in kept]
    counts = {"n_runs": sum(map(len, means)), "n_items": kept[0].shape[1]}
    try:
        return counts | _limit(welch(*means), alpha)
    except NotEstimable:  # one run, or no variance between runs
        return counts | {"estimate": float(means[0].mean() - means[1].mean())}


def _compare_checkpoints(pairs: Sequence[Sides], alpha: float) -> dict[str, Any]:
    """The difference over checkpoints. Nothing where there are not two."""
    try:
        made = estimate_over_checkpoints(pairs)
    except NotEstimable:
        return {}
    return {"n_runs": made.n_runs, "n_items": made.n_items} | _limit(made, alpha)


def _limit(tested: Tested, alpha: float) -> dict[str, Any]:
    low, high, _ = t_interval(tested.estimate, tested.se, tested.df, alpha)
    return {"estimate": tested.estimate, "ci_low": float(low), "ci_high": float(high)}
