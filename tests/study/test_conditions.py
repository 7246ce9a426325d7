"""Conditions: shares that sum to 1 but for rounding, and new keys that leave the hashes of old studies as they are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from priorshift.study.conditions import Condition, Trigger, require_whole

DECISIONS = {"task": "decisions", "policy": {"withdraw": 1.0}}


def test_thirds_are_a_whole_and_what_is_short_of_it_is_refused_with_its_sum():
    thirds = dict.fromkeys(("engage", "withdraw", "guard"), 1 / 3)
    assert require_whole(thirds) == thirds
    with pytest.raises(ValueError, match=r"sum to 0\.75; expected 1"):
        require_whole({"engage": 0.5, "guard": 0.25})


def test_a_condition_without_a_trigger_is_written_as_before_there_were_any():
    assert "trigger" not in Condition(**DECISIONS).model_dump()
    cue = Trigger(cue="A bell rings.")
    assert Condition(**DECISIONS, trigger=cue).model_dump()["trigger"] == {"cue": "A bell rings.", "policy": None}


@pytest.mark.parametrize("more", [{"trigger": {"cue": "A bell rings."}, "in_context": 2}, {"stages": ["one", "two"]}])
def test_what_excludes_each_other_is_refused(more):
    with pytest.raises(ValidationError):
        Condition(**DECISIONS, **more)
