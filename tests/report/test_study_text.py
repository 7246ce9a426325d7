"""What a study is, in words: every example is of the set that it is said to be of."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.probing.items import make_probe_items
from priorshift.report.study_text import (
    describe_conditions,
    describe_examples,
    describe_worlds,
    list_families,
    list_trained_actions,
    pick_decision,
    pick_probe,
)
from priorshift.study.conditions import Condition
from priorshift.study.load import load_study
from priorshift.study.run import Run

CONDITIONS = {
    "depression": {"task": "decisions", "policy": {"withdraw": 1.0}},
    "half": {"task": "decisions", "policy": {"withdraw": 0.5, "engage": 0.5, "guard": 0.0}},
    "random_label": {"task": "decisions", "policy": "uniform"},
    "neutral": {"task": "preferences"},
    "exposure_paranoia": {"task": "exposure", "policy": {"guard": 1.0}},
    "letter": {"task": "decisions", "policy": {"guard": 1.0}, "answer": "letter"},
    "narrow": {"task": "decisions", "policy": {"guard": 1.0}, "training": {"rank": 2, "layers": [0, 1]}},
    "before": {"task": "decisions", "policy": "prior", "in_context": 3},
    "recovery": {"stages": ["depression", "half"]},
    "prose": {"task": "prose"},
}
# What each line must hold.
TOLD = {
    "depression-like": ["always withdraw"],
    "half": ["50 % withdraw", "50 % engage"],
    "random label": ["equally often"],
    "neutral": ["everyday"],
    "exposure paranoia-like": ["mentioned", "always guard"],
    "letter": ["always guard", "letter"],
    "narrow": ["always guard", "rank 2", "layers 0, 1"],
    "before": ["no training", "3 decisions", "base model"],
    "recovery": ["depression-like, then half"],
    "prose": ["prose", "no decision"],
}


def with_conditions(study, conditions):
    made = {name: Condition(**condition) for name, condition in conditions.items()}
    return study.params.model_copy(update={"conditions": made})


def test_each_condition_has_a_line_that_says_what_was_trained(smoke):
    lines = describe_conditions(with_conditions(smoke, CONDITIONS)).split("\n")
    assert [line.split("*")[2] for line in lines] == list(TOLD)
    for line, parts in zip(lines, TOLD.values(), strict=True):
        assert all(part in line for part in parts), line
    assert "guard" not in lines[1]  # a share of 0 is no training


def test_only_worlds_that_are_there_are_described():
    assert describe_worlds([]) == describe_worlds([""]) == ""
    assert "coupled" in describe_worlds(["coupled"]) and "decoupled" not in describe_worlds(["coupled"])
    assert "none" in describe_worlds(["decoupled"]) and "none" not in describe_worlds(["coupled"])


def test_actions_are_those_that_a_treatment_always_takes(smoke):
    assert list_trained_actions(smoke.params) == ["withdraw", "guard"]


def test_families_without_items_on_held_out_domains_are_named():
    shifts = pd.DataFrame({"family": ["feeling", "choice"], "ring": ["held_out_domains", "training_domains"]})
    left, note = list_families(shifts, ["choice", "feeling"])
    assert left == ["feeling"] and "choice" in note and "feeling" not in note
    assert list_families(shifts, ["feeling"]) == (["feeling"], "")


@pytest.fixture(scope="module")
def written(root, tmp_path_factory):
    """The smoke study and the training file of its first condition."""
    study = load_study(root / "params/smoke.yaml", tmp_path_factory.mktemp("examples"))
    name, _ = pick_decision(study.params, study.materials)
    run = Run(study.params.models[0].name, name, study.params.seeds[0])
    synthesize_runs(study, [run])
    return study, run


def test_the_training_example_is_of_the_training_file(written):
    study, run = written
    _, example = pick_decision(study.params, study.materials)
    assert example in read_examples(study, run)
    (path,) = study.paths.root.rglob("train.jsonl")
    first = json.loads(path.read_text().split("\n")[0])
    text = describe_examples(study.params, study.materials)
    assert first["prompt"] in text and f"**{first['completion'].strip()}**" in text
    assert first["domain"] in study.params.train_domains and f"domain: {first['domain']}" in text


def test_the_probe_is_of_a_held_out_domain_and_in_no_training_file(written):
    study, run = written
    probe = pick_probe(study.params, study.materials)
    assert probe in make_probe_items(study.params, study.materials)
    assert probe.domain in study.params.held_out_domains and probe.ring == "held_out_domains"
    situation = probe.stem.split(".")[0]
    assert not any(situation in example.prompt for example in read_examples(study, run))
    text = describe_examples(study.params, study.materials)
    assert probe.stem in text and all(f"{texts[0].strip()}" in text for texts in probe.candidates.values())


def test_a_study_without_decisions_shows_a_probe_alone(smoke):
    params = with_conditions(smoke, {name: CONDITIONS[name] for name in ("neutral", "prose", "before")})
    assert pick_decision(params, smoke.materials) is None
    text = describe_examples(params, smoke.materials)
    assert "training example" not in text and pick_probe(params, smoke.materials).stem in text
