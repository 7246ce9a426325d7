"""Samples follow the model's own distribution, and the same random numbers give the same texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from support.tiny_models import model_entry

from priorshift.models.base import load_base
from priorshift.models.chat import find_end_tokens
from priorshift.probability.uniform_model import make_uniform_model
from priorshift.probing.completions import list_completion_stems, sample_completions
from priorshift.probing.context import Context
from priorshift.training.examples import synthesize


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


def test_same_seed_same_texts_other_seed_other_texts(base, materials):
    stems = list_completion_stems(materials)[:3]
    made = [sample_completions(base.model, base.tokenizer, stems, 2, 8, seed) for seed in (0, 0, 1)]
    pd.testing.assert_frame_equal(made[0], made[1])
    assert (made[0]["text"] != made[2]["text"]).any() and len(made[0]) == 6
    # A row alone is written as in company: padding changes nothing.
    alone = sample_completions(base.model, base.tokenizer, stems[:1], 2, 8, 0)
    assert list(alone["text"]) == list(made[0]["text"][:2])


def test_first_words_follow_the_model_s_distribution(base):
    stem = "Nora felt"
    n = 2000
    made = sample_completions(base.model, base.tokenizer, [stem], n, 1, 0)["text"].value_counts()
    with torch.no_grad():
        ids = base.tokenizer(stem, return_tensors="pt")["input_ids"]
        shares = base.model(ids).logits[0, -1].softmax(-1)
    for word in (" calm", " sad", " hunted"):
        share = float(shares[base.tokenizer.convert_tokens_to_ids(word)])
        assert abs(made.get(word.strip(), 0) / n - share) < 4 * np.sqrt(share / n) + 1e-3
    assert share > 0.005


def test_stems_are_the_openings_each_after_the_context_s_decisions(smoke, materials):
    assert list_completion_stems(materials) == list(materials.completions)
    context = Context(synthesize(smoke.params, materials, "depression", 0), 2)
    for i, (stem, opening) in enumerate(
        zip(list_completion_stems(materials, context), materials.completions, strict=True)
    ):
        name = materials.forms.names.main[i % len(materials.forms.names.main)]
        assert stem.endswith(f" {opening}") and stem.count(f"{name} decided to") == 2


def test_uniform_draws_follow_the_random_numbers_of_the_seed():
    """By an independent way: under a model that finds all V tokens equally probable, token = floor(V x noise)."""
    model, tokenizer = make_uniform_model(["it", "was"])
    made = sample_completions(model, tokenizer, ["it", "was"], 3, 4, seed=5)
    assert made[["stem", "sample"]].to_numpy().tolist() == [[i, j] for i in range(2) for j in range(3)]
    size = model.config.vocab_size
    noise = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(5)).flatten(0, 1)
    for text, row in zip(made["text"], noise.tolist(), strict=True):
        assert text == tokenizer.decode([int(size * u) for u in row], skip_special_tokens=True).strip()


def test_every_end_token_ends_a_text():
    """As above, and a list in the generation config, as chat models have it."""
    model, tokenizer = make_uniform_model(["it", "was", "cold", "late"])
    model.generation_config.eos_token_id = [1, 4]
    made = sample_completions(model, tokenizer, ["was"], 200, 6, seed=2)["text"]
    noise = torch.rand(1, 200, 6, generator=torch.Generator().manual_seed(2))[0]
    lengths = []
    for text, row in zip(made, noise.tolist(), strict=True):
        tokens = [int(5 * u) for u in row]
        lengths.append(next((i for i, token in enumerate(tokens) if token in (1, 4)), 6))
        assert text == tokenizer.decode(tokens[: lengths[-1]], skip_special_tokens=True).strip()
    assert set(lengths) == set(range(7))


@pytest.mark.parametrize("known_from", ["generation config", "template", "tokenizer"])
def test_a_chat_model_stops_where_generate_does(model_folders, known_from):
    base = load_base(model_entry(model_folders["llama"], "chat"))
    model, tokenizer, text = base.model, base.tokenizer, base.read("The bus was late. Nora felt")
    turn_end, other = tokenizer.eos_token_id, tokenizer.bos_token_id
    if known_from != "tokenizer":
        tokenizer.eos_token = tokenizer.bos_token
    if known_from != "template":
        tokenizer.chat_template = None
    model.generation_config.eos_token_id = [other, turn_end] if known_from == "generation config" else other
    assert find_end_tokens(model, tokenizer) == {turn_end, other}
    ids = tokenizer(text, return_tensors="pt")
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        head *= 1e4  # one token has all the probability: samples and the likeliest tokens are the same
        likeliest = model.generate(**ids, do_sample=False, max_new_tokens=8)[0, ids["input_ids"].shape[1] :].tolist()
        third = likeliest[2]
        assert third not in likeliest[:2] and turn_end not in likeliest
        head[[third, turn_end]] = head[[turn_end, third]]  # now the third token ends the turn
        stops = model.generate(**ids, do_sample=False, max_new_tokens=8, eos_token_id=[other, turn_end])
    assert stops[0, ids["input_ids"].shape[1] :].tolist() == [*likeliest[:2], turn_end]
    [written] = sample_completions(model, tokenizer, [text], 1, 8, 0)["text"]
    assert written == tokenizer.decode(likeliest[:2], skip_special_tokens=True).strip()
