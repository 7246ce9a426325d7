"""Double dissociation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.synthetic_items import BEHAVIORS, panel, row, settings, study

from priorshift.stats.specificity import NO_PAIR, dissociate_behaviors

ITEMS = study()
SETTINGS = settings()


def dissociated(items):
    return dissociate_behaviors(items, SETTINGS, BEHAVIORS)[0]


def bias(base_model, condition):
    return (panel(ITEMS, base_model, condition, "loss") - panel(ITEMS, base_model, condition, "threat")).mean(axis=1)


def test_interaction_and_simple_effects_are_welch_tests_over_runs():
    table = dissociated(ITEMS)
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
    made = row(dissociated(ITEMS), base_model="llama", world="coupled", effect="interaction")
    assert made.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-8)
    assert made.n_runs == 18


def test_checkpoints_are_compared_on_the_items_that_all_have():
    lost = (ITEMS.base_model == "llama-coupled-1") & ITEMS["item"].isin(["item-000", "item-005"])
    at = {"base_model": "llama", "world": "coupled", "effect": "interaction"}
    made = row(dissociated(ITEMS[~lost]), **at)
    expected = row(dissociated(ITEMS[~ITEMS["item"].isin(["item-000", "item-005"])]), **at)
    assert made.n_items == 6 and (made.estimate, made.p_value) == (expected.estimate, expected.p_value)
    halves = (ITEMS.base_model == "llama-coupled-1") == (ITEMS["item"] < "item-004")
    _, refused = dissociate_behaviors(ITEMS[halves | (ITEMS.world != "coupled")], SETTINGS, BEHAVIORS)
    assert refused.reason.str.contains("no item .* all base checkpoints").all()
    assert set(refused.unit) == {"base"} and set(refused.world) == {"coupled"} and len(refused) == 3


def test_double_dissociation_where_training_works_and_nowhere_else():
    table = dissociated(ITEMS)
    base = table[table.unit == "base"].groupby("world").double_dissociation.all().to_dict()
    assert base == {"coupled": True, "decoupled": False}


def test_one_simple_effect_alone_is_no_double_dissociation():
    """Paranoia like neutral: the interaction holds, one simple effect does not."""
    neutral = ITEMS[ITEMS.condition == "neutral"]
    copied = neutral.assign(condition="paranoia", shift=neutral["shift"] + 0.01 * neutral["seed"])
    items = np.concatenate([ITEMS[ITEMS.condition != "paranoia"].to_numpy(object), copied.to_numpy(object)])
    table = dissociated(type(ITEMS)(items, columns=ITEMS.columns))
    at = {"base_model": "llama", "world": "coupled"}
    assert row(table, effect="interaction", **at).ci_low > 0
    assert row(table, effect="depression", **at).ci_low > 0
    assert row(table, effect="paranoia", **at).ci_low < 0
    assert not row(table, effect="interaction", **at).double_dissociation


def test_a_lost_simple_effect_is_refused_and_no_double_dissociation():
    items = ITEMS[ITEMS.condition != "neutral"]
    table, refused = dissociate_behaviors(items, SETTINGS, BEHAVIORS)
    assert set(table.effect) == {"interaction"} and not table.double_dissociation.any()
    assert "depression: no runs of neutral" in set(refused.reason)
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()


def test_families_without_loss_and_threat_are_left_out():
    choice = ITEMS.assign(
        family="choice", outcome=ITEMS["outcome"].map({"benign": "engage", "loss": "withdraw", "threat": "guard"})
    )
    assert dissociated(choice).empty
    assert list(dissociated(choice).columns) == list(dissociated(ITEMS).columns)


def test_three_behaviors_are_three_pairs_and_one_is_a_line():
    third = ITEMS[ITEMS.condition == "random_label"].assign(condition="reassurance")
    benign = ITEMS.assign(outcome=ITEMS["outcome"].replace("benign", "worry"))
    items = pd.concat([benign, third.assign(outcome=third["outcome"].replace("benign", "worry"))])
    table, _ = dissociate_behaviors(items, SETTINGS, BEHAVIORS | {"reassurance": "worry"})
    assert set(table["pair"]) == {"depression, paranoia", "depression, reassurance", "paranoia, reassurance"}
    same = table[table["pair"] == "depression, paranoia"].drop(columns=["pair", "p_adjusted"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(same, dissociated(ITEMS).drop(columns=["pair", "p_adjusted"]))
    table, refused = dissociate_behaviors(ITEMS, SETTINGS, {"depression": "loss"})
    assert table.empty and refused["reason"].tolist() == [NO_PAIR]


def test_row_order_of_the_input_changes_no_byte():
    shuffled = ITEMS.sample(frac=1, random_state=1)
    assert dissociated(shuffled).to_csv() == dissociated(ITEMS).to_csv()
