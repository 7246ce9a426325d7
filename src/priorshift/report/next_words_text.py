"""What a model says next, to read: the words that gained and lost most after each stem, under each training."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from priorshift.materials.prompts import fill_stem
from priorshift.materials.schema import Materials
from priorshift.report.names import name_condition

SHOWN = 10  # words that gain, and words that lose


def describe_moved_words(
    table: pd.DataFrame, conditions: Sequence[str], materials: Materials
) -> tuple[str, pd.DataFrame]:
    """Say which next words moved most: a row for each form's usual stem and each condition.

    Parameters
    ----------
    table : `next_words.average_next_words`; its first base model is shown
    conditions : those shown, in order

    Returns
    -------
    A text that says what is shown, and the table.
    """
    model = table["base_model"].iloc[0]
    own, name = table[table["base_model"] == model], materials.forms.names.main[0]
    stems = {form: fill_stem(wordings[0], name) for form, wordings in materials.next_words.forms.items()}
    rows = []
    for form, part in own.groupby("form", sort=False):
        for condition in [each for each in conditions if each in set(part["condition"])]:
            moved = part[part["condition"] == condition]
            gained, lost = moved[moved["change"] > 0].head(SHOWN), moved[moved["change"] < 0].tail(SHOWN)[::-1]
            row = {"stem": f"{stems[form]} …", "training": name_condition(condition)}
            rows.append(row | {"gained": _list_words(gained), "lost": _list_words(lost)})
    text = (
        f"What {model} says next, without any list of words: the next words that gained and lost most probability, in "
        "percentage points. Means over the held-out items of each form, and over runs. A word without its "
        "leading space stands in quotes. `next_words.csv` has more, each beside the change under the first control."
    )
    return text, pd.DataFrame(rows)


def _list_words(moved: pd.DataFrame) -> str:
    return ", ".join(f"{_show(row.text)} {100 * row.change:+.1f}" for row in moved.itertuples())


def _show(text: str) -> str:
    return text[1:] if text.startswith(" ") and text.strip() else f'"{text}"'
