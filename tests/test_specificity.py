"""Double dissociation and the confusion matrix."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from priorshift import inference
from priorshift.specificity import clopper_pearson, confusion, refused_dissociations, specificity

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_items import panel, row, settings, study

ITEMS = study()
SETTINGS = settings()


def bias(base_model, condition):
    return (panel(ITEMS, base_model, condition, "loss") - panel(ITEMS, base_model, condition, "threat")).mean(axis=1)


def test_interaction_and_simple_effects_are_welch_tests_over_runs():
    table = specificity(ITEMS, SETTINGS)
    sides = {
        "interaction": (bias("hub/model", "depression"), bias("hub/model", "paranoia")),
        "depression": (bias("hub/model", "depression"), bias("hub/model", "neutral")),
        "paranoia": (-bias("hub/model", "paranoia"), -bias("hub/model", "neutral")),
    }
    for effect, pair in sides.items():
        made, expected = row(table, base_model="hub/model", effect=effect), stats.ttest_ind(*pair, equal_var=False)
        assert made.statistic == pytest.approx(expected.statistic, abs=1e-8)
        assert made.p_value == pytest.approx(expected.pvalue, abs=1e-8)
        assert (made.ci_low, made.ci_high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-8)
        assert made.unit == "runs" and made.n_runs == 6 and made.n_items == 8


def test_base_unit_is_a_t_over_checkpoints():
    values = [
        bias(f"llama-coupled-{i}", "depression").mean() - bias(f"llama-coupled-{i}", "paranoia").mean()
        for i in range(3)
    ]
    made = row(specificity(ITEMS, SETTINGS), base_model="llama", world="coupled", effect="interaction")
    assert made.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-8)
    assert made.n_runs == 18


def test_double_dissociation_where_training_works_and_nowhere_else():
    table = specificity(ITEMS, SETTINGS)
    base = table[table.unit == "base"].groupby("world").double_dissociation.all().to_dict()
    assert base == {"coupled": True, "decoupled": False}


def test_one_simple_effect_alone_is_no_double_dissociation():
    """Paranoia like neutral: the interaction holds, one simple effect does not."""
    neutral = ITEMS[ITEMS.condition == "neutral"]
    copied = neutral.assign(condition="paranoia", shift=neutral["shift"] + 0.01 * neutral["seed"])
    items = np.concatenate([ITEMS[ITEMS.condition != "paranoia"].to_numpy(object), copied.to_numpy(object)])
    table = specificity(type(ITEMS)(items, columns=ITEMS.columns), SETTINGS)
    at = {"base_model": "llama", "world": "coupled"}
    assert row(table, effect="interaction", **at).ci_low > 0
    assert row(table, effect="depression", **at).ci_low > 0
    assert row(table, effect="paranoia", **at).ci_low < 0
    assert not row(table, effect="interaction", **at).double_dissociation


def test_a_lost_simple_effect_is_refused_and_no_double_dissociation():
    items = ITEMS[ITEMS.condition != "neutral"]
    table, refused = specificity(items, SETTINGS), refused_dissociations(items, SETTINGS)
    assert set(table.effect) == {"interaction"} and not table.double_dissociation.any()
    assert "depression: no runs of neutral" in set(refused.reason)
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()


def test_confusion_by_hand():
    """Two conditions on a line at 0, 1, 9 and 8, 10, 11: the 9 is taken for the other."""
    items = study(n_items=1, seeds=3, models=[("m", "m", "")], conditions=("a", "b"))
    at = dict(zip([("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)], [0, 1, 9, 8, 10, 11], strict=True))
    items["shift"] = [
        float(at[c, s]) if o == "loss" else 0.0
        for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    table = confusion(items, SETTINGS)
    counts = {(r.condition, r.predicted): r["count"] for _, r in table.iterrows()}
    assert counts == {("a", "a"): 2, ("a", "b"): 1, ("b", "a"): 0, ("b", "b"): 3}
    assert set(table.n) == {3}


def test_held_out_run_takes_no_part_in_its_centroid():
    """A lone outlier would be its own nearest centroid's half; left out, it is lost to the other condition."""
    items = study(n_items=1, seeds=2, models=[("m", "m", "")], conditions=("a", "b"))
    at = {("a", 0): 0.0, ("a", 1): 10.0, ("b", 0): 11.0, ("b", 1): 12.0}
    items["shift"] = [
        at[c, s] if o == "loss" else 0.0 for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    made = row(confusion(items, SETTINGS), condition="a", predicted="a")
    assert made["count"] == 1  # 0 is nearer to 10 than to 11.5; 10 is nearer to 11.5 than to 0


def test_confusion_tells_trained_conditions_apart_in_the_coupled_world():
    table = confusion(ITEMS, SETTINGS, conditions=("depression", "paranoia", "neutral"))
    hits = table[table.condition == table.predicted]
    assert (hits[hits.world == "coupled"].share == 1).all()
    assert hits[hits.world == "decoupled"].share.mean() < 0.9
    assert set(table.unit) == {"runs", "base"} and set(table[table.unit == "base"].n) == {9}
    rows = table.groupby(["base_model", "world", "unit", "condition"])
    assert (rows["count"].sum() == rows["n"].first()).all()


@pytest.mark.parametrize(("count", "n"), [(0, 3), (1, 3), (3, 3), (7, 20), (20, 20)])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_clopper_pearson_equals_scipy_and_statsmodels(count, n, alpha):
    exact = stats.binomtest(count, n).proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson(count, n, alpha) == pytest.approx(tuple(exact), abs=1e-8)
    assert clopper_pearson(count, n, alpha) == pytest.approx(
        proportion_confint(count, n, alpha, method="beta"), abs=1e-8
    )


def test_a_condition_with_one_run_cannot_be_left_out():
    items = ITEMS[(ITEMS.condition != "random_label") | (ITEMS.seed == 0)]
    table, refused = confusion(items, SETTINGS), refused_dissociations(items, SETTINGS)
    assert "random_label" not in set(table[table.unit == "runs"].condition)
    assert "random_label" in set(table[table.unit == "base"].condition)
    lost = refused[refused.table == "confusion"]
    assert set(lost.condition) == {"random_label"} and len(lost) == 7


def test_families_without_loss_and_threat_are_left_out():
    choice = ITEMS.assign(
        family="choice", outcome=ITEMS["outcome"].map({"benign": "engage", "loss": "withdraw", "threat": "guard"})
    )
    assert specificity(choice, SETTINGS).empty and confusion(choice, SETTINGS).empty
    assert list(specificity(choice, SETTINGS).columns) == list(specificity(ITEMS, SETTINGS).columns)
    assert not inference.contrasts(choice, SETTINGS).empty
