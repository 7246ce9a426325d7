"""Each claim of the paper stands beside what the study's own tables say."""

from __future__ import annotations

import pandas as pd
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import settings, study

from priorshift.report.paper_text import INTRODUCTION, compare_with_paper

TABLES = make_tables()
NO_HUB = {
    name: table[table["world"] != ""] if name in ("contrasts", "specificity") else table
    for name, table in TABLES.items()
}


def rows(tables, declared=SETTINGS):
    return compare_with_paper(tables, declared).set_index("claim")


def test_the_paper_is_named():
    assert "2605.22356" in INTRODUCTION


def test_what_holds_in_one_world_alone_is_said_of_each():
    table = rows(NO_HUB)
    assert list(table.index) == ["shift", "generalization", "several measures", "partial specificity"]
    assert "coupled: 2 of 2" in table.loc["generalization", "here"]
    assert "decoupled: 0 of 2" in table.loc["generalization", "here"]
    assert (
        table.loc["generalization", "same"]
        == table.loc["partial specificity", "same"]
        == ("coupled: yes. decoupled: no")
    )
    assert table.loc["shift", "same"] == "not tested"  # these items are of held-out domains alone


def test_some_of_the_shifts_are_partly_the_same():
    lower = NO_HUB["contrasts"]["condition"].eq("paranoia") & NO_HUB["contrasts"]["world"].eq("coupled")
    half = NO_HUB["contrasts"].assign(ci_low=NO_HUB["contrasts"]["ci_low"].mask(lower, -1.0))
    assert "coupled: partly" in rows(NO_HUB | {"contrasts": half}).loc["generalization", "same"]


def test_a_shift_in_training_domains_alone_is_not_generalization():
    near = NO_HUB["contrasts"].assign(ring="training_domains")
    table = rows(NO_HUB | {"contrasts": near})
    assert table.loc["shift", "same"].startswith("coupled: yes") and table.loc["generalization", "same"] == "not tested"


def test_a_model_outside_the_worlds_has_no_world():
    table = rows(make_tables(study(models=HUB)))
    assert table.loc["generalization", ["here", "same"]].tolist() == ["2 of 2 contrasts above 0", "yes"]
    assert not table.astype(str).apply(lambda column: column.str.contains("coupled")).any(axis=None)


def test_measures_are_those_that_the_study_has():
    assert rows(TABLES).loc["several measures", "same"] == "not measured"
    here = rows(TABLES | {"jsd": pd.DataFrame(), "scales": pd.DataFrame()}).loc["several measures", "here"]
    assert here.index("JSD") < here.index("scales") < here.index("Not measured") < here.index("completions")


def test_no_declared_claim_is_no_table():
    assert compare_with_paper(TABLES, settings(claims=[])).empty
