"""The example of next words shows what the committed table holds, and the README's text says the same."""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.materials.prompts import fill_stem
from priorshift.report.answer_figure import FOLDER
from priorshift.report.next_words_figure import (
    AFTER,
    BEFORE,
    BESIDE,
    FORM,
    TITLES,
    describe_next_words,
    draw_next_words,
    make_panels,
    select_moved,
)
from priorshift.tables.read import read_table


@pytest.fixture(scope="module")
def table(root):
    return read_table(root / "outputs/laptop/tables/next_words.csv")


@pytest.fixture(scope="module")
def stem(natural):
    return fill_stem(natural.next_words.forms[FORM][0], natural.forms.names.main[0])


def make_row(condition, text, base, probability, control_change, form=FORM, base_model="a"):
    return {
        "base_model": base_model, "form": form, "condition": condition, "text": text, "base_probability": base,
        "probability": probability, "control_change": control_change,
    }  # fmt: skip


def test_the_readme_tells_what_the_table_holds(root, table, stem):
    text = (root / "README.md").read_text(encoding="utf-8")
    assert f'alt="{describe_next_words(make_panels(table), stem)}"' in text, "run `make docs`, and copy the description"
    for name in ("next_words", "next_words_dark"):
        assert f"{FOLDER.as_posix()}/{name}.svg" in text and (root / FOLDER / f"{name}.svg").is_file()


def test_a_panel_has_its_own_condition_form_and_model():
    rows = [
        make_row("depression", " tired", 0.1, 0.3, 0.05),
        make_row("paranoia", " tense", 0.2, 0.4, 0.0),
        make_row("neutral", " fine", 0.2, 0.1, -0.1),
        make_row("depression", " low", 0.2, 0.9, 0.0, form="another"),
        make_row("depression", " low", 0.2, 0.9, 0.0, base_model="b"),
    ]
    panels = make_panels(pd.DataFrame(rows))
    words = {name: list(panel.index) for name, panel in panels.items()}
    assert words == {"depression": [" tired"], "paranoia": [" tense"]}
    assert panels["depression"].loc[" tired"].to_list() == pytest.approx([0.1, 0.3, 0.15])


def test_what_moved_most_is_shown_and_what_did_not_is_left_out():
    words = pd.DataFrame({BEFORE: [0.1, 0.2, 0.3, 0.1], AFTER: [0.2, 0.5, 0.1, 0.1]}, index=list("abcd"))
    assert list(select_moved(words, gained=1, lost=3).index) == ["b", "c"]
    assert list(select_moved(words, gained=9, lost=9).index) == ["b", "a", "c"]


def test_another_number_is_another_picture_and_light_and_dark_say_the_same(table, stem):
    panels = make_panels(table)
    (light, dark) = (draw_next_words(panels, stem, "m", in_dark) for in_dark in (False, True))
    assert light.description == dark.description == describe_next_words(panels, stem)
    told = [text.get_text().strip() for axis in light.figure.axes for text in axis.texts]
    shown = pd.concat([select_moved(panel) for panel in panels.values()])
    assert told == [f"{100 * row[BEFORE]:.0f} → {100 * row[AFTER]:.0f} %" for _, row in shown.iterrows()]
    moved = {name: panel.assign(**{AFTER: 0.999}) for name, panel in panels.items()}
    changed = draw_next_words(moved, stem, "m")
    assert changed.description.count("to 100 %") == 2 * len(TITLES) and changed.description != light.description


def test_a_neutral_run_that_moves_further_is_seen_inside_the_axes():
    words = pd.DataFrame({BEFORE: [0.1], AFTER: [0.2], BESIDE: [0.6]}, index=["tired"])
    axis = draw_next_words({"depression": words}, "Nora felt", "m").figure.axes[0]
    assert axis.get_xlim()[0] <= 0 and axis.get_xlim()[1] > 60
