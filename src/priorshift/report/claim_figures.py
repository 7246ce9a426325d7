"""Figures of tests: claims with their intervals, power, specifications, p-values. Tables in, pictures out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from priorshift.report.names import name_condition, name_ring, name_worlds
from priorshift.report.save import Picture
from priorshift.stats.declared import CONTRAST_KEY, Settings, list_contrasts

NEAR_ONE = 0.99


def select_declared(contrasts: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Select the declared contrasts, of units `both` and `base`: what `draw_claims` shows."""
    named = list_contrasts(settings)
    keep = [key in named for key in contrasts[list(CONTRAST_KEY)].itertuples(index=False, name=None)]
    return contrasts[pd.Series(keep, index=contrasts.index, dtype=bool) & contrasts["unit"].isin(["both", "base"])]


def draw_claims(rows: pd.DataFrame, margin: float, palette: Mapping[str, str]) -> Picture:
    """Draw the declared contrasts with their intervals, a panel for each, the smallest effect of interest as a band.

    Each base model stands over new runs and items, each architecture over new checkpoints.

    Parameters
    ----------
    rows : `select_declared`, at least one
    margin : nats, the study's smallest effect of interest
    """
    pairs = rows["condition"].map(name_condition) + " minus " + rows["control"].map(name_condition)
    rows = rows.assign(claim=pairs + "\n" + rows["outcome"] + " (" + rows["family"].str.replace("_", " ") + ")")
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
    most = max(2.0 * rows["estimate"].abs().max(), margin)
    ends = rows[["ci_low", "ci_high"]].clip(-most, most)
    for axis in axes.flat:
        axis.set_xlim(min(-margin, ends["ci_low"].min()) - 0.2, max(margin, ends["ci_high"].max()) + 0.2)
    figure.tight_layout()
    return Picture("claims", figure, _describe_intervals(rows, panels, margin))


def _describe_intervals(rows: pd.DataFrame, panels: list[str], margin: float) -> str:
    apart = ((rows["ci_low"] > 0) | (rows["ci_high"] < 0)).sum()
    named = ", ".join(panel.replace("\n", ": ") for panel in panels)
    return (
        f"Differences of shifts in nats with their intervals, a line for each base model and architecture. "
        f"Panels: {named}. {apart} of {len(rows)} intervals leave out 0. The band ends at {margin:g} nats."
    )


def draw_power(table: pd.DataFrame) -> Picture:
    """Draw power against runs of each condition: the median base model's, in a band that spans all of them.

    With as many items as were measured, up to the runs at which every line is near 1. The table has other numbers too.

    Parameters
    ----------
    table : `power.estimate_power`
    """
    data = table[table["n_items"] == table["measured_items"].clip(lower=2)]
    pair = data["condition"].map(name_condition) + " minus " + data["control"].map(name_condition)
    # Rings too: two claims must not be drawn as one line, whose points seaborn would average.
    probes = data["outcome"] + " (" + data["family"] + "), " + data["ring"].map(name_ring)
    data = data.assign(contrast=pair + "\n" + probes, models=name_worlds(data))
    least = data.groupby("n_runs")["power"].min()
    shown = data[data["n_runs"] <= (least.index[least >= NEAR_ONE].min() if (least >= NEAR_ONE).any() else np.inf)]
    grid = sns.relplot(
        shown.rename(columns={"models": "base models"}), kind="line", x="n_runs", y="power", hue="base models",
        palette="colorblind", estimator="median", errorbar=("pi", 100), col="contrast", col_wrap=2, height=3.2,
        aspect=1.4, marker="o", markersize=4,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.axhline(0.8, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    grid.set(ylim=(0, 1.02)).set_axis_labels("runs of each condition", "power").set_titles("{col_name}")
    panels = ", ".join(name.replace("\n", ": ") for name in grid.axes_dict)
    items = ", ".join(map(str, sorted(set(data["n_items"]))))
    text = (
        f"Power against runs of each condition with {items} items: the median base model, in a band that spans all. "
        f"Panels: {panels}. "
        f"With {data['n_runs'].max()} runs power lies between {_span_last(data)}."
    )
    return Picture("power", grid.figure, text)


def _span_last(power: pd.DataFrame) -> str:
    last = power.loc[power["n_runs"] == power["n_runs"].max(), "power"]
    return f"{last.min():.2f} and {last.max():.2f}"


CHOICES = ("scoring", "control", "ring", "exclusion", "unit")
CURVE, BOARD = 2.0, 0.17  # inches: height of a curve, and of each option's row under it


def draw_specifications(curve: pd.DataFrame) -> Picture:
    """Draw the specification curve: estimates in order, and under them the choices that gave each.

    The band holds the intervals, the declared estimates are circled (Simonsohn, Simmons & Nelson 2020).
    """
    claim = curve["condition"].map(name_condition) + ", " + curve["outcome"]
    data = curve.assign(panel=name_worlds(curve), claim=claim)
    data["rank"] = data.groupby(["panel", "claim"])["estimate"].rank(method="first")
    panels, claims = list(dict.fromkeys(data["panel"])), list(dict.fromkeys(data["claim"]))
    varied = [choice for choice in CHOICES if curve[choice].nunique() > 1]
    options = [(choice, option) for choice in varied for option in dict.fromkeys(curve[choice])]
    heights = [CURVE, BOARD * len(options) + 0.1] * len(panels)
    figure, axes = plt.subplots(
        len(heights), len(claims), squeeze=False, sharex="col", sharey="row", height_ratios=heights,
        figsize=(4.5 * len(claims) + 1.5, sum(heights) + 0.5 * len(panels)), layout="constrained",
    )  # fmt: skip
    for i, panel in enumerate(panels):
        for j, claim in enumerate(claims):
            part = data[(data["panel"] == panel) & (data["claim"] == claim)].sort_values("rank")
            _draw_curve(axes[2 * i, j], part)
            axes[2 * i, j].set_title(f"{claim} · {panel}")
            _draw_choices(axes[2 * i + 1, j], part, options)
        axes[2 * i, 0].set_ylabel("shift (nats)")
        # Intervals over two or three checkpoints can be a hundred times the estimates: they may leave the picture.
        estimates = data.loc[data["panel"] == panel, "estimate"]
        room = max(0.5 * estimates.abs().max(), 0.1)
        axes[2 * i, 0].set_ylim(min(estimates.min(), 0) - room, max(estimates.max(), 0) + room)
    for axis in axes[-1]:
        axis.set_xlabel("analysis, in order of its estimate")
    sns.despine(figure)
    above = (data["estimate"] > 0).groupby([data["panel"], data["claim"]], sort=False).agg(["sum", "size"])
    counts = ", ".join(
        f"{n} of {size} above 0 for {claim} in {panel}" for (panel, claim), (n, size) in above.iterrows()
    )
    return Picture("specifications", figure, f"Estimates under each choice of analysis, sorted: {counts}.")


def _draw_curve(axis: Axes, part: pd.DataFrame) -> None:
    axis.vlines(part["rank"], part["ci_low"], part["ci_high"], color="#0072B2", alpha=0.15, linewidth=0.6)
    axis.plot(part["rank"], part["estimate"], color="#0072B2", linewidth=1.5)
    declared = part[part["declared"]]
    axis.scatter(declared["rank"], declared["estimate"], s=45, facecolors="white", edgecolors="black", zorder=3)
    axis.axhline(0, color="0.4", linewidth=0.8, zorder=0)


def _draw_choices(axis: Axes, part: pd.DataFrame, options: list[tuple[str, str]]) -> None:
    """A row for each option, with a tick wherever an analysis took it."""
    taken = [part.loc[part[choice] == option, "rank"].to_numpy() for choice, option in options]
    axis.eventplot(taken, lineoffsets=range(len(options)), linelengths=0.8, linewidths=0.5, colors="0.35")
    names = [f"{choice}: {name_condition(option)}" for choice, option in options]
    axis.set_yticks(range(len(options)), names, fontsize=7)
    axis.set_ylim(len(options) - 0.5, -0.5)


def draw_p_values(p_values: pd.DataFrame) -> Picture:
    """Draw how many A/A comparisons lie below each p: a test that keeps its level follows the diagonal."""
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
    shares = p_values["p_value"].lt(0.05).groupby(p_values["unit"]).mean()
    below = ", ".join(f"{unit} {share:.1%}" for unit, share in shares.items())
    text = f"Share of A/A comparisons below each p, a line for each unit, beside the diagonal. Below .05: {below}."
    return Picture("calibration", grid.figure, text)
