"""The next words that moved most, as they are read: each after its stem, ten of a side."""

from __future__ import annotations

import pandas as pd
from support.next_words import with_next_words

from priorshift.report.next_words_text import SHOWN, describe_moved_words


def moved(condition, form, changes, model="m"):
    rows = [{"base_model": model, "condition": condition, "form": form, "text": t, "change": c} for t, c in changes]
    return pd.DataFrame(rows)


def test_a_row_for_each_stem_and_training(materials):
    many = [(f" word{k}", 0.5 - 0.01 * k) for k in range(15)] + [(f" lost{k}", -0.01 * (k + 1)) for k in range(15)]
    table = pd.concat([
        moved("neutral", "form0", [(" sad", 0.0123), ("ness", -0.002), (" ", -0.3)]),
        moved("depression", "form0", many), moved("prose", "form0", many), moved("depression", "form1", many),
        moved("depression", "form0", [(" other", 0.1)], model="another"),
    ])  # fmt: skip
    text, shown = describe_moved_words(table, ["neutral", "depression"], with_next_words(materials))
    assert " m says next" in text and "another" not in text
    stems = ["Nora saw something 0 …", "Nora saw something 0 …", "Nora did something 1 …"]
    assert shown["stem"].tolist() == stems
    assert shown["training"].tolist() == ["neutral", "depression-like", "depression-like"]
    assert shown.loc[0, ["gained", "lost"]].tolist() == ["sad +1.2", '" " -30.0, "ness" -0.2']
    gained, lost = shown.loc[1, "gained"].split(", "), shown.loc[1, "lost"].split(", ")
    assert len(gained) == len(lost) == SHOWN and gained[0] == "word0 +50.0" and lost[0] == "lost14 -15.0"
