"""One block of encoded stems: each distinct text once, dropped continuations as NaN, and the stem that gives NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.causal_models import Counter, make_causal_model

from priorshift.errors import RunError
from priorshift.probability.block_logprobs import compute_continuations, compute_distributions
from priorshift.probability.encoder import EncodedStem
from priorshift.probability.forward import Forward
from priorshift.probability.prompt_once import Method

STEM = (1, 40, 41)
METHODS = [Method("prompt_once", "proved"), Method("plain", "asked for"), Method("prompt_once", "proved", longest=4)]


@pytest.fixture(scope="module")
def model():
    return make_causal_model("llama")


@torch.no_grad()
def read(model, stem, tokens):
    logprobs = model(torch.tensor([[*stem, *tokens]])).logits[0].log_softmax(-1)
    return [logprobs[len(stem) - 1 + i, token].item() for i, token in enumerate(tokens)]


@pytest.mark.parametrize("method", METHODS, ids=["prompt_once", "plain", "prompt_once up to 4 tokens"])
def test_every_method_gives_the_numbers_of_plain_reading(model, method):
    encoded = [EncodedStem(STEM, ((50, 51), (50, 52, 53))), EncodedStem((1, 7), ((60,),))]
    found = compute_continuations(Forward(model), method, encoded, 0)
    for (stem, continuations), each in zip(encoded, found, strict=True):
        for tokens, logprobs, total in zip(continuations, each.tokens, each.sums, strict=True):
            np.testing.assert_allclose(logprobs, read(model, stem, tokens), atol=2e-5)
            assert total == pytest.approx(logprobs.sum(), abs=1e-12)
    ends = compute_distributions(Forward(model), method, [STEM, (1, 7), STEM], 0)
    assert (ends[0] == ends[2]).all()
    assert ends[0, 50] == pytest.approx(found[0].tokens[0][0], abs=2e-5)


@pytest.mark.parametrize("method", METHODS[:2], ids=["prompt_once", "plain"])
def test_what_is_repeated_is_computed_once(model, method):
    with Counter(model) as once:
        compute_continuations(Forward(model), method, [EncodedStem(STEM, ((50, 51), (60, 61)))], 0)
    with Counter(model) as often:
        repeated = [EncodedStem(STEM, ((50, 51), (60, 61), (50, 51)))] * 9
        found = compute_continuations(Forward(model), method, repeated, 0)
    assert often.tokens == once.tokens
    assert all((each.sums == found[0].sums).all() and each.sums[0] == each.sums[2] for each in found)


def test_a_dropped_continuation_is_nan_and_no_error(model):
    [found] = compute_continuations(Forward(model), METHODS[0], [EncodedStem(STEM, ((), (50,)))], 0)
    assert np.isnan(found.sums[0]) and np.isnan(found.tokens[0]).all() and np.isfinite(found.sums[1])
    [nothing] = compute_continuations(Forward(model), METHODS[0], [EncodedStem(STEM, ((),))], 0)
    assert np.isnan(nothing.sums).all()


def test_nan_of_the_model_is_an_error_that_counts_from_the_first_stem():
    model = make_causal_model("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[99] = torch.nan
    stems = [STEM, (1, 99), (1, 99, 5)]
    with pytest.raises(RunError, match=r"stem 11 \(and 1 more\)"):
        compute_distributions(Forward(model), METHODS[0], stems, 10)
    with pytest.raises(RunError, match=r"stem 11 \(and 1 more\)"):
        compute_continuations(Forward(model), METHODS[0], [EncodedStem(stem, ((50,),)) for stem in stems], 10)
