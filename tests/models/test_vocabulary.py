"""A tokenizer with tokens that the model does not embed is found at load; padded embeddings change nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.tiny_models import model_entry
from transformers import AutoModelForCausalLM, AutoTokenizer

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.models.base import load_base
from priorshift.models.checks import check_texts
from priorshift.probability.scorer import Scorer


@pytest.fixture
def change_tokenizer(model_folders, tmp_path):
    """A family's directory, its tokenizer changed by a function; returns the folder and the number of embeddings."""

    def change(family, function):
        folder = shutil.copytree(model_folders[family], tmp_path / family)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        size = len(tokenizer)
        function(tokenizer)
        tokenizer.save_pretrained(folder)
        return folder, size

    return change


ADDED = {
    "words": (lambda t: t.add_tokens(["Nora", "Mara"]), 2, "Nora"),
    "padding": (lambda t: t.add_special_tokens({"pad_token": "<new pad>"}), 1, "<new pad>"),
    "end": (lambda t: t.add_special_tokens({"eos_token": "<new end>"}), 1, "<new end>"),
}


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma"])
@pytest.mark.parametrize("kind", ADDED)
def test_tokens_without_embeddings_are_one_line_with_both_numbers(change_tokenizer, family, kind):
    function, added, first = ADDED[kind]
    folder, size = change_tokenizer(family, function)
    said = f"has {size + added} tokens, and the model embeds {size} .the first beyond: '{first}', {size}.;"
    with pytest.raises(ParamsError, match=said) as caught:
        load_base(model_entry(folder))
    assert "\n" not in str(caught.value)


def test_a_special_token_that_no_text_has_may_lie_beyond_until_a_text_has_it(change_tokenizer):
    """As `<image_soft_token>` in Gemma 3's text models, which embed 262,144 of 262,145 tokens."""
    folder, size = change_tokenizer("gemma", lambda t: t.add_special_tokens({"additional_special_tokens": ["<image>"]}))
    base = load_base(model_entry(folder))
    check_texts(base, ["The bus was late."])
    with pytest.raises(RunError, match=rf"has the token '<image>' \({size}\), and the model embeds {size} tokens"):
        check_texts(base, ["The bus was late.", "See <image> here"])
    scorer = Scorer(base.model, base.tokenizer)
    for stems, continuations in ((["See <image>"], [" here"]), (["See"], [" here", " <image>"])):
        with pytest.raises(UserError, match=rf"has the token '<image>' \({size}\)"):
            scorer.continuation_logprobs(stems, continuations)


def test_padded_embeddings_change_no_logprob_but_for_what_the_padding_takes(model_folders, tmp_path):
    folder = shutil.copytree(model_folders["llama"], tmp_path / "padded")
    plain = load_base(model_entry(model_folders["llama"]))
    model = AutoModelForCausalLM.from_pretrained(folder)
    size = model.config.vocab_size
    model.resize_token_embeddings(size + 61, mean_resizing=False)
    model.save_pretrained(folder)
    padded = load_base(model_entry(folder))
    stems = ["The bus was late. Nora felt", "It"]
    narrow = Scorer(plain.model, plain.tokenizer).next_token_logprobs(stems)
    wide = Scorer(padded.model, padded.tokenizer).next_token_logprobs(stems)
    assert wide.shape == (2, size + 61)
    kept = np.log(np.exp(wide[:, :size].astype(float)).sum(1, keepdims=True))
    np.testing.assert_allclose(wide[:, :size] - kept, narrow, atol=1e-5)
