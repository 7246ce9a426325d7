"""The section `inference` by itself: what it refuses, and what its dumps hold."""

from __future__ import annotations

import re

import pytest
from support.refusals import read_refusal

from priorshift.errors import ParamsError
from priorshift.study.inference import Bayes, Claim, Inference
from priorshift.yaml_files import validate

CLAIM = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss",
    "ring": "held_out_domains",
}  # fmt: skip
INFERENCE = {"alpha": 0.05, "smallest_effect": 0.5, "controls": ["neutral"], "claims": [CLAIM]}


def read(section, data):
    return validate(section, data, "study.yaml", ParamsError)


UP, DOWN = CLAIM | {"direction": "increase"}, CLAIM | {"direction": "decrease"}
BAD = {
    "unknown world": (Claim, CLAIM | {"worlds": ["real"]}, "worlds"),
    "no world": (Claim, CLAIM | {"worlds": []}, "worlds"),
    "unknown kind of claim": (Claim, CLAIM | {"claim": "big"}, "claim"),
    "alpha above one half": (Inference, INFERENCE | {"alpha": 0.9}, "alpha"),
    "treatment twice": (Inference, INFERENCE | {"treatments": ["a", "b", "a"]}, "given twice"),
    "control twice": (Inference, INFERENCE | {"controls": ["a", "a"]}, "given twice"),
    "claim twice": (Inference, INFERENCE | {"claims": [CLAIM, CLAIM]}, "given twice"),
    "unknown direction": (Claim, CLAIM | {"direction": "up"}, "direction"),
    "equivalence with a direction": (Claim, UP | {"claim": "equivalence"}, "is for a claim of shift"),
    "two directions": (Inference, INFERENCE | {"claims": [UP, DOWN]}, "two directions (increase, decrease)"),
    "either way and one way": (Inference, INFERENCE | {"claims": [UP, CLAIM]}, "two directions (increase, either)"),
    "two directions in one world": (
        Inference, INFERENCE | {"claims": [UP, DOWN | {"worlds": ["coupled"]}]}, "keep one of them"
    ),
    "a reason of two lines": (Inference, INFERENCE | {"smallest_effect_reason": "a\nb"}, "smallest_effect_reason"),
    "a prior without width": (Bayes, {"scale": 0.0}, "scale"),
    "an unknown prior": (Inference, INFERENCE | {"bayes": {"prior": 1.0}}, "unknown key 'bayes.prior'"),
    "too few draws to judge": (Bayes, {"draws": 10}, "draws"),
    "the old name of claims": (Inference, INFERENCE | {"confirmatory": []}, "unknown key 'confirmatory'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_by_its_key(name):
    section, data, named = BAD[name]
    assert named in read_refusal(read, section, data)


@pytest.mark.parametrize("section", [Bayes, Claim, Inference], ids=lambda section: section.__name__)
def test_every_key_is_explained_once(section):
    described = section.__doc__.partition("----------\n")[2]
    explained = re.findall(r"^    ([\w, ]+) : ", described, re.MULTILINE)
    assert sorted(key for names in explained for key in names.split(", ")) == sorted(section.model_fields)


def test_worlds_may_be_claimed_to_shift_in_two_directions_and_an_equivalence_has_none():
    apart = [UP | {"worlds": ["coupled"]}, DOWN | {"worlds": ["decoupled"]}]
    assert len(read(Inference, INFERENCE | {"claims": [*apart, CLAIM | {"claim": "equivalence"}]}).claims) == 3


def test_keys_that_are_not_given_leave_no_trace_in_a_dump():
    """Hashes of finished work stay."""
    found = read(Inference, INFERENCE)
    assert found.treatments == ["depression", "paranoia"]
    assert set(found.model_dump()) == {"alpha", "smallest_effect", "treatments", "controls", "claims"}
    assert set(found.model_dump()["claims"][0]) == {*CLAIM, "claim", "worlds"}
    reason = {"smallest_effect_reason": "half a nat"}
    assert read(Inference, INFERENCE | reason).model_dump()["smallest_effect_reason"] == "half a nat"
    assert read(Inference, INFERENCE | {"bayes": {}}).model_dump()["bayes"] == Bayes().model_dump()
