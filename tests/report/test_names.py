"""Names and numbers as readers see them."""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.report.names import (
    drop_empty_world,
    name_condition,
    name_contrast,
    name_p,
    name_panels,
    name_ring,
    name_worlds,
)

ROWS = pd.DataFrame({"base_model": ["llama-0", "hub/m"], "group": ["llama", "hub/m"], "world": ["coupled", ""]})


@pytest.mark.parametrize("name", ["depression", "exposure_paranoia", "recovery_depression", "anxiety_25"])
def test_no_condition_carries_the_bare_name_of_a_disorder(name):
    spoken = name_condition(name)
    assert "_" not in spoken and spoken.count("-like") == 1
    assert name_condition("depressions") == "depressions"  # another word


def test_a_ring_is_told_without_underscores():
    assert name_ring("held_out_domains") == "held-out domains" and name_ring("text_form") == "text form"


def test_the_smallest_p_is_a_bound():
    assert [name_p(p) for p in (0.0009, 0.001, 0.25)] == ["p < .001", "p = 0.001", "p = 0.250"]


def test_a_model_outside_the_worlds_is_named_by_itself():
    assert list(name_worlds(ROWS)) == ["coupled world", "hub/m"]
    assert list(name_panels(ROWS)) == ["llama · coupled", "hub/m"]
    row = {"condition": "depression", "control": "neutral", "base_model": "hub/m", "world": ""}
    assert "world" not in name_contrast(row) and "hub/m" in name_contrast(row)


def test_the_world_is_dropped_only_where_no_model_has_one():
    assert "world" in drop_empty_world(ROWS) and "world" not in drop_empty_world(ROWS[1:])
