"""The figure of how far the measures agree: a heat map of their correlations, in blocks by method."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from priorshift.report.agreement_text import describe_pool, list_pools
from priorshift.report.names import name_condition
from priorshift.report.save import Picture
from priorshift.stats.agreement import OVER, RELIABILITY

BELOW, ABOVE = OVER[:2]


def draw_agreement(multitrait: pd.DataFrame) -> Picture:
    """Draw the multitrait-multimethod matrix (Campbell & Fiske 1959), a panel for each world.

    Base models outside the worlds share a panel. Below the diagonal stand correlations over all runs, above it those
    within conditions, on it reliability over all runs.

    Parameters
    ----------
    multitrait : `agreement.correlate_measures`, with at least one row
    """
    pools = list_pools(multitrait)
    most = max(len(_list_measures(rows)) for _, rows in pools)
    size = 2.2 + 0.42 * most
    figure, axes = plt.subplots(1, len(pools), figsize=(len(pools) * (size + 0.6), size), squeeze=False)
    for axis, (name, rows) in zip(axes.flat, pools, strict=True):
        _draw_matrix(axis, rows)
        axis.set_title(name)
    figure.suptitle(f"Correlations of measures: below the diagonal over {BELOW}, above it {ABOVE}")
    figure.tight_layout()
    found = " ".join(describe_pool(name, rows) for name, rows in pools)
    text = f"Correlations of measures, in blocks by method. Below the diagonal: over {BELOW}. Above it: {ABOVE}. "
    return Picture("agreement", figure, f"{text}On it: reliability. {found}")


def _list_measures(rows: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = [*zip(rows["method"], rows["outcome"], strict=True)]
    return sorted({*pairs, *zip(rows["other_method"], rows["other_outcome"], strict=True)})


def _draw_matrix(axis: Axes, rows: pd.DataFrame) -> None:
    measures = _list_measures(rows)
    matrix = np.full((len(measures), len(measures)), np.nan)
    for row in rows.to_dict("records"):
        first, last = sorted(
            measures.index(pair)
            for pair in ((row["method"], row["outcome"]), (row["other_method"], row["other_outcome"]))
        )
        if row["over"] == BELOW:
            matrix[last, first] = row["correlation"]
        elif row["over"] == ABOVE and row["kind"] != RELIABILITY:
            matrix[first, last] = row["correlation"]
    labels = [f"{name_condition(method)}: {outcome}" for method, outcome in measures]
    shown = pd.DataFrame(matrix, labels, labels)
    style = {"annot": True, "fmt": ".2f", "annot_kws": {"size": 7}, "cbar": False, "square": True}
    sns.heatmap(shown, ax=axis, vmin=-1, vmax=1, cmap="vlag", **style)
    methods = [method for method, _ in measures]
    for i in range(1, len(methods)):
        if methods[i] != methods[i - 1]:
            axis.axhline(i, color="black", linewidth=1.2)
            axis.axvline(i, color="black", linewidth=1.2)
    axis.tick_params(axis="x", labelrotation=90)
