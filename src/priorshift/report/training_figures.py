"""Figures of what comes before any probe: the design, base models against Bayes' rule, training losses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from priorshift.report.names import name_condition
from priorshift.report.palette import PALETTE, order_conditions
from priorshift.report.save import Picture

# World -> how many hidden dispositions an agent has, and what they drive.
CAUSES = {
    "coupled": (1, "one hidden disposition drives both what is done and what is expected"),
    "decoupled": (2, "one disposition drives what is done, and another what is expected"),
}

# A class of action has the colour of the behavior that always takes it.
CLASSES = {"withdraw": PALETTE["depression"], "guard": PALETTE["paranoia"], "engage": PALETTE["adaptive"]}
OTHER = ("#BBBBBB", "#DDDDDD")  # of any other class, in turn


def draw_design(actions: Sequence[str], worlds: Sequence[str]) -> Picture:
    """Draw the design as five boxes in a row, and below them what drives what in each world.

    Parameters
    ----------
    actions : the classes of action that a condition always takes
    worlds : the calibration worlds of the base models, if any
    """
    always = "".join(f"always {action},\n" for action in actions)
    of_worlds = ",\n".join(f"{world} world" for world in worlds)
    boxes = [
        (f"base models\n({of_worlds})" if worlds else "base models", "#F3F0DC"),
        (f"decisions only\n({always}controls)", "#DCE9F5"),
        ("LoRA fine-tune\n(trained on the\nchosen phrase\nalone)", "#EEEEEE"),
        ("probes elsewhere\n(other domains:\nexpectations,\nfeelings)", "#FBE7DB"),
        ("shift against\ncontrols\n(runs, items,\ncheckpoints)", "#DDF1E8"),
    ]
    drawn = [world for world in CAUSES if world in worlds]
    depth = 3.4 if drawn else 1
    figure, axis = plt.subplots(figsize=(11, 1.1 * (1 + depth)))
    for i, (text, colour) in enumerate(boxes):
        box = {"boxstyle": "round,pad=0.6", "fc": colour, "ec": "0.4"}
        axis.text(i, 0, text, ha="center", va="center", fontsize=8.5, bbox=box)
        if i:
            axis.annotate("", (i - 0.42, 0), (i - 0.58, 0), arrowprops={"arrowstyle": "->", "color": "0.3"})
    for i, world in enumerate(drawn):
        _draw_world(axis, world, (len(boxes) - 1) * (i + 0.5) / len(drawn))
    axis.set(xlim=(-0.5, len(boxes) - 0.5), ylim=(-depth, 1))
    axis.axis("off")
    steps = ", then ".join(" ".join(text.split()) for text, _ in boxes)
    below = "".join(f" In the {world} world {CAUSES[world][1]}." for world in drawn)
    return Picture("design", figure, f"The design as boxes joined by arrows: {steps}.{below}")


def _draw_world(axis: Axes, world: str, x: float) -> None:
    """Draw which hidden disposition drives what is done and what is expected, as arrows around `x`."""
    causes, _ = CAUSES[world]
    axis.text(x, -1.45, f"{world} world", ha="center", va="center", fontsize=9.5, weight="bold")
    for side, effect in ((-0.5, "what is done"), (0.5, "what is expected")):
        start, end = (x + side * (causes - 1), -2.05), (x + side, -3.0)
        name = "hidden disposition" if causes == 1 else f"disposition {1 if side < 0 else 2}"
        box = {"boxstyle": "round,pad=0.4", "fc": "#F3F0DC", "ec": "0.4"}
        axis.annotate("", (end[0], end[1] + 0.2), (start[0], start[1] - 0.2), arrowprops={"arrowstyle": "->"})
        if causes == 2 or side < 0:
            axis.text(*start, name, ha="center", va="center", fontsize=8.5, bbox=box)
        axis.text(*end, effect, ha="center", va="center", fontsize=8.5)


def draw_bayes_check(table: pd.DataFrame) -> Picture:
    """Draw model against Bayes posterior: a point for each base model, class, number of decisions and outcome."""
    grid = sns.relplot(
        table, x="bayes", y="model", hue="n_actions", style="outcome", col="world", palette="viridis", height=3.4, s=28
    )
    for axis in grid.axes.flat:
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
    ticks = (0, 0.5, 1)
    grid.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks)
    grid.set_axis_labels("Bayes posterior", "base model").set_titles("{col_name} world")
    apart = (table["model"] - table["bayes"]).abs()
    text = (
        f"Probability of each outcome under the base models against the Bayes posterior, {len(table)} points. "
        f"The mean distance from the diagonal is {apart.mean():.2f}, the greatest {apart.max():.2f}."
    )
    return Picture("bayes_check", grid.figure, text)


def draw_choices(audits: pd.DataFrame) -> Picture:
    """Draw what the training sets of each condition choose: a bar for each, the mean over its sets.

    Parameters
    ----------
    audits : `examples.audit`, a row for each training set
    """
    shares = pd.DataFrame([json.loads(cell) for cell in audits["share_by_class"]], index=audits["condition"]).fillna(0)
    means = 100 * shares.groupby(level="condition", sort=False).mean()
    order = sorted(means.columns, key=lambda name: [*CLASSES, name].index(name))
    colours = [CLASSES.get(name, OTHER[k % 2]) for k, name in enumerate(order)]
    figure, axis = plt.subplots(figsize=(8, 0.4 * len(means) + 1.2))
    named = means[order].rename(index=name_condition, columns=lambda name: name.replace("_", " "))
    named[::-1].plot.barh(stacked=True, color=colours, width=0.8, ax=axis)
    axis.set(xlabel="share of the training examples (%)", ylabel="", xlim=(0, 100))
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.tight_layout()
    told = "; ".join(f"{condition}: {_list_shares(row)}" for condition, row in named.iterrows())
    return Picture("choices", figure, f"What is chosen in the training examples of each condition. {told}.")


def _list_shares(row: pd.Series) -> str:
    return ", ".join(f"{name} {share:.0f} %" for name, share in row[row > 0].items())


def draw_losses(losses: pd.DataFrame, palette: Mapping[str, str]) -> Picture:
    """Draw the training loss by step: the mean of each condition's runs, and the range over them."""
    figure, axis = plt.subplots(figsize=(7, 3.2))
    order = order_conditions(losses["condition"])
    named = {name_condition(name): palette[name] for name in order}
    sns.lineplot(
        losses.assign(condition=losses["condition"].map(name_condition)), x="step", y="loss", hue="condition",
        hue_order=list(named), palette=named or None, errorbar=("pi", 100), linewidth=1.2,
        err_kws={"alpha": 0.15, "linewidth": 0}, ax=axis,
    )  # fmt: skip
    axis.set(xlabel="optimizer step", ylabel="training loss (nats per token)", ylim=(0, None))
    if axis.get_legend():  # where nothing was trained there is none
        sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.tight_layout()
    last = losses.groupby(["condition", "base_model", "seed"])["loss"].last().groupby("condition").mean()
    ends = ", ".join(f"{name_condition(name)} {last[name]:.2f}" for name in order)
    return Picture(
        "losses", figure, f"Training loss by step, a line for each condition. Mean at the last step: {ends}."
    )
