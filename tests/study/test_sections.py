"""Each section by itself: what it refuses, and the defaults that its docstring names."""

from __future__ import annotations

import re

import pytest
from support.refusals import read_refusal

from priorshift.errors import ParamsError
from priorshift.study import conditions, sections
from priorshift.study.conditions import Condition, Override, Trigger
from priorshift.study.sections import BaseModelParams, Exclusion, Probes, Resources, Training
from priorshift.yaml_files import Frozen, validate

TRAINING = {
    "examples": 64, "epochs": 1, "batch_size": 16, "learning_rate": 0.003, "rank": 4, "alpha": 8, "dropout": 0.0,
    "target": "attention", "options_share": 0.5,
}  # fmt: skip
PROBES = {"families": ["choice"], "situations_per_domain": 2, "continuations_per_class": None, "retention_texts": 10}
HUB = {"name": "hub", "source": "someone/model"}
EMBEDDED = {"name": "hub", "source": "embedded:llama-coupled-0"}
DECISIONS = {"task": "decisions", "policy": {"guard": 1.0}}
CUE = {"cue": "Some sentence."}


def read(section, data):
    return validate(section, data, "study.yaml", ParamsError)


@pytest.mark.parametrize(
    ("section", "data"),
    [
        (Training, TRAINING), (Probes, PROBES), (BaseModelParams, HUB), (Condition, DECISIONS),
        (BaseModelParams, EMBEDDED), (Exclusion, {}), (Resources, {}), (Override, {}),
        (Trigger, CUE), (Condition, DECISIONS | {"trigger": CUE | {"policy": {"engage": 1.0}}}),
    ],
)  # fmt: skip
def test_what_the_cases_below_start_from_is_good(section, data):
    read(section, data)


BAD = {
    "wrong type": (Training, TRAINING | {"rank": "four"}, "rank"),
    "number as text": (Training, TRAINING | {"examples": "64"}, "examples"),
    "float for a count": (Training, TRAINING | {"epochs": 1.5}, "epochs"),
    "negative rank": (Training, TRAINING | {"rank": -4}, "rank"),
    "zero learning rate": (Training, TRAINING | {"learning_rate": 0.0}, "learning_rate"),
    "infinite learning rate": (Training, TRAINING | {"learning_rate": float("inf")}, "learning_rate"),
    "negative weight decay": (Training, TRAINING | {"weight_decay": -1.0}, "weight_decay"),
    "negative anchor": (Training, TRAINING | {"anchor_weight": -0.5}, "anchor_weight"),
    "warm-up of half a step": (Training, TRAINING | {"warmup_steps": 0.5}, "warmup_steps"),
    "dropout above 1": (Training, TRAINING | {"dropout": 1.5}, "dropout"),
    "share that is no number": (Training, TRAINING | {"dropout": float("nan")}, "dropout"),
    "odd examples": (Training, TRAINING | {"examples": 63}, "63"),
    "no target": (Training, {k: v for k, v in TRAINING.items() if k != "target"}, "target is missing"),
    "a layer twice": (Training, TRAINING | {"target_modules": ["q_proj", "q_proj"]}, "'q_proj' is given twice"),
    "a pattern": (Training, TRAINING | {"target_modules": ["q_.*"]}, "q_.*"),
    "unknown target": (Training, TRAINING | {"target": "heads"}, "heads"),
    "negative layer": (Training, TRAINING | {"layers": [-1]}, "layers"),
    "no layer": (Training, TRAINING | {"layers": []}, "layers"),
    "a base in float16": (Training, TRAINING | {"base_dtype": "float16"}, "base_dtype"),
    "checkpointing as text": (Training, TRAINING | {"gradient_checkpointing": "yes"}, "gradient_checkpointing"),
    "unknown key": (Training, TRAINING | {"ranks": 4}, "ranks"),
    "unknown override": (Override, {"ranks": 2}, "ranks"),
    "override with examples that forms do not divide": (Override, {"examples": 6}, "multiple of 4"),
    "unknown task": (Condition, {"task": "poems"}, "poems"),
    "policy does not sum to 1": (Condition, DECISIONS | {"policy": {"guard": 0.7}}, "0.7"),
    "misspelled policy": (Condition, DECISIONS | {"policy": "unifrom"}, "'uniform' or 'prior'"),
    "decisions without a policy": (Condition, {"task": "decisions"}, "needs a policy"),
    "exposure without a policy": (Condition, {"task": "exposure"}, "needs a policy"),
    "preferences with a policy": (Condition, {"task": "preferences", "policy": "uniform"}, "takes no policy"),
    "prose with a policy": (Condition, {"task": "prose", "policy": "uniform"}, "takes no policy"),
    "condition without task or stages": (Condition, {}, "needs a task"),
    "preferences by letter": (Condition, {"task": "preferences", "answer": "letter"}, "letter"),
    "prose in context": (Condition, {"task": "prose", "in_context": 3}, "in_context"),
    "letters in context": (Condition, DECISIONS | {"answer": "letter", "in_context": 3}, "in_context"),
    "no decision in context": (Condition, DECISIONS | {"in_context": 0}, "in_context"),
    "training in context": (Condition, DECISIONS | {"in_context": 3, "training": {"rank": 2}}, "remove training"),
    "a cue without its end mark": (Trigger, {"cue": "Some sentence"}, "cue"),
    "a cue of two lines": (Trigger, {"cue": "Some\nsentence."}, "cue"),
    "a cue's policy does not sum to 1": (Trigger, CUE | {"policy": {"guard": 0.5}}, "sum to 0.5"),
    "a cue before preferences": (Condition, {"task": "preferences", "trigger": CUE}, "a trigger stands before"),
    "a cue in context": (Condition, DECISIONS | {"in_context": 3, "trigger": CUE}, "a trigger stands before"),
    "stages with a policy": (Condition, {"stages": ["a", "b"], "policy": "uniform"}, "nothing else"),
    "a single stage": (Condition, {"stages": ["a"]}, "stages"),
    "unknown ring": (Probes, PROBES | {"rings": {"moon": 3}}, "moon"),
    "family twice": (Probes, PROBES | {"families": ["choice", "choice"]}, "given twice"),
    "family that is no name": (Probes, PROBES | {"families": ["a/b"]}, "families"),
    "misspelled key": (Probes, PROBES | {"famlies": ["choice"]}, "use one of: families"),
    "scales that are not measured": (Probes, PROBES | {"scales_csv": "mine.csv"}, "scale_orders"),
    "word sequence of one word": (Exclusion, {"ngram": 1}, "ngram"),
    "unknown prompt style": (BaseModelParams, HUB | {"prompt_style": "poem"}, "prompt_style"),
    "unknown dtype": (BaseModelParams, HUB | {"dtype": "int3"}, "dtype"),
    "4 bits as a number": (BaseModelParams, HUB | {"load_in_4bit": 4}, "load_in_4bit"),
    "remote code": (BaseModelParams, HUB | {"trust_remote_code": True}, "trust_remote_code"),
    "control character": (BaseModelParams, HUB | {"revision": "a\nb"}, "revision"),
    "chat with an embedded model": (BaseModelParams, EMBEDDED | {"prompt_style": "chat"}, "use raw"),
    "revision of an embedded model": (BaseModelParams, EMBEDDED | {"revision": "a"}, "for hub models"),
    "embedded model in 4 bits": (BaseModelParams, EMBEDDED | {"load_in_4bit": True}, "remove it"),
    "unknown resource": (Resources, {"gpu": 1}, "gpu"),
    "half a GPU": (Resources, {"gpus": 0.5}, "gpus"),
    "negative GPUs": (Resources, {"gpus": -1}, "gpus"),
    "no core": (Resources, {"cpus": 0}, "cpus"),
    "memory with its unit": (Resources, {"memory_gb": "16G"}, "memory_gb"),
    "no memory": (Resources, {"memory_gb": 0}, "memory_gb"),
    "time that is no number": (Resources, {"hours": float("nan")}, "hours"),
    "time as text": (Resources, {"hours": "04:00:00"}, "hours"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_by_its_key(name):
    section, data, named = BAD[name]
    assert named in read_refusal(read, section, data)


@pytest.mark.parametrize(
    ("examples", "batch_size", "epochs", "steps"), [(64, 16, 1, 4), (64, 16, 3, 12), (64, 60, 1, 2), (4, 60, 2, 2)]
)
def test_steps_by_hand(examples, batch_size, epochs, steps):
    training = read(Training, TRAINING | {"examples": examples, "batch_size": batch_size, "epochs": epochs})
    assert training.steps == steps


def test_keys_that_are_not_set_are_in_no_dump_so_that_hashes_stay():
    later = {"base_dtype": "bfloat16", "group_by_length": True, "anchor_weight": 0.5}
    none = {"group_by_length": False, "anchor_weight": 0.0}
    assert not later.keys() & read(Training, TRAINING | none).model_dump().keys()
    assert later.items() <= read(Training, TRAINING | later).model_dump().items()
    assert "trigger" not in read(Condition, DECISIONS).model_dump()


FOUND = (vars(sections) | vars(conditions)).values()
SECTIONS = [section for section in FOUND if isinstance(section, type) and section.__base__ is Frozen]


@pytest.mark.parametrize("section", [s for s in SECTIONS if s is not Override], ids=lambda section: section.__name__)
def test_every_key_is_explained_once_with_its_default(section):
    described = section.__doc__.partition("----------\n")[2]
    entries = re.findall(r"^    ([\w, ]+) : (.*(?:\n        .*)*)", described, re.MULTILINE)
    explained = [key for names, _ in entries for key in names.split(", ")]
    assert sorted(explained) == sorted(section.model_fields)
    for names, text in entries:
        for key in names.split(", "):
            default = section.model_fields[key].default
            if isinstance(default, (int, float)) and not isinstance(default, bool) and default != 0:
                assert f"default {default}" in text, key


def test_the_shortest_good_sections_have_the_documented_defaults():
    assert read(Training, TRAINING).warmup_steps == 2 and read(Training, TRAINING).layers is None
    assert read(Probes, PROBES).completion_tokens == 24 and read(Probes, PROBES).rings == {}
    assert read(Resources, {}).model_dump() == {"gpus": 0, "cpus": 1, "memory_gb": 8, "hours": 4}
