"""Tables -> figures. No statistics here; the same condition has the same colour everywhere."""

from __future__ import annotations

import io
import itertools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import PIL.Image
import seaborn as sns
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from priorshift.families import NAMED
from priorshift.provenance import whole
from priorshift.wording import spoken

# Okabe and Ito's colour-blind-safe palette.
PALETTE = {
    "depression": "#0072B2",
    "paranoia": "#D55E00",
    "neutral": "#999999",
    "random_label": "#CC79A7",
    "random_prior": "#E69F00",
    "adaptive": "#009E73",
}
# For conditions of a study's own: the palette's other colours, then Tol's muted scheme, colour-blind-safe too.
SPARE = (
    "#56B4E9", "#F0E442", "#000000", "#332288", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
    "#AA4499", "#88CCEE",
)  # fmt: skip
FLOOR = "seed floor"
# What a condition's name adds to that of a behavior -> how far its colour goes to white (or, below 0, to black).
TINTS = {
    "_25": 0.75,
    "_50": 0.5,
    "_75": 0.25,
    "exposure_": 0.6,
    "letter_": -0.4,
    "recovery_": -0.7,
    "in_context_": 0.35,
}


def colours(conditions: Iterable[str]) -> dict[str, str]:
    """Condition -> colour, made once from a study's conditions and given to every figure.

    A behavior's variants (its name with one of `TINTS`) are tints or shades of it; names unknown to the palette take
    the spare colours in order.
    """
    spare = itertools.cycle(SPARE)
    known = {name: PALETTE.get(name) or _tinted(name) for name in conditions}
    return {name: colour or next(spare) for name, colour in known.items()} | {FLOOR: "#DDDDDD"}


def _tinted(name: str) -> str | None:
    for affix, share in TINTS.items():
        base = PALETTE.get(name.removesuffix(affix) if affix.startswith("_") else name.removeprefix(affix))
        if base and affix in name:
            end = 1.0 if share > 0 else 0.0
            return to_hex([c + abs(share) * (end - c) for c in to_rgb(base)])
    return None


def in_order(conditions: Iterable[str]) -> list[str]:
    """Conditions as figures and legends have them: those of the palette first, then the others as they come."""
    found = list(dict.fromkeys(conditions))
    return [name for name in PALETTE if name in found] + [name for name in found if name not in PALETTE]


MARKERS = "os^DvP*X"


def shift_figure(runs: pd.DataFrame, family: str, ring: str, palette: Mapping[str, str]) -> Figure:
    """Shift by condition and outcome: a panel for each group and world, a point for each run.

    No interval is drawn: runs of one checkpoint are not independent, and an interval over all of them would pass them
    off as if they were. Markers tell the checkpoints apart; the bar is the mean over checkpoints of their means. What
    can be said of new runs and checkpoints is in `claim_figure`.

    Parameters
    ----------
    runs : `summaries.shift_by_run`
    palette : `colours` of the study's conditions, as for every figure
    """
    data = runs[(runs["family"] == family) & (runs["ring"] == ring)].copy()
    data["panel"] = (data["group"] + " · " + data["world"]).str.strip(" ·")
    order = in_order(data["condition"])
    grid = sns.FacetGrid(data, col="panel", col_wrap=2, height=3.2, aspect=1.7, sharey=True)
    for panel, axis in grid.axes_dict.items():
        _runs_by_outcome(axis, data[data["panel"] == panel], order, palette)
        axis.set_title(panel)
    most = int(data.groupby("panel")["base_model"].nunique().max())
    marks = [plt.Line2D([], [], color=palette[name], linewidth=3) for name in order]
    points = [plt.Line2D([], [], color="0.4", marker=MARKERS[i % len(MARKERS)], linestyle="none") for i in range(most)]
    numbers = [f"base model {i + 1}" for i in range(most)] if most > 1 else []
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    grid.figure.legend([*marks, *points][: len(order) + len(numbers)], [*map(spoken, order), *numbers], ncol=6, **below)
    title = f"Shift of {family.replace('_', ' ')}s, {ring.replace('_', ' ')} (one point per run)"
    grid.figure.suptitle(title, y=1.0, va="bottom")
    grid.figure.tight_layout()
    return grid.figure


def _runs_by_outcome(axis: Axes, runs: pd.DataFrame, order: list[str], palette: Mapping[str, str]) -> None:
    outcomes, models = list(dict.fromkeys(runs["outcome"])), sorted(set(runs["base_model"]))
    room = 0.8 / len(order)
    for (outcome, condition), part in runs.groupby(["outcome", "condition"], sort=False):
        x = outcomes.index(outcome) + (order.index(condition) + 0.5) * room - 0.4
        for i, model in enumerate(models):
            mine, place = (
                part.loc[part["base_model"] == model, "shift"],
                x + room * ((i + 0.5) / len(models) - 0.5) * 0.8,
            )
            shape = {"marker": MARKERS[i % len(MARKERS)], "s": 10, "alpha": 0.8, "linewidths": 0}
            axis.scatter([place] * len(mine), mine, color=palette[condition], **shape)
        mean = part.groupby("base_model")["shift"].mean().mean()
        axis.hlines(mean, x - 0.45 * room, x + 0.45 * room, color=palette[condition], linewidth=1.5)
    axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axis.set(xticks=range(len(outcomes)), xticklabels=outcomes, xlabel="", ylabel="shift (nats)")


def claim_figure(
    contrasts: pd.DataFrame, named: Collection[tuple[str, ...]], margin: float, palette: Mapping[str, str]
) -> Figure:
    """The declared contrasts with their intervals: each base model over new runs and items, each architecture over
    new checkpoints; a panel for each contrast, the smallest effect of interest as a band.

    Parameters
    ----------
    contrasts : table of `inference.claims`; rows of unit `both` and `base` are shown
    named : (condition, control, family, outcome, ring) of the contrasts to show, as `families.declared`
    margin : nats, the study's smallest effect of interest
    """
    keep = [key in named for key in contrasts[list(NAMED)].itertuples(index=False, name=None)]
    rows = contrasts[pd.Series(keep, index=contrasts.index, dtype=bool) & contrasts["unit"].isin(["both", "base"])]
    pairs = rows["condition"].map(spoken) + " minus " + rows["control"].map(spoken)
    rows = rows.assign(claim=pairs + ": " + rows["outcome"])
    rows = rows.assign(last=rows["unit"] == "base").sort_values(["world", "base_model", "last"], kind="stable")
    rows["name"] = (rows["base_model"] + " · " + rows["world"]).where(rows["last"], rows["base_model"])
    names, panels = list(dict.fromkeys(rows["name"]))[::-1], list(dict.fromkeys(rows["claim"]))
    figure, axes = plt.subplots(1, max(len(panels), 1), figsize=(4 * max(len(panels), 1) + 1.5, 0.28 * len(names) + 1),
                                sharey=True, squeeze=False)  # fmt: skip
    for axis, panel in zip(axes.flat, panels, strict=False):
        for row in rows[rows["claim"] == panel].to_dict("records"):
            colour = "black" if row["last"] else palette[row["condition"]]
            y = names.index(row["name"])
            axis.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=2 if row["last"] else 1)
            axis.plot(row["estimate"], y, marker="D" if row["last"] else "o", markersize=4, color=colour)
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.axvspan(-margin, margin, color="0.92", zorder=-1)
        axis.set(title=panel, xlabel="difference of shifts (nats)", yticks=range(len(names)), yticklabels=names)
    # Intervals over two checkpoints can be many times the estimates: they may leave the picture.
    reach = max(2.0 * rows["estimate"].abs().max(), margin) if len(rows) else margin
    ends = rows[["ci_low", "ci_high"]].clip(-reach, reach)
    for axis in axes.flat:
        axis.set_xlim(min(-margin, ends["ci_low"].min()) - 0.2, max(margin, ends["ci_high"].max()) + 0.2)
    figure.tight_layout()
    return figure


def jsd_figure(table: pd.DataFrame, ring: str, palette: Mapping[str, str]) -> Figure:
    """Full-vocabulary JSD from the base model by family and condition, and the seed-to-seed floor."""
    data = table[(table["ring"] == ring) & table["measure"].isin(["jsd", "jsd_floor"])].copy()
    data.loc[data["measure"] == "jsd_floor", "condition"] = FLOOR
    data["world"] = data["world"].replace("", "hub")
    order = [*in_order(data.loc[data["condition"] != FLOOR, "condition"]), FLOOR]
    data["condition"] = data["condition"].map(spoken)
    grid = sns.catplot(
        data, kind="bar", x="family", y="estimate", hue="condition", hue_order=[spoken(name) for name in order],
        palette=[palette[name] for name in order], col="world", height=3.4, aspect=1.6, errorbar=None,
    )  # fmt: skip
    grid.set_axis_labels("", "JSD (bits), mean over base models").set_titles("{col_name} world")
    return grid.figure


def token_figure(table: pd.DataFrame, family: str, ring: str) -> Figure:
    """Which words carry the JSD from the base model: a bar for each condition, its parts by class of next token.

    Parameters
    ----------
    table : `summaries.token_classes`
    """
    data = table[(table["family"] == family) & (table["ring"] == ring)]
    data = data.assign(panel=(data["group"] + " · " + data["world"]).str.strip(" ·"))
    classes, conditions = list(dict.fromkeys(data["token_class"])), in_order(data["condition"])[::-1]
    # Not the conditions' colours, which mean something else everywhere.
    hues = sns.color_palette("viridis", len(classes))
    grid = sns.FacetGrid(data, col="panel", col_wrap=2, height=0.8 + 0.3 * len(conditions), aspect=2.4)
    for panel, axis in grid.axes_dict.items():
        wide = data[data["panel"] == panel].pivot(index="condition", columns="token_class", values="jsd")
        wide = wide.reindex(index=conditions, columns=classes).rename(index=spoken)
        wide.plot.barh(stacked=True, ax=axis, legend=False, width=0.8, color=hues)
        axis.set(title=panel, ylabel="")
    for axis in grid.axes.flat:  # pandas empties shared axes at each plot
        axis.set(xlabel="JSD (bits)", xlim=(0, None))
        axis.tick_params(labelbottom=True)
    handles = [plt.Rectangle((0, 0), 1, 1, color=hue) for hue in hues]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    grid.figure.legend(handles, classes, title="next token begins", ncol=len(classes), **below)
    grid.figure.tight_layout()
    return grid.figure


def confusion_figure(table: pd.DataFrame, family: str, ring: str) -> Figure:
    """Which condition a run was guessed to come from, over base checkpoints (or base models where there are none).

    Parameters
    ----------
    table : `confusion.confusion`; a cell is the share of the condition's runs, a row sums to 1
    """
    rows = table[(table["family"] == family) & (table["ring"] == ring)]
    nested = set(rows.loc[rows["unit"] == "base", "world"])  # one checkpoint alone has no row of unit `base`
    rows = rows[(rows["unit"] == "base") | ~rows["world"].isin(nested)]
    panels = list(rows.groupby(["base_model", "world"], sort=True))
    across = min(2, max(1, len(panels)))
    down = -(-max(1, len(panels)) // across)
    size = 1.6 + 0.42 * rows["condition"].nunique()
    figure, axes = plt.subplots(down, across, figsize=(across * (size + 1), down * size), squeeze=False)
    for axis, (key, part) in zip(axes.flat, panels, strict=False):
        order = in_order(part["condition"])
        wide = part.pivot(index="condition", columns="predicted", values="share").reindex(index=order, columns=order)
        wide = wide.rename(index=spoken, columns=spoken)
        sns.heatmap(wide, ax=axis, vmin=0, vmax=1, cmap="cividis", annot=True, fmt=".2f", cbar=False, square=True)
        chance = 1 / len(wide)
        title = f"{' · '.join(filter(None, key))}: {part['accuracy'].iloc[0]:.0%} right, chance {chance:.0%}"
        axis.set(title=title, xlabel="guessed training", ylabel="training")
    for axis in list(axes.flat)[len(panels) :]:
        axis.axis("off")
    figure.tight_layout()
    return figure


def loss_figure(losses: pd.DataFrame, palette: Mapping[str, str]) -> Figure:
    """Training loss by step: the mean of each condition's runs, and the range over them."""
    figure, axis = plt.subplots(figsize=(7, 3.2))
    named = {spoken(name): palette[name] for name in in_order(losses["condition"])}
    sns.lineplot(
        losses.assign(condition=losses["condition"].map(spoken)), x="step", y="loss", hue="condition",
        hue_order=list(named), palette=named, errorbar=("pi", 100), linewidth=1.2,
        err_kws={"alpha": 0.15, "linewidth": 0}, ax=axis,
    )  # fmt: skip
    axis.set(xlabel="optimizer step", ylabel="training loss (nats per token)", ylim=(0, None))
    if axis.get_legend():  # where nothing was trained there is none
        sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.tight_layout()
    return figure


def design_figure() -> Figure:
    """The design in one picture."""
    boxes = [
        ("base models\n(coupled world,\ndecoupled world,\nor from the hub)", "#F3F0DC"),
        ("decisions only\n(always withdraw,\nalways guard,\ncontrols)", "#DCE9F5"),
        ("LoRA fine-tune\n(trained on the\nchosen phrase\nalone)", "#EEEEEE"),
        ("probes elsewhere\n(other domains;\nexpectations,\nfeelings)", "#FBE7DB"),
        ("shift against\ncontrols\n(runs, items,\ncheckpoints)", "#DDF1E8"),
    ]
    figure, axis = plt.subplots(figsize=(11, 2.2))
    for i, (text, colour) in enumerate(boxes):
        box = {"boxstyle": "round,pad=0.6", "fc": colour, "ec": "0.4"}
        axis.text(i, 0, text, ha="center", va="center", fontsize=8.5, bbox=box)
        if i:
            axis.annotate("", (i - 0.42, 0), (i - 0.58, 0), arrowprops={"arrowstyle": "->", "color": "0.3"})
    axis.set(xlim=(-0.5, len(boxes) - 0.5), ylim=(-1, 1))
    axis.axis("off")
    return figure


def show(figure: Figure) -> bytes:
    """Show a figure in a notebook, once, and return that PNG: of 256 colours, a third of the bytes of all."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)  # or the notebook shows it again, at the end of the cell
    PIL.Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    if get_ipython():
        display(Image(small.getvalue()))
    return small.getvalue()


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Show a figure and write it as PNG and SVG, whole or not at all; equal figures give equal files."""
    with whole(folder / f"{name}.png") as temporary:
        temporary.write_bytes(show(figure))
    with whole(folder / f"{name}.svg") as temporary:
        figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})


def in_context_figure(table: pd.DataFrame) -> Figure:
    """Model against Bayes posterior: a point for each base model, class, number of decisions and outcome."""
    grid = sns.relplot(
        table, x="bayes", y="model", hue="n_actions", style="outcome", col="world", palette="viridis", height=3.4, s=28
    )
    for axis in grid.axes.flat:
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
    grid.set(xlim=(0, 1), ylim=(0, 1)).set_axis_labels("Bayes posterior", "base model").set_titles("{col_name} world")
    return grid.figure


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
