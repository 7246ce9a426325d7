"""Figures of tests: claims with their intervals, power, specifications, p-values. Tables in, figures out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from priorshift.report.claims_text import spoken
from priorshift.stats.declared import NAMED


def claim_rows(contrasts: pd.DataFrame, named: Collection[tuple[str, ...]]) -> pd.DataFrame:
    """What `claim_figure` shows of the contrasts of `inference.claims`: those named, of units `both` and `base`.

    Parameters
    ----------
    named : (condition, control, family, outcome, ring) of the contrasts to show, as `families.declared`
    """
    keep = [key in named for key in contrasts[list(NAMED)].itertuples(index=False, name=None)]
    return contrasts[pd.Series(keep, index=contrasts.index, dtype=bool) & contrasts["unit"].isin(["both", "base"])]


def claim_figure(rows: pd.DataFrame, margin: float, palette: Mapping[str, str]) -> Figure:
    """The declared contrasts with their intervals: each base model over new runs and items, each architecture over
    new checkpoints; a panel for each contrast, the smallest effect of interest as a band.

    Parameters
    ----------
    rows : `claim_rows`, at least one
    margin : nats, the study's smallest effect of interest
    """
    pairs = rows["condition"].map(spoken) + " minus " + rows["control"].map(spoken)
    rows = rows.assign(claim=pairs + ": " + rows["outcome"])
    rows = rows.assign(last=rows["unit"] == "base").sort_values(["world", "base_model", "last"], kind="stable")
    rows["name"] = (rows["base_model"] + " · " + rows["world"]).where(rows["last"], rows["base_model"])
    names, panels = list(dict.fromkeys(rows["name"]))[::-1], list(dict.fromkeys(rows["claim"]))
    size = (4 * len(panels) + 1.5, 0.28 * len(names) + 1)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for row in rows[rows["claim"] == panel].to_dict("records"):
            colour = "black" if row["last"] else palette[row["condition"]]
            y = names.index(row["name"])
            axis.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=2 if row["last"] else 1)
            axis.plot(row["estimate"], y, marker="D" if row["last"] else "o", markersize=4, color=colour)
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.axvspan(-margin, margin, color="0.92", zorder=-1)
        axis.set(title=panel, xlabel="difference of shifts (nats)", yticks=range(len(names)), yticklabels=names)
        axis.set_ylim(-0.5, len(names) - 0.5)
    # Intervals over two checkpoints can be many times the estimates: they may leave the picture.
    reach = max(2.0 * rows["estimate"].abs().max(), margin)
    ends = rows[["ci_low", "ci_high"]].clip(-reach, reach)
    for axis in axes.flat:
        axis.set_xlim(min(-margin, ends["ci_low"].min()) - 0.2, max(margin, ends["ci_high"].max()) + 0.2)
    figure.tight_layout()
    return figure


def power_figure(table: pd.DataFrame) -> Figure:
    """Power against runs of each condition: a panel for each number of items, a line for each claim and base model."""
    pair = table["condition"].map(spoken) + " minus " + table["control"].map(spoken)
    contrast = pair + ", " + table["outcome"] + " (" + table["family"] + ")"
    # Rings too: two claims must not be drawn as one line, whose points seaborn would average.
    data = table.assign(contrast=contrast + table["ring"].radd(", ").str.replace("_", " "), items=table["n_items"])
    data["base models"] = data["world"].where(data["world"] != "", data["base_model"])
    grid = sns.relplot(
        data, kind="line", x="n_runs", y="power", hue="base models", palette="colorblind", style="contrast",
        units="base_model", estimator=None, col="items", height=3.2, linewidth=1,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.axhline(0.8, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    grid.set(ylim=(0, 1.02)).set_axis_labels("runs of each condition", "power")
    return grid.figure


def specification_figure(curve: pd.DataFrame) -> Figure:
    """Specification curve: every choice's estimate in order, with its interval; the declared ones in black."""
    claim = curve["condition"].map(spoken) + ", " + curve["outcome"]
    data = curve.assign(world=curve["world"].replace("", "hub"), claim=claim)
    data["rank"] = data.groupby(["world", "claim"])["estimate"].rank(method="first")
    grid = sns.relplot(
        data, x="rank", y="estimate", row="world", col="claim", hue="unit", hue_order=["items", "runs", "both", "base"],
        style="scoring", height=3, aspect=1.7, s=14, linewidth=0, facet_kws={"sharey": "row"},
    )  # fmt: skip
    for (world, claim), axis in grid.axes_dict.items():
        part = data[(data["world"] == world) & (data["claim"] == claim)]
        axis.vlines(part["rank"], part["ci_low"], part["ci_high"], color="0.85", linewidth=0.6, zorder=0)
        told = part[part["declared"]]
        axis.scatter(told["rank"], told["estimate"], s=40, facecolors="none", edgecolors="black", zorder=3)
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        # Intervals over two or three checkpoints can be a hundred times the estimates: they may leave the picture.
        estimates = data.loc[data["world"] == world, "estimate"]
        room = max(0.5 * estimates.abs().max(), 0.1)
        axis.set_ylim(min(estimates.min(), 0) - room, max(estimates.max(), 0) + room)
    grid.set_axis_labels("specification", "shift (nats)").set_titles("{col_name} · {row_name}")
    return grid.figure


def p_value_figure(p_values: pd.DataFrame) -> Figure:
    """How many A/A comparisons lie below each p: a test that keeps its level follows the diagonal."""
    sides = p_values["runs_per_side"].astype(str) + " runs a side"
    ratio = p_values["run_sd_ratio"].map(", run SDs 1 : {:g}".format).where(p_values["run_sd_ratio"] != 1, "")
    grid = sns.displot(
        p_values.assign(sides=sides, way=p_values["source"] + ratio), kind="ecdf", x="p_value", hue="unit", col="way",
        row="sides", height=2.8, aspect=1.1, linewidth=1.2,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
    ticks = {"xticks": (0, 0.5, 1), "xticklabels": ("0", "½", "1")}  # those of neighbours must not meet
    grid.set(xlim=(0, 1), ylim=(0, 1), **ticks).set_axis_labels("p", "share below").set_titles("{row_name}, {col_name}")
    return grid.figure
