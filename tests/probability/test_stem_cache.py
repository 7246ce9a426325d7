"""Plain scoring that reads a stem once gives the numbers of one text at a time, or is found out and left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.causal_models import (
    CONTINUATIONS,
    STEMS,
    Counter,
    SmallDevice,
    find_largest_difference,
    make_causal_model,
)
from support.causal_models import TOKENIZER as tokenizer

from priorshift.probability.forward import Forward
from priorshift.probability.prompt_once import choose_method
from priorshift.probability.scorer import Scorer
from priorshift.probability.stem_cache import has_cache, look_up_cached
from priorshift.probability.token_tree import make_plain_rows

# family -> how its continuations go on from a stem's cache
WAYS = {
    "mistral, window 8": "at_once", "gemma3, window 8": "at_once", "gpt_neo, window 8": "at_once",
    "gpt_oss, window 8": "at_once", "mpt": "at_once", "bloom": "at_once", "lfm2, convolution": "at_once",
    "mamba": "stepwise",
    "recurrent_gemma": "", "rwkv": "", "llama, dynamic positions": "",
}  # fmt: skip


@pytest.mark.parametrize("family", WAYS)
def test_stems_are_read_once_and_the_numbers_stay(family):
    model = make_causal_model(family)
    scorer = Scorer(model, tokenizer)
    method = choose_method(Forward(model), None)
    assert (scorer.method, method.cache) == ("plain", WAYS[family]), scorer.reason
    assert ("each stem is read once" in scorer.reason) == bool(method.cache)
    with Counter(model) as read:
        found = scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    assert find_largest_difference(model, STEMS, [CONTINUATIONS] * len(STEMS), found) < 5e-5
    alone = sum(len(tokenizer(stem + text)["input_ids"]) for stem in STEMS for text in CONTINUATIONS)
    assert (read.tokens < alone / 2) or not method.cache


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("budget", [None, 64])
def test_rows_of_many_stems_and_lengths_go_to_their_own_places(stepwise, budget):
    model, rng = make_causal_model("mistral, window 8"), np.random.default_rng(0)
    rows, n = [], 0
    for length in (9, 30, 30, 12, 9, 30):
        stem = tuple(rng.integers(3, 300, length).tolist())
        continuations = [tuple(rng.integers(3, 300, k).tolist()) for k in (1, 4, 2, 1, 3)]
        continuations.append((*continuations[2][:1], 7))  # shares its row with another
        lengths = np.array([len(tokens) for tokens in continuations])
        rows += make_plain_rows(stem, continuations, n + np.cumsum(lengths) - lengths)
        n += lengths.sum()
    expected, found = np.full(n, np.nan), np.full(n, np.nan)
    Forward(model).look_up(rows, expected, plain=True)
    forward = Forward(model, budget)
    look_up_cached(forward, rows, found, stepwise)
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_where_memory_runs_out_batches_become_smaller():
    model = make_causal_model("mistral, window 8")
    scorer = Scorer(model, tokenizer)
    expected = scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    with SmallDevice(model, 150):
        found = scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_a_cache_that_is_wrong_is_found_out():
    """A model that forgets its cache: its numbers alone give it away."""
    model = make_causal_model("mistral, window 8")

    def forget(module, args, options):
        if options.get("past_key_values") is not None:
            for layer in options["past_key_values"].layers:
                layer.values = layer.values * 0
        return args, options

    model.register_forward_pre_hook(forget, with_kwargs=True)
    method = choose_method(Forward(model), None)
    assert (method.name, method.cache) == ("plain", "")


def test_a_window_longer_than_the_proof_is_gone_on_from_only_within_it():
    """Texts that fill it are read anew: nothing proved that its cache rolls on."""
    model = make_causal_model("bloom")
    model.config.sliding_window = 200
    method = choose_method(Forward(model), None)
    assert (method.cache, method.longest) == ("at_once", 200)


def test_a_model_without_a_cache_is_told_by_its_signature():
    assert has_cache(Forward(make_causal_model("mpt")))

    class Plain(torch.nn.Module):
        def forward(self, input_ids):
            return input_ids

    forward = Forward(make_causal_model("mpt"))
    forward.core = Plain()
    assert not has_cache(forward)
