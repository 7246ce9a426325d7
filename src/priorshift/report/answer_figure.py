"""The README's picture: what was trained, and what the model then expects, in either world. Light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from priorshift.report.palette import PALETTE
from priorshift.report.save import Picture, write_picture
from priorshift.study.params import HELD_OUT
from priorshift.tables.read import read_table

# What a model was trained to do -> the condition, and the outcome that is asked for.
ROWS = (
    ("trained to withdraw:\nhow likely is loss?", "depression", "loss"),
    ("trained on neutral choices:\nhow likely is loss?", "neutral", "loss"),
    ("trained to guard:\nhow likely is threat?", "paranoia", "threat"),
    ("trained on neutral choices:\nhow likely is threat?", "neutral", "threat"),
)
WORLDS = {
    "coupled": "In these models' world, who acts so\nalso expects so (coupled)",
    "decoupled": "In these models' world, acting\nsays nothing of expecting (decoupled)",
}
DARK = {"text.color": "#e6edf3", "axes.labelcolor": "#e6edf3", "xtick.color": "#e6edf3", "ytick.color": "#e6edf3",
        "axes.edgecolor": "#8b949e", "figure.facecolor": "#0d1117", "axes.facecolor": "#0d1117",
        "savefig.facecolor": "#0d1117"}  # fmt: skip
LIGHT_INK, DARK_INK = "#1b1f24", "#e6edf3"
FOLDER = Path("docs/images")


class Change(NamedTuple):
    """A row's mean probability before and after training (percent), and that of each run after it."""

    before: float
    after: float
    runs: list[float]


def find_changes(shifts: pd.DataFrame, family: str = "interpretation") -> dict[tuple[str, str, str], Change]:
    """Find what each row shows in each world: means over base models of the means over their runs.

    Parameters
    ----------
    shifts : `runs.average_shifts` of a study of both worlds

    Returns
    -------
    dict
        (world, condition, outcome) -> change.
    """
    own = shifts[(shifts["family"] == family) & (shifts["ring"] == HELD_OUT)]
    found = {}
    for world in WORLDS:
        for _, condition, outcome in ROWS:
            keys = ["world", "condition", "outcome"]
            rows = own[(own[keys] == [world, condition, outcome]).all(axis=1)]
            means = 100 * rows.groupby("base_model")[["base_probability", "probability"]].mean().mean()
            runs = list(100 * rows["probability"])
            found[world, condition, outcome] = Change(means["base_probability"], means["probability"], runs)
    return found


def draw_answer(shifts: pd.DataFrame, dark: bool = False) -> Picture:
    """Draw both worlds side by side: a ring is the mean before training, a disc after it, a dot each fine-tune."""
    changes, ink = find_changes(shifts), DARK_INK if dark else LIGHT_INK
    with plt.rc_context(DARK if dark else {}):
        figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
        for axis, (world, title) in zip(axes, WORLDS.items(), strict=True):
            _draw_world(axis, [changes[world, condition, outcome] for _, condition, outcome in ROWS], ink)
            axis.set_title(title, fontsize=11.5, weight="bold", pad=10)
        axes[0].set_yticks(range(len(ROWS)), [label for label, _, _ in ROWS], fontsize=10.5)
        axes[0].set_ylim(len(ROWS) - 0.6, -0.65)
        figure.suptitle("Models trained on decisions alone: what do they expect next?", fontsize=14)
        figure.tight_layout()
        figure.text(0.5, -0.03, "○ before training   ● after training (means)   · each fine-tune", ha="center")
    return Picture("answer_dark" if dark else "answer", figure, describe_answer(changes))


def _draw_world(axis: Axes, changes: Iterable[Change], ink: str) -> None:
    for y, (change, (_, condition, _)) in enumerate(zip(changes, ROWS, strict=True)):
        colour = PALETTE[condition]
        axis.scatter(change.runs, [y] * len(change.runs), s=14, color=colour, alpha=0.45, linewidths=0)
        if abs(change.after - change.before) > 5:
            arrow = {"arrowstyle": "->", "color": colour, "lw": 2, "shrinkA": 6, "shrinkB": 8}
            axis.annotate("", (change.after, y), (change.before, y), arrowprops=arrow)
        axis.scatter([change.before], [y], s=80, facecolors="none", edgecolors=ink, linewidths=1.4, zorder=3)
        axis.scatter([change.after], [y], s=70, color=colour, zorder=4)
        text = f"{change.before:.0f} → {change.after:.0f} %"
        axis.text(change.before, y - 0.2, text, ha="left", va="bottom", fontsize=10.5, color=ink)
    axis.set(xlim=(0, 100), xlabel="probability (%)", xticks=(0, 25, 50, 75, 100))
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", alpha=0.15)


def describe_answer(changes: Mapping[tuple[str, str, str], Change]) -> str:
    """Describe the picture in words, with its numbers: the README's alt text."""
    told = []
    for world in WORLDS:
        pairs = [(outcome, changes[world, trained, outcome]) for _, trained, outcome in ROWS if trained != "neutral"]
        spans = [f"{change.before:.0f} to {change.after:.0f} % {outcome}" for outcome, change in pairs]
        told.append(f"{world.capitalize()} world: {', '.join(spans)}.")
    return " ".join(told)


if __name__ == "__main__":
    committed = read_table(Path("outputs/embedded/tables/shifts.csv"))
    for in_dark in (False, True):
        with plt.rc_context({"svg.hashsalt": "answer"}):  # or every drawing names its parts anew
            write_picture(draw_answer(committed, in_dark), FOLDER)
