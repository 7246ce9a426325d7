"""What is declared: its order, which rows test it, and on which side of 0 they should lie."""

from __future__ import annotations

import pandas as pd
import pytest
from support.synthetic_items import claim, settings

from priorshift.stats.declared import (
    choose_unit,
    find_direction,
    find_role,
    is_claimed,
    keep_claims,
    list_contrasts,
    match_direction,
    sort_claims,
)

SETTINGS = settings()
ROW = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss",
    "ring": "held_out_domains", "world": "coupled", "unit": "base",
}  # fmt: skip


def test_the_order_of_the_file_is_no_order():
    one, other = claim("paranoia", "threat"), claim("depression", "loss", worlds=["coupled"])
    assert sort_claims(settings(claims=[one, other])) == [other, one]
    assert sort_claims(settings(claims=[other, one])) == [other, one]


def test_contrasts_are_named_once_whatever_is_claimed_of_them():
    kinds = [claim("depression", "loss"), claim("depression", "loss", claim="equivalence", worlds=["decoupled"])]
    assert list_contrasts(settings(claims=kinds)) == {
        ("depression", "neutral", "interpretation", "loss", "held_out_domains")
    }


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({}, "declared"),
        ({"unit": "both"}, "exploratory"),
        ({"world": "", "unit": "both"}, "declared"),
        ({"world": ""}, "exploratory"),
        ({"outcome": "threat"}, "exploratory"),
        ({"control": "random_label"}, "exploratory"),
        ({"ring": "training_domains"}, "exploratory"),
    ],
)
def test_a_row_tests_a_claim_at_the_unit_of_its_world(change, role):
    assert find_role(SETTINGS, "shift", ROW | change) == role
    assert find_role(SETTINGS, "equivalence", ROW | change) == "exploratory"


def test_a_claim_of_one_world_is_no_claim_of_another():
    declared = settings(claims=[claim("depression", "loss", worlds=["coupled"])])
    assert is_claimed(declared, "shift", ROW)
    assert not is_claimed(declared, "shift", ROW | {"world": "decoupled"})
    assert not is_claimed(declared, "shift", ROW | {"world": ""})
    assert (choose_unit("coupled"), choose_unit("")) == ("base", "both")


def test_the_direction_is_that_of_the_shift_in_the_worlds_it_was_declared_for():
    declared = settings(
        claims=[
            claim("depression", "loss", direction="increase", worlds=["coupled"]),
            claim("depression", "loss", claim="equivalence", worlds=["decoupled"]),
        ]
    )
    assert find_direction(declared, ROW) == find_direction(declared, ROW | {"unit": "items"}) == "increase"
    assert find_direction(declared, ROW | {"world": "decoupled"}) == find_direction(SETTINGS, ROW) == ""


def test_an_estimate_agrees_with_its_side_of_zero_or_with_none():
    rows = [(1.0, "increase", True), (-1.0, "increase", False), (-1.0, "decrease", True), (1.0, "decrease", False),
            (1.0, "", True), (-1.0, "", True), (0.0, "increase", False)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["estimate", "direction", "expected"])
    assert match_direction(table.estimate, table.direction).tolist() == table.expected.tolist()
    assert len(match_direction(table.estimate[:0], table.direction[:0])) == 0


def test_claims_are_kept_whatever_they_may_be_called():
    table = pd.DataFrame({"role": ["declared", "exploratory", "confirmatory"]})
    assert keep_claims(table).role.tolist() == ["declared", "confirmatory"]
