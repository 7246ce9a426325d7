"""What is declared: its order, its hash, and which rows it makes confirmatory."""

from __future__ import annotations

import pytest
from support.synthetic_items import claim, settings

from priorshift.stats.declared import choose_unit, find_role, hash_claims, is_claimed, list_contrasts, sort_claims

SETTINGS = settings()
ROW = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss",
    "ring": "held_out_domains", "world": "coupled", "unit": "base",
}  # fmt: skip


def test_the_hash_shows_any_change_of_what_was_declared():
    hashes = [
        hash_claims(settings(**change))
        for change in (
            {}, {"alpha": 0.01}, {"smallest_effect": 0.4}, {"confirmatory": [claim("depression", "loss")]},
            {"confirmatory": [claim("depression", "loss"), claim("paranoia", "loss")]},
            {"confirmatory": [claim("depression", "loss", worlds=["coupled"])]},
            {"confirmatory": [claim("depression", "loss", claim="equivalence")]},
        )
    ]  # fmt: skip
    assert len(set(hashes)) == 7
    turned = settings(confirmatory=SETTINGS.confirmatory[::-1], controls=["neutral"])
    assert hash_claims(turned) == hashes[0] and len(hashes[0]) == 12


def test_the_order_of_the_file_is_no_order():
    one, other = claim("paranoia", "threat"), claim("depression", "loss", worlds=["coupled"])
    assert sort_claims(settings(confirmatory=[one, other])) == [other, one]
    assert sort_claims(settings(confirmatory=[other, one])) == [other, one]


def test_contrasts_are_named_once_whatever_is_claimed_of_them():
    kinds = [claim("depression", "loss"), claim("depression", "loss", claim="equivalence", worlds=["decoupled"])]
    assert list_contrasts(settings(confirmatory=kinds)) == {
        ("depression", "neutral", "interpretation", "loss", "held_out_domains")
    }


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({}, "confirmatory"),
        ({"unit": "both"}, "exploratory"),
        ({"world": "", "unit": "both"}, "confirmatory"),
        ({"world": ""}, "exploratory"),
        ({"outcome": "threat"}, "exploratory"),
        ({"control": "random_label"}, "exploratory"),
        ({"ring": "training_domains"}, "exploratory"),
    ],
)
def test_a_row_is_confirmatory_at_the_unit_of_its_world(change, role):
    assert find_role(SETTINGS, "shift", ROW | change) == role
    assert find_role(SETTINGS, "equivalence", ROW | change) == "exploratory"


def test_a_claim_of_one_world_is_no_claim_of_another():
    declared = settings(confirmatory=[claim("depression", "loss", worlds=["coupled"])])
    assert is_claimed(declared, "shift", ROW)
    assert not is_claimed(declared, "shift", ROW | {"world": "decoupled"})
    assert not is_claimed(declared, "shift", ROW | {"world": ""})
    assert (choose_unit("coupled"), choose_unit("")) == ("base", "both")
