"""The table of valences tells a toned class from an even one."""

from __future__ import annotations

import pytest

from priorshift.tables.valence import tabulate_valence


def test_the_actions_for_real_models_have_no_valence(natural):
    table = tabulate_valence(natural).set_index(["file", "class"])
    for group in natural.classes:
        assert table.loc[("actions", group), ["with_valence", "valence"]].tolist() == [0, 0]
    assert table.loc[("feelings", "benign"), "valence"] > 0.2 > -0.2 > table.loc[("feelings", "loss"), "valence"]


def test_a_toned_phrase_is_seen(materials):
    toned = materials.actions | {"guard": ("lock the door", "write a wonderful answer")}
    table = tabulate_valence(materials.model_copy(update={"actions": toned})).set_index(["file", "class"])
    row = table.loc[("actions", "guard")]
    assert row["phrases"] == 2 and row["with_valence"] == 0.5 and row["valence"] == pytest.approx(0.5719 / 2)
