"""The tidy table as panels and means: nothing is lost, moved or counted twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.synthetic_items import panel, row, settings, study

from priorshift.errors import UserError
from priorshift.stats.contrasts import estimate_contrasts
from priorshift.stats.panels import (
    average_outcomes,
    average_runs,
    build_panels,
    check_items,
    group_checkpoints,
    keep_group_items,
    select_run_means,
)

ITEMS = study()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="ring"), "lacks the column.s. ring"),
        (lambda t: t.iloc[:0], "items is empty"),
        (lambda t: t.assign(shift=np.where(t.index == 3, np.nan, t["shift"])), "1 shift.s. that are not finite"),
        (lambda t: t.assign(shift=np.where(t.index < 2, np.inf, t["shift"])), "2 shift.s. that are not finite"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "item item-000 twice"),
        (lambda t: t.assign(group=np.where(t.index == 0, "other", t["group"])), "more than one group or world"),
        (lambda t: t.assign(condition=t["condition"].where(t.index > 0)), "without a value in condition"),
    ],
)
def test_a_broken_table_is_one_clear_error(change, message):
    with pytest.raises(UserError, match=message):
        check_items(change(ITEMS))


def test_panels_hold_every_shift_where_it_belongs():
    panels = build_panels(ITEMS.sample(frac=1, random_state=0))
    assert len(panels) == 7 * 3 and sum(p.values.size for p in panels) == len(ITEMS)
    for found in panels:
        for condition in found.conditions:
            expected = panel(ITEMS, found.base_model, condition, found.outcome)
            assert np.array_equal(found.select(condition), expected)
    assert found.select("no such condition").shape == (0, 8)


def test_a_cell_that_was_not_measured_is_nan():
    first = ITEMS.iloc[0]
    whole = {p.base_model: p for p in build_panels(ITEMS) if p.outcome == first.outcome}[first.base_model]
    missing = {p.base_model: p for p in build_panels(ITEMS.drop(index=0)) if p.outcome == first.outcome}
    gaps = np.argwhere(np.isnan(missing[first.base_model].values))
    assert len(gaps) == 1 and whole.values[tuple(gaps[0])] == first["shift"]


def test_checkpoints_of_a_group_and_world_stand_together():
    groups = list(group_checkpoints(build_panels(ITEMS)))
    assert [(group, world, probe[2]) for group, world, probe, _ in groups] == [
        ("llama", world, outcome) for world in ("coupled", "decoupled") for outcome in ("benign", "loss", "threat")
    ]
    for _, world, _, members in groups:
        assert [p.base_model for p in members] == [f"llama-{world}-{i}" for i in range(3)]


def test_run_means_are_plain_means():
    made = row(average_runs(ITEMS), base_model="hub/model", condition="paranoia", seed=1, outcome="threat")
    assert made.mean_shift == pytest.approx(panel(ITEMS, "hub/model", "paranoia", "threat")[1].mean())
    assert made.n_items == 8


def test_row_order_of_the_input_changes_no_byte():
    assert average_runs(ITEMS.sample(frac=1, random_state=1)).to_csv() == average_runs(ITEMS).to_csv()


def test_outcome_means_are_over_items_that_all_runs_measured_on_all_outcomes():
    items = ITEMS[ITEMS.base_model == "hub/model"]
    one = (items.condition == "neutral") & (items.seed == 0) & (items["item"] == "item-003") & (items.outcome == "loss")
    means = average_outcomes(items[~one], ("loss", "threat"))
    assert set(means.n_items) == {7} and len(means) == 12
    made = row(means, condition="depression", seed=2)
    kept = [k for k in range(8) if k != 3]
    for outcome in ("loss", "threat"):
        expected = panel(items, "hub/model", "depression", outcome)[2, kept].mean()
        assert made[outcome] == pytest.approx(expected)
    assert average_outcomes(items, ("loss", "worry")).empty


def test_what_all_base_models_of_a_group_have_is_kept():
    lost = (ITEMS.base_model == "llama-coupled-0") & (ITEMS["item"] == "item-002") & (ITEMS.outcome == "loss")
    one_run = lost & (ITEMS.condition == "neutral") & (ITEMS.seed == 1)
    gone = (
        (ITEMS.group == "llama")
        & (ITEMS.world == "coupled")
        & (ITEMS["item"] == "item-002")
        & (ITEMS.outcome == "loss")
    )
    for part in (lost, one_run):
        pd.testing.assert_frame_equal(keep_group_items(ITEMS[~part]), ITEMS[~gone])
    pd.testing.assert_frame_equal(keep_group_items(ITEMS), ITEMS)


def test_the_run_means_of_a_contrast_differ_by_its_estimate():
    table = estimate_contrasts(ITEMS, settings(claims=[]), ["depression"])
    for at in (
        {"base_model": "hub/model", "unit": "runs"},
        {"base_model": "llama", "world": "coupled", "unit": "base"},
    ):
        made = row(table, condition="depression", control="neutral", outcome="loss", **at)
        means = select_run_means(ITEMS, made)
        assert list(means.columns) == ["depression", "neutral"] and len(means) == (3 if at["unit"] == "runs" else 9)
        by_model = means.groupby("base_model").mean()
        assert (by_model["depression"] - by_model["neutral"]).mean() == pytest.approx(made.estimate)
