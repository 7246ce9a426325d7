"""The sections of one study, checked against each other; and what follows from them."""

from __future__ import annotations

import copy
import re

import pytest
import yaml
from support.refusals import read_refusal

from priorshift.errors import ParamsError
from priorshift.study.params import StudyFile, StudyParams
from priorshift.yaml_files import validate

DECISIONS = {"task": "decisions", "policy": {"withdraw": 1.0}}
CLAIM = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss",
    "ring": "held_out_domains",
}  # fmt: skip


@pytest.fixture(scope="module")
def smoke_data(root):
    return yaml.safe_load((root / "params" / "smoke.yaml").read_text())


def read(data):
    return validate(StudyFile, data, "smoke.yaml", ParamsError)


def change(data, changes):
    """The data with each dotted key set."""
    data = copy.deepcopy(data)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = data
        for part in path:
            place = place[part]
        place[last] = value
    return data


BAD = {
    "unknown key": ({"colour": "red"}, "colour"),
    "no seeds": ({"seeds": []}, "seeds"),
    "seed twice": ({"seeds": [0, 1, 0]}, "0 is given twice"),
    "negative seed": ({"seeds": [-1]}, "seeds"),
    "boolean seed": ({"seeds": [True]}, "seeds"),
    "seed beyond the generator's": ({"seeds": [2**32]}, "seeds"),
    "overlapping domains": ({"train_domains": ["work", "school"]}, "school"),
    "too few held-out domains": ({"held_out_domains": ["school", "family"]}, "held_out_domains"),
    "base model twice": ({"base_models": ["llama-coupled-0", "llama-coupled-0"]}, "twice"),
    "two base models of one name": (
        {"base_models": ["a", {"name": "a", "source": "someone/model"}]}, "two have the same name",
    ),
    "base model that is no name": ({"base_models": ["../escape"]}, "base_models"),
    "base model called all": ({"base_models": ["all"]}, "base_models: one is named 'all'"),
    "path as a study name": ({"study": "../escape"}, "../escape"),
    "right-to-left study name": ({"study": "\u202esmoke"}, "study"),
    "name that ends in a newline": ({"study": "smoke\n"}, "study"),
    "materials with a control character": ({"materials": "mat\0erials"}, "materials"),
    "unknown backend": ({"backend": "jax"}, "backend: found 'jax'"),
    "backend that is a list": ({"backend": ["peft"]}, "backend"),
    "unknown shard": ({"shard": "seed"}, "'run' or 'base_model'"),
    "list of shards": ({"shard": ["run"]}, "shard"),
    "resources as a list": ({"resources": [1]}, "resources"),
    "unknown resource": ({"resources": {"gpu": 1}}, "resources.gpu"),
    "unknown analysis": ({"analyses": ["08_more"]}, "analyses"),
    "analysis twice": ({"analyses": ["04_test", "04_test"]}, "name each once"),
    "report without its tables": ({"analyses": ["05_report"]}, "04_test"),
    "condition called all": ({"conditions.all": {"task": "preferences"}}, "conditions: one is named 'all'"),
    "condition called as a column": ({"conditions.stem": {"task": "preferences"}}, "completions.csv"),
    "more decisions than there are": (
        {"conditions.neutral": {"task": "preferences", "in_context": 65}}, "at most training.examples (64)",
    ),
    "stage that is not above": ({"conditions.depression": {"stages": ["neutral", "paranoia"]}}, "no condition above"),
    "stage of stages": (
        {"conditions": {"a": {"task": "prose"}, "b": {"stages": ["a", "a"]}, "c": {"stages": ["b", "a"]}}},
        "not one training",
    ),
    "stage that is not measured": (
        {"conditions": {"a": {"task": "prose"}, "c": {"stages": ["a", "a", "a"]}}}, "declare one",
    ),
    "unknown control": ({"inference.controls": ["nothing"]}, "nothing"),
    "unknown condition in a claim": ({"inference.claims": [CLAIM | {"condition": "joy"}]}, "joy"),
    "claim that is no contrast": ({"inference.treatments": ["depression"]}, "paranoia minus neutral"),
    "claim of a condition against itself": (
        {"inference.treatments": ["neutral"], "inference.claims": [CLAIM | {"condition": "neutral"}]},
        "neutral minus neutral",
    ),
    "claim on a family that is not probed": ({"probes.families": ["choice"]}, "'interpretation' is not among"),
    "claim on an unknown ring": ({"inference.claims": [CLAIM | {"ring": "moon"}]}, "moon"),
    "claim on a ring that is not probed": ({"inference.claims": [CLAIM | {"ring": "narrator"}]}, "narrator"),
    "treatments left out where their default does not fit": (
        {"conditions": {"paranoia": {"task": "prose"}, "neutral": {"task": "preferences"}}}, "'depression'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_together_is_refused(name, smoke_data):
    changes, named = BAD[name]
    assert named in read_refusal(read, change(smoke_data, changes))


def test_a_missing_key_is_named(smoke_data):
    for key in ("seeds", "training", "inference"):
        data = {name: value for name, value in smoke_data.items() if name != key}
        assert f"key {key!r} is missing" in read_refusal(read, data)


def test_a_key_of_a_section_is_named_with_the_value_found(smoke_data):
    said = read_refusal(read, change(smoke_data, {"training.rank": -4}))
    assert said.startswith("smoke.yaml: training.rank: found -4; ")


def test_stages_are_trained_in_turn_and_each_start_is_measured(smoke_data):
    conditions = {
        "depression": DECISIONS,
        "adaptive": DECISIONS | {"policy": {"engage": 1.0}, "training": {"rank": 2}},
        "recovery": {"stages": ["depression", "adaptive"]},
        "relapse": {"stages": ["depression", "adaptive", "depression"]},
        "neutral": {"task": "preferences"},
    }
    settings = {"inference.treatments": ["depression"], "inference.controls": ["neutral"], "inference.claims": []}
    params = read(change(smoke_data, {"conditions": conditions} | settings))
    assert [params.find_start(c) for c in conditions] == [None, None, "depression", "recovery", None]
    assert [params.find_last_stage(c) for c in conditions] == [
        "depression", "adaptive", "adaptive", "depression", "neutral",
    ]  # fmt: skip
    # A stage is trained as the condition that it is.
    assert [params.resolve_training(c).rank for c in conditions] == [4, 2, 2, 4, 4]


def test_an_override_changes_what_it_names_alone(smoke_data):
    conditions = smoke_data["conditions"] | {"mlp": DECISIONS | {"training": {"target": "mlp", "layers": [0]}}}
    params = read(change(smoke_data, {"conditions": conditions}))
    ours, own = params.training.model_dump(), params.resolve_training("mlp").model_dump()
    assert {key for key in ours if ours[key] != own[key]} == {"target", "layers"}
    assert own["target"] == "mlp" and own["layers"] == [0]


def test_a_condition_s_target_takes_the_place_of_the_study_s_named_layers(smoke_data):
    training = {"training.target_modules": ["q_proj", "self_attn.dense"]}
    conditions = smoke_data["conditions"] | {
        "mlp": DECISIONS | {"training": {"target": "mlp"}},
        "named": DECISIONS | {"training": {"target_modules": ["v_proj"]}},
        "rank": DECISIONS | {"training": {"rank": 2}},
    }
    params = read(change(smoke_data, {"conditions": conditions} | training))
    adapted = {name: params.resolve_training(name).adapted for name in ("mlp", "named", "rank")}
    assert adapted == {"mlp": "mlp", "named": "v_proj", "rank": "q_proj self_attn.dense"}


def test_a_bare_name_means_an_embedded_model(smoke_data):
    hub = {"name": "hub", "source": "someone/model"}
    params = read(change(smoke_data, {"base_models": ["llama-coupled-0", hub]}))
    assert [model.source for model in params.models] == ["embedded:llama-coupled-0", "someone/model"]
    assert params.find_base_model("hub").source == "someone/model"
    assert "llama-coupled-0, hub" in read_refusal(params.find_base_model, "other")


def test_neutral_is_the_first_condition_trained_on_preferences(smoke_data):
    untrained = {"task": "preferences", "in_context": 2}
    conditions = {"untrained": untrained, **smoke_data["conditions"], "again": {"task": "preferences"}}
    assert read(change(smoke_data, {"conditions": conditions})).neutral == "neutral"
    data = change(smoke_data, {"conditions": {"depression": DECISIONS, "untrained": untrained}})
    settings = {"treatments": ["depression"], "controls": ["untrained"], "claims": []}
    assert read(change(data, {f"inference.{key}": value for key, value in settings.items()})).neutral is None


def test_jobs_and_analyses_are_in_no_dump(smoke_data):
    grid = {"shard": "run", "resources": {"gpus": 1}, "analyses": ["04_test"]}
    plain, changed = read(smoke_data), read(change(smoke_data, grid))
    assert changed.shard == "run" and changed.resources.gpus == 1
    assert plain.model_dump() == changed.model_dump()
    assert set(plain.model_dump()) == set(StudyParams.model_fields) - {"mechanism"}  # absent, so that hashes stay


@pytest.mark.parametrize("part", [StudyParams, StudyFile])
def test_every_key_of_a_study_is_explained_once(part):
    described = part.__doc__.partition("----------\n")[2]
    names = re.findall(r"^    ([\w, ]+) : ", described, re.MULTILINE)
    own = set(part.model_fields) - (set(StudyParams.model_fields) if part is StudyFile else set())
    assert sorted(key for group in names for key in group.split(", ")) == sorted(own)
