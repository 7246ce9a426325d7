"""Which runs and items of a comparison count: means are taken over the same items in all runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np


class NotEstimable(Exception):
    """The data do not carry this claim. The message is the reason."""


def keep_shared_items(*panels: np.ndarray) -> list[np.ndarray]:
    """The panels without empty runs, and without the items that a run of any of them lacks.

    Parameters
    ----------
    panels : [runs, items] each
        Treatment and control, of one base model or of several in turn. A column is one item in all of them.

    Raises
    ------
    NotEstimable
        A condition has no run, or no item was measured by every run.
    """
    at, shared = find_kept_items(*panels), find_measured_in_all(*panels)
    return [panel[~np.isnan(panel[:, shared]).all(axis=1)][:, at] for panel in panels]


def find_kept_items(*panels: np.ndarray) -> np.ndarray:
    """Which items `keep_shared_items` keeps, by position. Arguments and errors are the same."""
    refuse_fewer(1, *panels)
    shared = np.flatnonzero(find_measured_in_all(*panels))
    if not len(shared):
        where = "both conditions" if len(panels) == 2 else "both conditions of every base checkpoint"
        raise NotEstimable(f"no item was measured in {where}")
    kept = [drop_empty_runs(panel[:, shared]) for panel in panels]
    complete = ~np.any([np.isnan(panel).any(axis=0) for panel in kept], axis=0)
    if not complete.any():
        raise NotEstimable("no item was measured by every run: means would compare different items")
    return shared[complete]


def refuse_no_variance(se: float, values: Sequence[np.ndarray], what: str) -> None:
    """Raises NotEstimable where a standard error is 0, up to the rounding of such values."""
    # A float sum of equal numbers may differ in its last digits: that is not variance.
    size = max(float(np.nanmax(np.abs(v))) for v in values)
    if not se > 1e-12 * size:
        raise NotEstimable(f"no variance over {what}: a test would divide by zero")


def refuse_fewer(least: int, *panels: np.ndarray) -> None:
    """Raises NotEstimable where a treatment or a control, in turn, has fewer runs."""
    for name, runs in zip(cycle(("treatment", "control")), panels, strict=False):
        if len(runs) < least:
            raise NotEstimable(
                f"a single run of the {name}: no variance between runs" if len(runs) else f"no runs of the {name}"
            )


def find_measured_in_all(*panels: np.ndarray) -> np.ndarray:
    """Which items some run of every panel measured, [items]."""
    return ~np.any([np.isnan(panel).all(axis=0) for panel in panels], axis=0)


def drop_empty_runs(panel: np.ndarray) -> np.ndarray:
    """The panel without the runs that measured nothing."""
    return panel[~np.isnan(panel).all(axis=1)]
