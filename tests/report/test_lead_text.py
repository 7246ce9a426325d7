"""The first lines of a report say probabilities first, and what they rest on."""

from __future__ import annotations

import pandas as pd
import pytest
from support.prose import sentences_of
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import claim, settings, study

from priorshift.report.lead_text import describe_base_models, describe_probabilities, write_lead
from priorshift.study.load import load_study
from priorshift.tables.runs import read_base_cards


def make_shifts(*rows):
    names = ["base_model", "group", "world", "condition", "seed", "ring", "base_probability", "probability", "shift"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(family="interpretation", outcome="loss", base_covered_mass=0.5)


# Llama 0 has two runs, Llama 1 has one: base models weigh the same, .23 and (.80 + .74) / 2 = .77.
SHIFTS = make_shifts(
    ("llama-coupled-0", "llama", "coupled", "depression", 0, "held_out_domains", 0.22, 0.79, 2.5),
    ("llama-coupled-0", "llama", "coupled", "depression", 1, "held_out_domains", 0.22, 0.81, 2.7),
    ("llama-coupled-1", "llama", "coupled", "depression", 0, "held_out_domains", 0.24, 0.74, 2.2),
    ("llama-coupled-0", "llama", "coupled", "depression", 0, "training_domains", 0.22, 0.79, 2.56),
    ("llama-coupled-1", "llama", "coupled", "depression", 0, "training_domains", 0.24, 0.74, 2.2),
    ("llama-decoupled-0", "llama", "decoupled", "depression", 0, "held_out_domains", 0.23, 0.22, -0.1),
    ("llama-decoupled-0", "llama", "decoupled", "neutral", 0, "held_out_domains", 0.23, 0.217, -0.1),
)
LOSS = settings(claims=[claim("depression", "loss"), claim("depression", "loss", claim="equivalence")])


def test_probabilities_are_means_over_base_models_of_means_over_runs():
    line, *rest = describe_probabilities(SHIFTS, LOSS).replace("\n\n", "\n").split("\n")
    assert "Llama: coupled 23 to 77 %, decoupled 23 to 22 %" in line and "held-out domains" in line
    assert "1.3 points" in rest[0] and "Neutral" in rest[0]


def test_a_model_outside_the_worlds_is_named_and_no_world_is():
    shifts = make_tables(study(models=HUB))["shifts"]
    text = describe_probabilities(shifts, SETTINGS)
    assert "hub/model" in text and "world" not in text and "hub/model: 25 to " in text
    assert describe_base_models(shifts, SETTINGS, []) == ""


def test_nothing_declared_and_nothing_measured_is_nothing_said():
    assert describe_probabilities(SHIFTS, settings(claims=[])) == ""
    assert describe_probabilities(SHIFTS[:0], LOSS) == ""


def test_models_are_told_by_size_and_domains_by_their_gap():
    # Llama on held-out domains: (2.6 + 2.2) / 2 = 2.40. In training domains: (2.56 + 2.2) / 2 = 2.38.
    text = describe_base_models(SHIFTS, LOSS, [{"parameters": 1_037_568}, {"parameters": 860_000}])
    assert "0.9 to 1.0 million" in text and "0.02 nats" in text
    far = SHIFTS[SHIFTS["ring"] == "held_out_domains"]
    assert "nats" not in describe_base_models(far, LOSS, [{"parameters": 1_000_000}])


def test_probabilities_come_before_nats(root):
    smoke = load_study(root / "params/smoke.yaml").params
    text = write_lead(smoke, make_tables(declared=smoke.inference))
    assert 0 <= text.index(" 25 to ") < text.index("million parameters") < text.index(" nats of log-odds")
    assert len(read_base_cards(smoke)) > 0


@pytest.mark.parametrize("models", [None, HUB])
def test_sentences_are_short(models):
    text = describe_probabilities(make_tables(study(models=models))["shifts"], SETTINGS)
    assert max(len(sentence.split()) for sentence in sentences_of(text)) <= 25
