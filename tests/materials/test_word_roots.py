"""Words that a reader would call forms of one word share a root; others do not."""

from __future__ import annotations

import pytest

from priorshift.materials.word_roots import find_word_root, find_word_roots

SETS_OF_FORMS = [
    "cheer cheerful cheerily cheery cheers cheerless",
    "hope hopeful hopeless hopelessness hoping hopefully",
    "suspect suspicion suspicious suspiciously suspected",
    "sad sadness sadden saddened sadly sadder",
    "trust mistrust mistrustful distrust trusting trustworthy",
    "danger dangerous endangered dangerously",
    "threat threaten threatening threatened",
    "friend friendly friendship unfriendly",
    "safe safety unsafe safely",
    "happy happiness unhappy happily",
    "joy joyful joyless enjoy enjoyable",
    "lone lonely loneliness",
    "relax relaxed relaxation",
    "grateful gratitude ungrateful",
    "warm warmth warmly",
    "anger angry angrily",
]


@pytest.mark.parametrize("words", SETS_OF_FORMS)
def test_the_forms_of_a_word_share_a_root(words):
    assert len({find_word_root(word) for word in words.split()}) == 1


def test_different_words_have_different_roots():
    words = (
        "cheer hope suspect sad trust danger threat friend safe happy joy lone warm anger lock count ask wait tea tear"
    )
    assert len({find_word_root(word) for word in words.split()}) == len(words.split())


def test_roots_pass_function_words_and_keep_one_word_each():
    found = find_word_roots(["She waits; waiting HURTS.", "It hurt, don't it?"], ("she", "it", "don't"))
    assert set(found) == {"wait", "hurt"}
    assert found["wait"] in ("waits", "waiting") and found["hurt"] in ("hurts", "hurt")
