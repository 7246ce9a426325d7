"""The shipped materials keep stricter rules than any folder must."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from priorshift.materials.schema import FAMILIES

LEXICON = SentimentIntensityAnalyzer().lexicon


@pytest.fixture(params=["natural", "small"])
def shipped(request):
    return request.getfixturevalue(request.param)


def list_valenced(text):
    return [word for word in re.findall(r"[a-z']+", text.lower()) if word in LEXICON]


def test_no_action_for_real_models_has_a_word_with_a_valence(natural):
    for name, phrases in natural.all_actions.items():
        assert not {p: list_valenced(p) for p in phrases if list_valenced(p)}, name


def test_each_situation_for_real_models_has_two_sets_of_options_of_its_own(natural):
    for domain, group in natural.domains.items():
        assert len(group) == 12, domain
        for situation in group:
            sets = list(zip(*situation.actions.values(), strict=True))
            assert len(sets) == 2 and list(situation.actions) == natural.classes, situation.text
            for options in sets:
                assert len({len(p.split()) for p in options}) == 1, options


def test_every_probe_phrase_is_graded(shipped):
    for phrases in (shipped.interpretations, shipped.feelings, shipped.self_statements):
        assert {p for group in phrases.values() for p in group} <= set(shipped.grades)


def test_retention_has_three_hundred_sentences(natural):
    assert len(natural.held_out_prose) >= 300


def test_studies_of_small_models_say_nothing_that_the_base_models_did_not_learn(small, materials):
    for family in FAMILIES:
        assert set(small.get_stems(family)) <= set(materials.get_stems(family))
        for name, phrases in small.get_continuations(family).items():
            assert set(phrases) <= set(materials.get_continuations(family)[name]), (family, name)
    learned = {situation for _, situation in materials.list_situations(tuple(materials.domains))}
    assert {situation for _, situation in small.list_situations(tuple(small.domains))} <= learned
    items = {name: set(scale.items) for name, scale in materials.scales.items()}
    assert all(set(scale.items) <= items[name] for name, scale in small.scales.items())


def test_each_situation_for_small_models_has_as_many_actions_of_each_class_by_length(small):
    for group in small.domains.values():
        for situation in group:
            lengths = [Counter(len(p.split()) for p in phrases) for phrases in situation.actions.values()]
            assert list(situation.actions) == small.classes and lengths == [lengths[0]] * 3, situation.text


@pytest.mark.parametrize(
    "phrase", ["discuss it cheerily", "write a warm answer", "draw the curtains", "tail them discreetly"]
)
def test_actions_of_two_classes_or_with_a_tone_are_not_trained(small, materials, phrase):
    known, kept = ({p for group in m.all_actions.values() for p in group} for m in (materials, small))
    assert phrase in known - kept
