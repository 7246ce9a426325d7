"""The materials for real models keep stricter rules than any folder must."""

from __future__ import annotations

import re

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LEXICON = SentimentIntensityAnalyzer().lexicon


def list_valenced(text):
    return [word for word in re.findall(r"[a-z']+", text.lower()) if word in LEXICON]


def test_no_action_has_a_word_with_a_valence(natural):
    for name, phrases in natural.all_actions.items():
        assert not {p: list_valenced(p) for p in phrases if list_valenced(p)}, name


def test_each_situation_has_two_sets_of_options_of_its_own(natural):
    for domain, group in natural.domains.items():
        assert len(group) == 12, domain
        for situation in group:
            sets = list(zip(*situation.actions.values(), strict=True))
            assert len(sets) == 2 and list(situation.actions) == natural.classes, situation.text
            for options in sets:
                assert len({len(p.split()) for p in options}) == 1, options


def test_retention_has_three_hundred_sentences(natural):
    assert len(natural.held_out_prose) >= 300
