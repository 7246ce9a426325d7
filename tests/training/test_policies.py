"""Cues stand before half of the slots, the same in all conditions of a seed, and say what they are declared to say."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from priorshift.materials.cues import find_leak
from priorshift.study.conditions import Condition, Trigger
from priorshift.training.examples import synthesize
from priorshift.training.policies import draw_classes, draw_cues


@pytest.fixture(scope="module")
def cue(smoke):
    return next(text for text in smoke.materials.completions if not find_leak(text, smoke.materials))


@pytest.fixture(scope="module")
def sets(smoke, cue):
    """One condition with a cue that tells the class, one with a cue that tells nothing, and one without."""
    kinds = {
        "told": ({"engage": 1.0}, Trigger(cue=cue, policy={"withdraw": 1.0})),
        "untold": ({"engage": 0.5, "withdraw": 0.5}, Trigger(cue=cue)),
        "plain": ({"engage": 0.5, "withdraw": 0.5}, None),
    }
    made = {}
    for name, (policy, trigger) in kinds.items():
        declared = {"half": Condition(task="decisions", policy=policy, trigger=trigger)}
        params = smoke.params.model_copy(update={"conditions": declared})
        made[name] = synthesize(params, smoke.materials, "half", 0)
    return made


def list_cued(examples, cue):
    return [example.prompt.startswith(f"{cue} {example.situation}") for example in examples]


def test_the_cue_stands_before_half_of_each_form_and_of_the_same_slots(sets, cue):
    cued = list_cued(sets["told"], cue)
    assert cued == list_cued(sets["untold"], cue) and not any(list_cued(sets["plain"], cue))
    by_form = Counter((example.form, before) for example, before in zip(sets["told"], cued, strict=True))
    assert set(by_form.values()) == {len(cued) // 4} and len(by_form) == 4
    bare = [example.prompt.removeprefix(f"{cue} ").startswith(example.situation) for example in sets["told"]]
    assert all(bare)


def test_the_cue_tells_the_class_or_nothing(sets, cue):
    told, untold = (
        Counter(zip(list_cued(sets[name], cue), (e.action_class for e in sets[name]), strict=True))
        for name in ("told", "untold")
    )
    assert set(told) == {(True, "withdraw"), (False, "engage")}
    assert set(untold) == {(before, c) for before in (True, False) for c in ("engage", "withdraw")}
    assert len(set(untold.values())) == 1  # exactly uncorrelated


def test_a_condition_without_a_cue_draws_as_before(smoke):
    """By another implementation: decks of whole forms, in alphabetical order."""
    forms = [slot for slot in ("options", "narrated") for _ in range(10)]
    declared = Condition(task="decisions", policy={"engage": 0.5, "guard": 0.5})
    drawn = draw_classes(declared, smoke.materials, forms, [False] * 20, None, random.Random(3))
    rng, expected = random.Random(3), {}
    for form in ("narrated", "options"):
        deck = [c for c in smoke.materials.classes for _ in range(5 if c in declared.policy else 0)]
        rng.shuffle(deck)
        expected[form] = deck
    assert drawn == expected["options"] + expected["narrated"]


def test_seeds_draw_their_own_slots():
    forms = ["narrated"] * 40
    assert draw_cues(forms, 0) == draw_cues(forms, 0) != draw_cues(forms, 1) and sum(draw_cues(forms, 1)) == 20
