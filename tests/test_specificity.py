"""Double dissociation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from priorshift import inference
from priorshift.confusion import confusion
from priorshift.specificity import refused_dissociations, specificity

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
    table, refused = specificity(items, SETTINGS), refused_dissociations(items)
    assert set(table.effect) == {"interaction"} and not table.double_dissociation.any()
    assert "depression: no runs of neutral" in set(refused.reason)
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()


def test_families_without_loss_and_threat_are_left_out():
    choice = ITEMS.assign(
        family="choice", outcome=ITEMS["outcome"].map({"benign": "engage", "loss": "withdraw", "threat": "guard"})
    )
    assert specificity(choice, SETTINGS).empty and confusion(choice, SETTINGS).empty
    assert list(specificity(choice, SETTINGS).columns) == list(specificity(ITEMS, SETTINGS).columns)
    assert not inference.contrasts(choice, SETTINGS).empty
