"""The materials for real and for small models keep stricter rules than any folder must."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from priorshift.materials.texts import BY_OUTCOME, list_texts, list_texts_by_file
from priorshift.materials.word_roots import find_word_roots
from priorshift.study.load import load_study

LEXICON = SentimentIntensityAnalyzer().lexicon


@pytest.fixture(params=["natural", "simple"])
def shipped(request):
    return request.getfixturevalue(request.param)


def list_valenced(text):
    return [word for word in re.findall(r"[a-z']+", text.lower()) if word in LEXICON]


def test_no_action_has_a_word_with_a_valence(shipped):
    for name, phrases in shipped.all_actions.items():
        assert not {p: list_valenced(p) for p in phrases if list_valenced(p)}, name


def test_each_situation_has_two_sets_of_options_of_its_own(shipped):
    for domain, group in shipped.domains.items():
        assert len(group) == 12, domain
        for situation in group:
            sets = list(zip(*situation.actions.values(), strict=True))
            assert len(sets) == 2 and list(situation.actions) == shipped.classes, situation.text
            for options in sets:
                assert len({len(p.split()) for p in options}) == 1, options


def test_every_probe_phrase_is_graded(shipped):
    for phrases in (shipped.interpretations, shipped.feelings, shipped.self_statements):
        assert {p for group in phrases.values() for p in group} <= set(shipped.grades)


def test_retention_has_three_hundred_sentences(natural):
    assert len(natural.held_out_prose) >= 300


def test_small_models_learn_few_actions_and_each_of_them_in_many_domains(simple, root):
    study = load_study(root / "params" / "embedded.yaml").params
    uses = {name: defaultdict(Counter) for name in simple.classes}
    for domain, group in simple.domains.items():
        for situation in group:
            for name, phrases in situation.actions.items():
                assert [len(p.split()) for p in phrases] == [3, 4], situation.text
                for phrase in phrases:
                    uses[name][phrase][domain] += 1
    for name, phrases in uses.items():
        assert Counter(len(p.split()) for p in phrases) == {3: 22, 4: 22}, name
        for phrase, domains in phrases.items():
            assert 6 <= domains.total() <= 12 and max(domains.values()) <= 3 <= len(domains), phrase
            assert domains.keys() & study.train_domains and domains.keys() & study.held_out_domains, phrase


def test_small_models_learn_few_words(simple, materials):
    few, before = ({w for t in list_texts(m) for w in re.findall(r"[a-z]+", t.lower())} for m in (simple, materials))
    assert len(few) <= 1.15 * len(before) < 1500


def test_small_models_controls_share_no_word_with_a_probe(simple):
    texts, passed = list_texts_by_file(simple), simple.function_words
    probes = find_word_roots([p for field in BY_OUTCOME for p in texts[field]], passed)
    assert not find_word_roots([*texts["preferences"], *texts["prose"]], passed).keys() & probes.keys()
