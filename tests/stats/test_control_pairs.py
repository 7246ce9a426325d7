"""Two controls that a measure moves apart are flagged, with the interval that a reader would compute."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.synthetic_items import base_models, panel, row, study

from priorshift.stats.control_pairs import CONTROLS, compare_controls

PAIR = ["neutral", "random_label"]


def move(items, shift, **where):
    """The items with the shifts of some rows raised."""
    at = np.all([items[name] == value for name, value in where.items()], axis=0)
    return items.assign(shift=items["shift"] + shift * at)


def test_a_difference_is_welchs_over_run_means():
    items = study(seeds=4)
    made = compare_controls(items, PAIR, 0.5, 0.05)
    assert list(made.columns) == CONTROLS
    found = row(made, base_model="hub/model", outcome="loss")
    first, later = (panel(items, "hub/model", name, "loss").mean(axis=1) for name in PAIR)
    expected = stats.ttest_ind(later, first, equal_var=False)
    assert found["estimate"] == pytest.approx(later.mean() - first.mean())
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (found["condition"], found["control"], found["unit"]) == ("random_label", "neutral", "runs")


def test_a_measure_that_moves_two_controls_apart_is_flagged_alone():
    items = study(families=("interpretation", "feeling"))
    made = compare_controls(
        move(items, 0.9, condition="random_label", family="feeling", outcome="loss"), PAIR, 0.5, 0.05
    )
    flagged = made[made["flag"]]
    assert set(zip(flagged["family"], flagged["outcome"], strict=True)) == {("feeling", "loss")}
    assert len(flagged) == 7 + 2  # each base model, and each world's checkpoints
    assert (flagged["margin"] == 0.5).all() and (flagged["ci_low"] < flagged["estimate"]).all()
    other_way = compare_controls(move(items, -2.0, condition="random_label", outcome="loss"), PAIR, 0.5, 0.05)
    assert other_way.loc[other_way["outcome"] == "loss", "flag"].all()


def test_checkpoints_are_compared_where_there_are_two():
    made = compare_controls(study(models=base_models(checkpoints=3, hub=False)), PAIR, 0.5, 0.05)
    base = made[made["unit"] == "base"]
    assert set(base["base_model"]) == {"llama"} and len(base) == 2 * 3 and set(base["n_runs"]) == {18}
    own = made.query("unit == 'runs' and world == 'coupled' and outcome == 'loss'")["estimate"]
    assert row(base, world="coupled", outcome="loss")["estimate"] == pytest.approx(own.mean())
    single = compare_controls(study(models=base_models(checkpoints=1, hub=False)), PAIR, 0.5, 0.05)
    assert set(single["unit"]) == {"runs"}


def test_every_pair_stands_once():
    items = study(models=base_models(hub=True)[-1:])
    made = compare_controls(items, [*PAIR, "paranoia"], 0.5, 0.05)
    pairs = set(zip(made["condition"], made["control"], strict=True))
    assert pairs == {("random_label", "neutral"), ("paranoia", "neutral"), ("paranoia", "random_label")}


def test_one_run_has_a_difference_without_an_interval():
    made = compare_controls(study(seeds=1), PAIR, 0.5, 0.05).query("unit == 'runs'")
    assert made["estimate"].notna().all() and made["ci_low"].isna().all() and made["ci_high"].isna().all()


@pytest.mark.parametrize("controls", [[], ["neutral"], ["neutral", "not measured"]])
def test_fewer_than_two_controls_make_no_row(controls):
    made = compare_controls(study(), controls, 0.5, 0.05)
    assert made.empty and list(made.columns) == CONTROLS


def test_the_order_of_rows_does_not_matter():
    items = study()
    made, shuffled = (
        compare_controls(table, PAIR, 0.5, 0.05) for table in (items, items.sample(frac=1, random_state=0))
    )
    pd.testing.assert_frame_equal(made, shuffled, check_exact=True)
