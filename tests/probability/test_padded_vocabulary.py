"""Probability on logits that no token of the tokenizer has is told, with its size; none is told where there is none."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from priorshift.probability.padded_vocabulary import PaddingWatch, count_tokens
from priorshift.probability.scorer import Scorer
from priorshift.probability.uniform_model import make_uniform_model


def test_gaps_and_added_tokens_are_counted():
    _, tokenizer = make_uniform_model(["it", "was"])
    tokenizer.add_tokens(["new"])
    assert count_tokens(tokenizer) == 4


@pytest.mark.parametrize(("probabilities", "told"), [([0.5, 0.3, 0.05, 0.15], True), ([0.5, 0.5, 0, 0], False)])
def test_probability_beyond_the_tokenizer_is_told_once(caplog, probabilities, told):
    with np.errstate(divide="ignore"):
        logprobs = np.log([[0.5, 0.5, 0, 0], probabilities])
    watch = PaddingWatch(2)
    for _ in range(2):
        watch.look(logprobs)
    assert watch.largest == pytest.approx(sum(probabilities[2:]))
    assert len(caplog.records) == told
    if told:
        assert "up to 0.2 of" in caplog.text and "most: 3 of 4" in caplog.text and "2 tokens" in caplog.text


def test_the_scorer_tells_what_a_padded_model_gives_to_no_token(caplog):
    model, tokenizer = make_uniform_model(["it", "was", "fine", "spare", "spare2"])
    _, small = make_uniform_model(["it", "was"])
    scorer = Scorer(model, small)
    caplog.set_level(logging.WARNING, "priorshift")
    scorer.next_token_logprobs(["it was"])
    assert "up to 0.5 of the probability" in caplog.text
    caplog.clear()
    Scorer(model, tokenizer).next_token_logprobs(["it was"])
    assert not caplog.text
