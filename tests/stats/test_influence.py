"""Leave one out: each part once, and its row is the estimate without it."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_items import panel, row, settings, study

from priorshift.errors import UserError
from priorshift.stats.estimates import estimate_crossed, estimate_over_checkpoints
from priorshift.stats.influence import INFLUENCE, leave_one_out

ITEMS = study(n_items=6)
ITEMS["domain"] = np.where(ITEMS["item"] < "item-003", "work", "school")
SETTINGS = settings()
LOSS = {"base_model": "hub/model", "condition": "depression", "control": "neutral", "outcome": "loss"}
TABLE = leave_one_out(ITEMS, SETTINGS)


def test_each_item_run_domain_and_checkpoint_is_left_out_once():
    assert list(TABLE.columns) == INFLUENCE and np.isfinite(TABLE.select_dtypes("number").to_numpy()).all()
    mine = TABLE[(TABLE.base_model == "hub/model") & (TABLE.condition == "depression")]
    assert mine.kind.value_counts().to_dict() == {"none": 1, "item": 6, "domain": 2, "run": 6}
    base = TABLE[(TABLE.unit == "base") & (TABLE.world == "coupled") & (TABLE.condition == "depression")]
    # Three checkpoints of three runs a side each.
    assert base.kind.value_counts().to_dict() == {"none": 1, "item": 6, "domain": 2, "run": 18, "base_model": 3}


def test_a_row_is_the_contrast_without_that_part():
    a, b = (panel(ITEMS, "hub/model", name, "loss") for name in ("depression", "neutral"))
    whole = row(TABLE, kind="none", **LOSS)
    without = {
        ("item", "item-002"): (np.delete(a, 2, axis=1), np.delete(b, 2, axis=1)),
        ("domain", "work"): (a[:, 3:], b[:, 3:]),
        ("run", "neutral seed 1"): (a, np.delete(b, 1, axis=0)),
    }
    for (kind, left_out), sides in without.items():
        made, expected = row(TABLE, kind=kind, left_out=left_out, **LOSS), estimate_crossed(*sides)
        assert made.estimate == pytest.approx(expected.estimate)
        assert made.change == pytest.approx(expected.estimate - whole.estimate)


def test_a_row_of_unit_base_is_the_contrast_of_all_checkpoints_without_that_part():
    pairs = [
        tuple(panel(ITEMS, f"llama-coupled-{i}", name, "loss") for name in ("depression", "neutral")) for i in range(3)
    ]
    item = [tuple(np.delete(side, 2, axis=1) for side in pair) for pair in pairs]
    run = [pairs[0], (np.delete(pairs[1][0], 2, axis=0), pairs[1][1]), pairs[2]]
    claim = {**LOSS, "base_model": "llama", "world": "coupled", "unit": "base"}
    for kind, left_out, rest in (("item", "item-002", item), ("run", "llama-coupled-1 depression seed 2", run)):
        made, expected = row(TABLE, kind=kind, left_out=left_out, **claim), estimate_over_checkpoints(rest)
        assert made.estimate == pytest.approx(expected.estimate)


def test_an_outlying_item_stands_out():
    moved = ITEMS.assign(
        shift=ITEMS["shift"] + 5.0 * ((ITEMS["item"] == "item-004") & (ITEMS.condition == "depression"))
    )
    table = leave_one_out(moved, SETTINGS)
    mine = table[(table.base_model == "hub/model") & (table.condition == "depression") & (table.kind == "item")]
    assert mine.loc[mine.change.abs().idxmax(), "left_out"] == "item-004"


def test_a_table_without_domains_is_one_clear_error():
    with pytest.raises(UserError, match="lacks the column domain"):
        leave_one_out(ITEMS.drop(columns="domain"), SETTINGS)


def test_a_study_that_declares_nothing_has_an_empty_table():
    table = leave_one_out(ITEMS, settings(claims=[]))
    assert table.empty and list(table.columns) == INFLUENCE
