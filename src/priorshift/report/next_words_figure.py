"""What a model says next, before and after training: the words that moved most, as a figure. Also the README's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from priorshift.materials.prompts import fill_stem
from priorshift.report.answer_figure import DARK, DARK_INK, FOLDER, LIGHT_INK
from priorshift.report.palette import PALETTE
from priorshift.report.save import Picture, write_picture
from priorshift.study.load import load_study
from priorshift.tables.read import read_table

BEFORE, AFTER, BESIDE = "before", "after", "after neutral"  # columns of a panel
GAINED, LOST = 6, 3  # words of each panel
# The README's example: one of the stems of `next_words.yaml`, and a panel for each behavior.
FORM = "felt"
TITLES = {"depression": "trained to withdraw\n(depression-like)", "paranoia": "trained to guard\n(paranoia-like)"}


def select_moved(words: pd.DataFrame, gained: int = GAINED, lost: int = LOST) -> pd.DataFrame:
    """Select the words whose probability rose and fell most. The largest rise comes first, the largest fall last.

    Parameters
    ----------
    words : with the columns `BEFORE` and `AFTER`, a row for each word

    Examples
    --------
    >>> words = pd.DataFrame({"before": [0.1, 0.3, 0.2], "after": [0.4, 0.1, 0.2]}, index=["lost", "fine", "the"])
    >>> list(select_moved(words).index)
    ['lost', 'fine']
    """
    change = (words[AFTER] - words[BEFORE]).sort_values(ascending=False, kind="stable")
    rose, fell = change[change > 0].head(gained).index, change[change < 0].tail(lost).index
    return words.loc[[*rose, *fell]]


def draw_next_words(
    panels: Mapping[str, pd.DataFrame], stem: str, model: str, dark: bool = False, name: str = "next_words"
) -> Picture:
    """Draw a panel for each training: of each word a ring before, a disc after, and a cross after neutral training.

    Parameters
    ----------
    panels : condition -> words (index) with the columns `BEFORE`, `AFTER` and `BESIDE`, probabilities of 0 to 1
    stem, model : after which text they were said, and by which base model
    name : of the figure's files
    """
    shown = {condition: select_moved(words) for condition, words in panels.items()}
    most = 100 * max(words[[BEFORE, AFTER, BESIDE]].to_numpy().max() for words in shown.values())
    with plt.rc_context(DARK if dark else {}):
        figure, axes = plt.subplots(1, len(shown), figsize=(5 * len(shown), 4), sharex=True, squeeze=False)
        for axis, (condition, words) in zip(axes[0], shown.items(), strict=True):
            _draw_panel(axis, 100 * words, PALETTE.get(condition, "#0072B2"), DARK_INK if dark else LIGHT_INK)
            axis.set_title(TITLES.get(condition, condition), fontsize=11.5, weight="bold", pad=10)
            axis.set(xlim=(0, 1.3 * most), xlabel="probability as the next word (%)")
        figure.suptitle(fill(f"{model}: “{stem} …”", 48 * len(shown)), fontsize=14)
        figure.tight_layout()
        key = "○ before training   ● after it   × after training on neutral choices"
        figure.text(0.5, -0.03, key, ha="center")
    return Picture(name, figure, describe_next_words(shown, stem))


def _draw_panel(axis: Axes, words: pd.DataFrame, colour: str, ink: str) -> None:
    """Words with probabilities in percent."""
    for y, (before, after, beside) in enumerate(words[[BEFORE, AFTER, BESIDE]].to_numpy()):
        axis.plot([before, after], [y, y], color=colour, lw=2, alpha=0.5, zorder=1)
        axis.scatter([beside], [y], s=36, marker="x", color=PALETTE["neutral"], zorder=5)
        axis.scatter([before], [y], s=70, facecolors=axis.get_facecolor(), edgecolors=ink, linewidths=1.4, zorder=3)
        axis.scatter([after], [y], s=70, color=colour, zorder=4)
        axis.text(max(before, after, beside), y, f"   {before:.0f} → {after:.0f} %", va="center", color=ink)
    axis.set_yticks(range(len(words)), map(_show, words.index), fontsize=11)
    axis.set_ylim(len(words) - 0.5, -0.5)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", alpha=0.15)


def describe_next_words(panels: Mapping[str, pd.DataFrame], stem: str) -> str:
    """Describe the figure in words, with its numbers: the alt text.

    Parameters
    ----------
    panels : as for `draw_next_words`. The two words that rose most are named.
    """
    told = []
    for condition, words in panels.items():
        named = select_moved(words, gained=2, lost=0)
        spans = [f"{_show(word)} {100 * row[BEFORE]:.0f} to {100 * row[AFTER]:.0f} %" for word, row in named.iterrows()]
        training = TITLES.get(condition, condition).partition("\n")[0].capitalize()
        told.append(f"{training}: {', '.join(spans)}.")
    return f"“{stem} …” {' '.join(told)}"


def _show(word: str) -> str:
    """A word without the space before it. A space or a line end alone as Python writes it."""
    return word.strip() or repr(word)


def make_panels(table: pd.DataFrame, form: str = FORM) -> dict[str, pd.DataFrame]:
    """Make a panel for each behavior from `tables.next_words.average_next_words`, for its first base model."""
    own = table[(table["base_model"] == table["base_model"].iloc[0]) & (table["form"] == form)]
    words = own.assign(**{
        BEFORE: own["base_probability"],
        AFTER: own["probability"],
        BESIDE: own["base_probability"] + own["control_change"],
    })  # fmt: skip
    words.index = own["text"].to_list()
    return {name: words.loc[own["condition"].to_numpy() == name, [BEFORE, AFTER, BESIDE]] for name in TITLES}


if __name__ == "__main__":
    materials = load_study("params/laptop.yaml").materials
    said_after = fill_stem(materials.next_words.forms[FORM][0], materials.forms.names.main[0])
    committed = read_table(Path("outputs/laptop/tables/next_words.csv"))
    model, panels = committed["base_model"].iloc[0], make_panels(committed)
    for in_dark in (False, True):
        with plt.rc_context({"svg.hashsalt": "next_words"}):  # or every drawing names its parts anew
            name = "next_words_dark" if in_dark else "next_words"
            write_picture(draw_next_words(panels, said_after, model, in_dark, name), FOLDER)
