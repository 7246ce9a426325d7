"""Figures of what models did: shifts, divergences, confusions, losses. Tables in, figures out; no statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorshift.report.claims_text import spoken
from priorshift.report.palette import in_order

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


def jsd_figure(table: pd.DataFrame, ring: str, palette: Mapping[str, str]) -> Figure:
    """Full-vocabulary JSD by family and condition: from the base model, and (below) from the first neutral run."""
    measured_from = {"jsd": "from the base model", "jsd_reference": "from the first neutral run"}
    data = table[(table["ring"] == ring) & table["measure"].isin(list(measured_from))]
    order = in_order(data["condition"])
    data = data.assign(
        world=data["world"].replace("", "hub"),
        measure=data["measure"].map(measured_from),
        condition=data["condition"].map(spoken),
    )
    grid = sns.catplot(
        data, kind="bar", x="family", y="estimate", hue="condition", hue_order=[spoken(name) for name in order],
        palette=[palette[name] for name in order], col="world", row="measure", height=2.8, aspect=1.9, errorbar=None,
    )  # fmt: skip
    grid.set_axis_labels("", "JSD (bits)").set_titles("{col_name} world, {row_name}")
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
        title = f"{' · '.join(filter(None, key))}\n{part['accuracy'].iloc[0]:.0%} right, chance {chance:.0%}"
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


def design_figure(actions: Sequence[str]) -> Figure:
    """The design in one picture; `actions`: the classes of action that a condition always takes."""
    always = "".join(f"always {action},\n" for action in actions)
    boxes = [
        ("base models\n(coupled world,\ndecoupled world,\nor from the hub)", "#F3F0DC"),
        (f"decisions only\n({always}controls)", "#DCE9F5"),
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


def in_context_figure(table: pd.DataFrame) -> Figure:
    """Model against Bayes posterior: a point for each base model, class, number of decisions and outcome."""
    grid = sns.relplot(
        table, x="bayes", y="model", hue="n_actions", style="outcome", col="world", palette="viridis", height=3.4, s=28
    )
    for axis in grid.axes.flat:
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
    ticks = (0, 0.5, 1)
    grid.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks)
    grid.set_axis_labels("Bayes posterior", "base model").set_titles("{col_name} world")
    return grid.figure
