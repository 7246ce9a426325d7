"""A claim of a model outside the worlds comes with its covered mass, and with a warning where that is small."""

from __future__ import annotations

import pandas as pd
import pytest
from support.report_tables import HUB, SETTINGS, add_probabilities, make_tables
from support.synthetic_items import study

from priorshift.report.claims_text import describe_claims
from priorshift.report.coverage_text import describe_coverage, describe_families, find_coverage, warn_of_coverage
from priorshift.report.lead_text import describe_probabilities

TABLES = make_tables(study(models=HUB))
ROW = {"base_model": "hub/model", "world": "", "family": "interpretation", "ring": "held_out_domains"}


def covered(share):
    return add_probabilities(TABLES["shifts"], covered=share)


def test_coverage_is_the_mean_over_runs_and_outcomes():
    shifts = covered(0.2)
    shifts.loc[shifts["condition"] == "neutral", "base_covered_mass"] = 0.6  # a quarter of the runs
    assert find_coverage(shifts, ROW) == pytest.approx(0.3)
    assert find_coverage(shifts, ROW | {"family": "feeling"}) is None


def test_each_family_s_coverage_spans_an_architecture_s_base_models():
    shifts = pd.DataFrame(
        [("g-0", "g", "feeling", 0.2), ("g-0", "g", "next_words", 0.5), ("g-1", "g", "feeling", 0.4),
         ("g-1", "g", "next_words", 0.5), ("hub", "hub", "feeling", 4e-9)],
        columns=["base_model", "group", "family", "base_covered_mass"],
    )  # fmt: skip
    near = shifts.assign(ring="training_domains", base_covered_mass=1.0)
    _, _, *lines = describe_families(pd.concat([near, shifts.assign(ring="held_out_domains")])).splitlines()
    assert lines == ["* g: feeling probes 20 % to 40 %, next words probes 50 %", "* hub: feeling probes 4e-07 %"]


def test_claims_in_the_worlds_say_no_coverage():
    shifts = make_tables()["shifts"]
    assert describe_coverage(shifts, ROW | {"base_model": "llama", "world": "coupled"}) == ""
    assert "50 %" in describe_coverage(shifts, ROW)


@pytest.mark.parametrize(("share", "told"), [(4e-9, "4e-07 %"), (0.016, "1.6 %")])
def test_each_claim_and_dissociation_says_its_coverage(share, told):
    text = describe_claims(TABLES | {"shifts": covered(share)}, SETTINGS)
    claims = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(claims) == 3 and all(told in line for line in claims)


@pytest.mark.parametrize(("share", "warned"), [(4e-9, True), (0.0099, True), (0.01, False), (0.5, False)])
def test_the_warning_stands_below_one_percent(share, warned):
    text = warn_of_coverage(covered(share), SETTINGS)
    assert bool(text) == warned
    assert not warned or ("hub/model" in text and "interpretation" in text and "1 %" in text)


def test_calibration_models_and_families_without_a_claim_are_not_warned_of():
    assert (
        warn_of_coverage(add_probabilities(make_tables()["shifts"].query("world != ''"), covered=0.0), SETTINGS) == ""
    )
    assert warn_of_coverage(covered(0.0).assign(family="feeling"), SETTINGS) == ""


def test_the_answer_of_such_a_model_still_names_its_probabilities():
    assert " 25 to " in describe_probabilities(covered(4e-9), SETTINGS)
