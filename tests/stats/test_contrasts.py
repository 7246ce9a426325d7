"""Contrasts at every unit without any correction, and pairs that are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.synthetic_items import claim, panel, row, settings, study

from priorshift.errors import UserError
from priorshift.stats.contrasts import (
    UNCORRECTED,
    compare_worlds,
    estimate_contrasts,
    estimate_pairs,
    list_other_pairs,
    list_pairs,
)
from priorshift.stats.panels import build_panels

ITEMS = study()
SETTINGS = settings()
TABLE = estimate_contrasts(ITEMS, SETTINGS, SETTINGS.treatments)
LOSS = {"condition": "depression", "control": "neutral", "outcome": "loss"}


def test_each_pair_outcome_model_and_unit_has_one_finite_row():
    assert list(TABLE.columns) == UNCORRECTED
    assert TABLE["unit"].value_counts().to_dict() == {"items": 84, "runs": 84, "both": 84, "base": 24}
    assert not TABLE.duplicated(UNCORRECTED[:8]).any() and not TABLE.isna().any().any()
    assert np.isfinite(TABLE.select_dtypes("number").to_numpy()).all()


def test_items_and_runs_are_scipys_tests():
    a, b = (panel(ITEMS, "hub/model", name, "loss") for name in ("depression", "neutral"))
    expected = {
        "items": stats.ttest_rel(a.mean(axis=0), b.mean(axis=0)),
        "runs": stats.ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False),
    }
    for unit, test in expected.items():
        made = row(TABLE, base_model="hub/model", unit=unit, **LOSS)
        assert (made.statistic, made.p_value) == pytest.approx((test.statistic, test.pvalue), abs=1e-8)
        assert (made.ci_low, made.ci_high) == pytest.approx(tuple(test.confidence_interval()), abs=1e-8)


def test_other_treatments_may_be_asked_for():
    table = estimate_contrasts(ITEMS, settings(claims=[]), ["random_label"])
    assert set(zip(table.condition, table.control, strict=True)) == {("random_label", "neutral")}


def test_pairs_are_treatments_with_controls_and_the_others_with_the_first():
    pairs = list_pairs(settings(claims=[]), ["depression", "neutral"])
    assert pairs == [("depression", "neutral"), ("depression", "random_label"), ("neutral", "random_label")]
    assert list_other_pairs(ITEMS["condition"], SETTINGS) == [("random_label", "neutral")]


def test_a_declared_claim_outside_the_contrasts_is_an_error():
    declared = settings(claims=[claim("depression", "loss", control="adaptive")])
    with pytest.raises(UserError, match="depression minus adaptive"):
        list_pairs(declared, declared.treatments)


def test_a_condition_that_was_not_run_is_refused_with_the_reason():
    items = ITEMS[ITEMS.condition != "paranoia"]
    made, refused = estimate_pairs(build_panels(items), settings(claims=[]), [("paranoia", "neutral")], items)
    assert made.empty and set(refused.unit) == {"items", "runs", "both", "base"}
    assert set(refused[refused.unit != "base"].reason) == {"no runs of the treatment"}
    assert set(refused[refused.unit == "base"].reason) == {"no base checkpoint"}


def test_worlds_differ_by_the_difference_of_their_contrasts():
    made, refused = compare_worlds(build_panels(ITEMS), [("depression", "neutral")])
    assert refused.empty and len(made) == 3
    base = TABLE[TABLE.unit == "base"]
    for found in made.to_dict("records"):
        both = {
            world: row(base, world=world, condition="depression", control="neutral", outcome=found["outcome"]).estimate
            for world in ("coupled", "decoupled")
        }
        assert (found["coupled"], found["decoupled"]) == pytest.approx((both["coupled"], both["decoupled"]))
        assert found["estimate"] == pytest.approx(both["coupled"] - both["decoupled"])
    assert compare_worlds(build_panels(ITEMS[ITEMS.world != "decoupled"]), [("depression", "neutral")])[0].empty
