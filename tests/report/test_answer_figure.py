"""The README's picture shows the means of the committed tables, and its text says the same."""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.report.answer_figure import FOLDER, WORLDS, describe_answer, draw_answer, find_changes
from priorshift.tables.read import read_table


@pytest.fixture(scope="module")
def shifts(root):
    return read_table(root / "outputs/embedded/tables/shifts.csv")


def test_the_readme_tells_what_the_tables_hold(root, shifts):
    text = (root / "README.md").read_text(encoding="utf-8")
    assert f'alt="{describe_answer(find_changes(shifts))}"' in text, "run `make docs`, and copy the description"
    for name in ("answer", "answer_dark"):
        assert f"{FOLDER.as_posix()}/{name}.svg" in text and (root / FOLDER / f"{name}.svg").is_file()


def test_base_models_weigh_the_same_whatever_their_runs():
    # Of the first base model two runs, .8 and .6; of the second one, .3: (.7 + .3) / 2.
    rows = [("a", 0.8), ("a", 0.6), ("b", 0.3)]
    table = pd.DataFrame(rows, columns=["base_model", "probability"]).assign(
        world="coupled", condition="depression", outcome="loss", family="interpretation", ring="held_out_domains",
        base_probability=0.2,
    )  # fmt: skip
    found = find_changes(table)["coupled", "depression", "loss"]
    assert (found.before, found.after) == pytest.approx((20, 50)) and found.runs == pytest.approx([80, 60, 30])


def test_another_number_is_another_text_and_both_pictures_say_the_same(shifts):
    text = describe_answer(find_changes(shifts.assign(probability=0.99)))
    assert text.count("to 99 %") == 2 * len(WORLDS)
    light, dark = (draw_answer(shifts, in_dark) for in_dark in (False, True))
    assert light.description == dark.description and light.name != dark.name
    told = [text.get_text() for axis in light.figure.axes for text in axis.texts]
    changes = find_changes(shifts).values()
    assert [text for text in told if "→" in text] == [f"{c.before:.0f} → {c.after:.0f} %" for c in changes]
