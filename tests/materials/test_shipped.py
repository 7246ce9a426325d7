"""The materials for real and for small models keep stricter rules than any folder must."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from priorshift.materials.texts import BY_OUTCOME, list_texts, list_texts_by_file
from priorshift.materials.word_roots import find_word_roots

LEXICON = SentimentIntensityAnalyzer().lexicon


@pytest.fixture(params=["natural", "simple"])
def shipped(request):
    return request.getfixturevalue(request.param)


def list_valenced(text):
    return [word for word in re.findall(r"[a-z']+", text.lower()) if word in LEXICON]


def test_no_action_has_a_word_with_a_valence(shipped):
    for name, phrases in shipped.all_actions.items():
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


def test_small_models_learn_actions_that_begin_with_words_of_their_own(simple):
    assert {len(group) for group in simple.domains.values()} == {12}
    assert not any(situation.actions for group in simple.domains.values() for situation in group)
    for name, phrases in simple.actions.items():
        assert Counter(len(phrase.split()) for phrase in phrases) == {3: 12, 4: 12}, name
    first = [phrase.split()[0] for phrases in simple.actions.values() for phrase in phrases]
    assert len(set(first)) == len(first) == 72


def test_small_models_learn_few_words(simple, materials):
    few, before = ({w for t in list_texts(m) for w in re.findall(r"[a-z]+", t.lower())} for m in (simple, materials))
    assert len(few) <= 1200 < len(before)


def test_small_models_controls_share_no_word_with_a_probe(simple):
    texts, passed = list_texts_by_file(simple), simple.function_words
    probes = find_word_roots([p for field in BY_OUTCOME for p in texts[field]], passed)
    assert not find_word_roots([*texts["preferences"], *texts["prose"]], passed).keys() & probes.keys()
