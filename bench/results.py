"""Timed runs -> medians with their spread, a figure, and one sentence on them."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

CELL = ["model", "device", "stem_tokens", "continuations"]
# Okabe and Ito's colour-blind-safe palette.
COLOURS = {"naive": "#999999", "minicons": "#E69F00", "lm-eval": "#56B4E9", "priorshift": "#0072B2"}
# The point that the README's ratio is taken at: many continuations of a stem of middling length.
HEADLINE = {"stem_tokens": 60, "continuations": 24}


def summarize(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per point and system.

    Columns: ``items_per_s`` (median over repeats), ``_min`` and ``_max``; ``token_ratio`` (computed over unique
    tokens, all repeats together); the largest ``peak_mb``, ``scoring_mb`` and ``largest_difference``; ``batch_size``;
    ``load_s``, seconds from a loaded model to a ready system (ours proves prompt-once scoring then);
    ``times_best_peer``, a system's median over the best of the others', and ``best_peer``, which one that is.
    """
    groups = runs.groupby([*CELL, "system"], sort=False)
    speed = groups["items_per_s"]
    table = pd.DataFrame(
        {
            "items": groups["items"].first(),
            "repeats": groups.size(),
            "items_per_s": speed.median(),
            "items_per_s_min": speed.min(),
            "items_per_s_max": speed.max(),
            "token_ratio": groups["computed_tokens"].sum() / groups["unique_tokens"].sum(),
            "peak_mb": groups["peak_mb"].max(),
            "scoring_mb": groups["scoring_mb"].max(),
            "largest_difference": groups["largest_difference"].max(),
            "batch_size": groups["batch_size"].first(),
            "load_s": groups["load_s"].first(),
        }
    ).reset_index()
    return table.assign(**_compare_systems(table))


def _compare_systems(table: pd.DataFrame) -> dict[str, list]:
    ratios, names = [], []
    for row in table.itertuples():
        same = (table[CELL] == [getattr(row, name) for name in CELL]).all(axis=1)
        others = table[same & (table["system"] != row.system)]
        best = others.loc[others["items_per_s"].idxmax()] if len(others) else None
        ratios.append(float("nan") if best is None else row.items_per_s / best["items_per_s"])
        names.append("" if best is None else best["system"])
    return {"times_best_peer": ratios, "best_peer": names}


def describe_summary(summary: pd.DataFrame) -> str:
    """How many times the best peer's speed ours is: at the headline's point, and at its worst point."""
    ours = summary[summary["system"] == "priorshift"].dropna(subset="times_best_peer")
    if ours.empty:
        return "priorshift or its peers were left out: nothing to compare"
    headline = ours[(ours[list(HEADLINE)] == list(HEADLINE.values())).all(axis=1)]
    chosen = [*headline.itertuples(), ours.loc[[ours["times_best_peer"].idxmin()]].iloc[0]]
    return "\n".join(
        f"{row.model}, {row.continuations} continuations, {row.stem_tokens}-token stems: {row.items_per_s:.3g} "
        f"items/s, {row.times_best_peer:.1f} times the best peer ({row.best_peer}), token ratio {row.token_ratio:.3f}"
        + ("" if i < len(headline) else "  <- the smallest ratio of all")
        for i, row in enumerate(chosen)
    )


def draw_bench(runs: pd.DataFrame) -> Figure:
    """Items per second by continuations: a row of panels per model, a panel per stem length; median and range."""
    order = [name for name in COLOURS if name in set(runs["system"])]
    grid = sns.relplot(
        runs, kind="line", x="continuations", y="items_per_s", hue="system", hue_order=order, palette=COLOURS,
        style="system", markers=True, dashes=False, row="model", col="stem_tokens", height=2.6, aspect=1.6,
        estimator="median", errorbar=("pi", 100), facet_kws={"sharey": "row"},
    )  # fmt: skip
    grid.set(xscale="log", yscale="log").set_axis_labels("continuations per stem", "items per second")
    grid.set_titles("{row_name}, {col_name}-token stems", size=8)
    ticks = sorted(set(runs["continuations"]))
    for axis in grid.axes.flat:
        axis.set_xticks(ticks, ticks)
        axis.minorticks_off()
    return grid.figure
