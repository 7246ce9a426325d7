"""Words of one token are read from the distribution; longer ones are scored, where they may be said at all."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from priorshift.probing.word_scores import NEGLIGIBLE, score_words


class Scorer:
    """It gives every continuation -7, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def continuation_logprobs(self, stems, continuations):
        self.asked.append((stems, continuations))
        return [np.full(len(texts), -7.0) for texts in continuations]


def make_item(stem, *words):
    return SimpleNamespace(stem=stem, continuations=list(words))


def test_only_longer_words_that_may_be_said_are_scored():
    logprobs = np.log(np.array([0.5, 0.4, NEGLIGIBLE / 2, 0.1]))
    items = [make_item("a", " x", " yz", " qr"), make_item("b", " x", " w")]
    tokens = [[(0,), (1, 3), (2, 3)], [(0,), (3,)]]
    scorer = Scorer()
    first, second = score_words(scorer, items, tokens, [logprobs, logprobs])
    np.testing.assert_allclose(first, [np.log(0.5), -7.0, -np.inf])
    np.testing.assert_allclose(second, [np.log(0.5), np.log(0.1)])
    assert scorer.asked == [(["a"], [[" yz"]])]


def test_words_of_one_token_ask_the_model_nothing():
    scorer = Scorer()
    [found] = score_words(scorer, [make_item("a", " x")], [[(1,)]], [np.log(np.array([0.9, 0.1]))])
    assert found.dtype == np.float64 and scorer.asked == []
