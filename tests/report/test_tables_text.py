"""Smaller tables: the right rows, and a text that counts them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.report_tables import HUB, make_tables
from support.synthetic_items import claim, settings, study

from priorshift.report.tables_text import (
    describe_confusion,
    describe_transfer,
    select_matrices,
    tabulate_families,
    tabulate_jsd,
    tabulate_not_equivalent,
    tabulate_not_estimable,
    tabulate_training,
    tabulate_wider_design,
)
from priorshift.stats.jsd_permutation import FROM_BASE, FROM_NEUTRAL

TABLES = make_tables()


def amounts(world, **more):
    return {"training": pd.DataFrame([{"group": "g", "world": world, "condition": "neutral", "steps": 40, **more}])}


def test_training_is_told_without_worlds_and_without_what_was_not_measured():
    text, table = tabulate_training(amounts("", choice=None))
    assert list(table) == ["group", "condition", "steps"] and "epetition" not in text
    text, table = tabulate_training(amounts("coupled", repetition=0.1))
    assert table["world"].tolist() == ["coupled"] and "epetition" in text
    text, table = tabulate_training({})
    assert text and table.empty


def test_what_is_not_shown_to_be_equivalent_is_counted_and_listed():
    table = TABLES["equivalence"]
    text, failed = tabulate_not_equivalent(table)
    own = table[(table["world"] == "decoupled") & (table["unit"] == "base")]
    expected = own[~own["equivalent"]]
    assert f"{len(expected)} of {len(own)} contrasts (unit base" in text and len(failed) == len(expected)
    off = ((expected["ci90_low"] > 0) | (expected["ci90_high"] < 0)).sum()
    assert f"{off} have" in text and (failed["why"] == "shifted").sum() == off
    none, rows = tabulate_not_equivalent(table[table["world"] != "decoupled"])
    assert none == "" and rows.empty


def matrix():
    key = {"base_model": "llama", "world": "coupled", "family": "feeling", "ring": "near", "unit": "base"}
    rows = [
        key | {"condition": c, "predicted": o, "count": 6 if c == o else 3, "n": 9, "accuracy": 12 / 18}
        for c in ("depression", "neutral") for o in ("depression", "neutral")
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(p_value=0.0005, p_adjusted=0.002)


def test_a_matrix_is_told_with_its_hits_chance_and_p():
    table = matrix()
    runs = table.assign(unit="runs", base_model="llama-coupled-0", accuracy=1.0)
    text = describe_confusion(pd.concat([runs, table]), "feeling", "near")
    assert text.count("* ") == 1 and "llama-coupled-0" not in text
    for part in ("llama, coupled world", "12 of 18", "1 in 2", "Unit base", "0.0005", "0.0020", "Exploratory"):
        assert part in text
    assert describe_confusion(table, "choice", "near") == ""


def test_a_world_of_one_checkpoint_keeps_its_own_matrix():
    alone = matrix().assign(unit="runs", base_model="gpt", world="decoupled")
    both = pd.concat([matrix(), alone])
    assert set(select_matrices(both, "feeling", "near")["base_model"]) == {"llama", "gpt"}
    assert "decoupled world a share above chance" in describe_confusion(both, "feeling", "near")
    assert "decoupled" not in describe_confusion(matrix(), "feeling", "near")


def jsd_tests(world="coupled"):
    rows = [
        (control, start)
        for start in (FROM_BASE, FROM_NEUTRAL)
        for control in ("neutral", "prose")
        if (control, start) != ("prose", FROM_NEUTRAL)
    ]
    table = pd.DataFrame(rows, columns=["control", "jsd_from"]).assign(
        base_model="llama", world=world, condition="depression", family="feeling", ring="near", n_runs=6,
        treatment_jsd=0.3, control_jsd=0.1, estimate=0.2, p_value=0.1, p_adjusted=0.1,
    )  # fmt: skip
    least_p = np.where(table["jsd_from"] == FROM_BASE, 0.008, 0.1)
    return table.assign(least_p=least_p, **{p: table[p].where(least_p < 0.05) for p in ("p_value", "p_adjusted")})


def test_jsd_stands_beside_the_first_control_and_beside_the_floor():
    text, shown = tabulate_jsd(jsd_tests(), "near")
    assert len(shown) == 1 and shown["condition"].tolist() == ["depression-like"]
    assert shown["from the base model", "behavior"].tolist() == [0.3]
    # What could not reject has no p, and no column for it.
    assert shown["from the base model", "p"].tolist() == [0.1]
    assert list(shown["from the first neutral run"].columns) == ["behavior", "control"]
    assert "0.008 (from the base model)" in text and "0.100 (from the first neutral run)" in text
    assert "world" in shown and "world" not in tabulate_jsd(jsd_tests(""), "near")[1]
    nothing, rows = tabulate_jsd(jsd_tests(), "far")
    assert "No JSD" in nothing and rows.empty


def test_what_could_not_be_estimated_is_counted_by_reason():
    alone = make_tables(study(models=[("llama-coupled-0", "llama", "coupled")]))["not_estimable"]
    text, counts = tabulate_not_estimable(alone)
    assert str(len(alone)) in text and counts["claims"].sum() == len(alone) > len(counts)
    assert tabulate_not_estimable(alone[:0])[0] == ""


def wider(world):
    keys = {"base_model": "m", "group": "m", "world": world, "ring": "held_out_domains", "family": "interpretation"}
    numbers = dict.fromkeys(["estimate", "ci_low", "ci_high", "p_adjusted", "before", "after"], 0.5)
    numbers |= dict.fromkeys(["share_undone", "share_low", "share_high"], 0.1)
    row = keys | numbers | {"action": "withdraw", "unit": "runs", "n": 3, "condition": "recovery", "outcome": "loss"}
    completions = pd.DataFrame([{"base_model": "m", "stem": "s", "base": "b", "neutral": "n", "other": "o"}])
    valence = pd.DataFrame([row | {"measure": name} for name in ("valence", "words")])
    excluded = pd.DataFrame([{"base_model": "m", "reason": "r", "item": item} for item in ("1", "1", "2")])
    other = row | {"family": "feeling"}
    return {"dose": pd.DataFrame([row]), "recovery": pd.DataFrame([row, other]), "valence": valence,
            "completions": completions, "excluded": excluded}  # fmt: skip


def test_only_what_a_study_has_is_tabulated(smoke):
    made = [table for _, table in tabulate_wider_design(wider("coupled"), "interpretation", smoke)]
    dose, recovery, valence, completions, excluded = made
    assert dose["action"].tolist() == ["withdraw"] and len(recovery) == 1
    assert list(valence.columns) == ["group", "world", "condition", "valence", "words"]
    assert list(completions.columns) == ["stem", "base", "neutral"]  # no other condition was declared
    assert excluded["items"].tolist() == [2]
    assert list(tabulate_wider_design({}, "interpretation", smoke)) == []


def test_the_wider_design_of_a_model_outside_the_worlds_has_no_world(smoke):
    for text, table in tabulate_wider_design(wider(""), "interpretation", smoke):
        assert "world" not in table and "coupled" not in text


@pytest.mark.parametrize(
    "text",
    [
        tabulate_not_equivalent(make_tables(study(models=HUB))["equivalence"])[0],
        describe_confusion(make_tables(study(models=HUB))["confusion"], "interpretation"),
    ],
)
def test_a_model_outside_the_worlds_is_told_without_one(text):
    assert "world" not in text


def test_families_stand_side_by_side_as_means_over_base_models():
    rows = [
        ("m-0", "depression", "loss", "feeling", 2.0), ("m-0", "depression", "loss", "feeling", 4.0),
        ("m-1", "depression", "loss", "feeling", 1.0), ("m-1", "depression", "loss", "choice", 5.0),
        ("m-1", "depression", "threat", "feeling", 9.0), ("m-1", "neutral", "loss", "feeling", 9.0),
    ]  # fmt: skip
    shifts = pd.DataFrame(rows, columns=["base_model", "condition", "outcome", "family", "shift"])
    shifts = shifts.assign(group="m", world="", ring="held_out_domains")
    declared = settings(claims=[claim("depression", "loss")])
    (row,) = tabulate_families(shifts, declared).to_dict("records")
    # (3 + 1) / 2: base models weigh the same, whatever their runs.
    assert row == {"group": "m", "condition": "depression", "outcome": "loss", "feeling": 2.0, "choice": 5.0}
    assert tabulate_families(shifts, settings(claims=[])).empty


def test_the_placement_that_moves_expectations_most_and_least_is_named():
    rows = [("attention", "a", 4.0, 2.0), ("attention", "a", 6.0, 4.0), ("attention", "b", 5.0, 2.0),
            ("mlp", "a", 6.0, 0.3), ("mlp", "b", 6.0, 0.3)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["condition", "base_model", "choice_shift", "expectation_shift"])
    assert "No condition" in describe_transfer(table[:0])
    text = describe_transfer(table)
    # attention: choice (5 + 5) / 2, expectation (3 + 2) / 2.
    assert "0.05 to 0.50" in text
    assert text.index("attention") < text.index("+5.0") < text.index("+2.5") < text.index("mlp") < text.index("+0.3")
