"""The panels of each declared claim: every base model and group that carries it, once."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_items import claim, panel, row, settings, study

from priorshift.stats.claim_panels import estimate_base, estimate_both, list_by_base_model, list_by_group
from priorshift.stats.contrasts import estimate_contrasts

ITEMS = study()
SETTINGS = settings()


def test_each_claim_stands_in_each_base_model_and_group_once():
    assert len(list_by_base_model(ITEMS, SETTINGS)) == 7 * 2
    groups = list_by_group(ITEMS, SETTINGS)
    assert [(g.claim["base_model"], g.claim["world"], g.claim["condition"], len(g.checkpoints)) for g in groups] == [
        ("llama", world, condition, 3)
        for world, condition in [
            ("coupled", "depression"), ("coupled", "paranoia"), ("decoupled", "depression"), ("decoupled", "paranoia"),
        ]
    ]  # fmt: skip
    twice = settings(claims=[claim("depression", "loss"), claim("depression", "loss", claim="equivalence")])
    assert len(list_by_base_model(ITEMS, twice)) == 7


def test_sides_are_the_shifts_of_both_conditions():
    for found in list_by_base_model(ITEMS, SETTINGS):
        for side, name in zip(found.select_sides(), ("condition", "control"), strict=True):
            expected = panel(ITEMS, found.claim["base_model"], found.claim[name], found.claim["outcome"])
            assert np.array_equal(side, expected)


def test_a_base_model_with_one_run_of_a_condition_has_no_part():
    single = (ITEMS.base_model == "hub/model") & (ITEMS.condition == "neutral") & (ITEMS.seed > 0)
    names = [found.claim["base_model"] for found in list_by_base_model(ITEMS[~single], SETTINGS)]
    assert len(names) == 6 * 2 and "hub/model" not in names
    alone = ITEMS[~ITEMS.base_model.isin(["llama-coupled-0", "llama-coupled-1"])]
    assert {found.claim["world"] for found in list_by_group(alone, SETTINGS)} == {"decoupled"}


def test_estimates_are_those_of_the_contrasts():
    table = estimate_contrasts(ITEMS, SETTINGS, SETTINGS.treatments)
    numbers = ["estimate", "ci_low", "ci_high", "p_value"]
    for found in list_by_base_model(ITEMS, SETTINGS):
        made = estimate_both(found, SETTINGS.alpha)
        assert made == pytest.approx(row(table, unit="both", **found.claim)[numbers].to_dict())
    for found in list_by_group(ITEMS, SETTINGS):
        made = estimate_base(found, SETTINGS.alpha)
        assert made == pytest.approx(row(table, unit="base", **found.claim)[numbers].to_dict())


def test_what_cannot_be_estimated_is_none():
    flat = ITEMS.assign(shift=ITEMS["condition"].eq("depression").astype(float))
    assert all(estimate_both(found, 0.05) is None for found in list_by_base_model(flat, SETTINGS))
