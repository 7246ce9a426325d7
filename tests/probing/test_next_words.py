"""Stems of which the next word is content: which items there are, what their words weigh, and what moved."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax
from support.next_words import FORMS, WORDS, with_next_words
from support.tiny_models import model_entry

from priorshift.models.base import load_base
from priorshift.models.vocabulary import write_token
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import measure_model, tabulate_items
from priorshift.probing.next_words import LEAST_CHANGE, MOST, tabulate_next_words

RINGS = {"paraphrase": 30, "narrator": 24, "text_form": 9}
PROBES = {"families": ["next_words"], "situations_per_domain": 5, "forms_per_situation": 3, "rings": RINGS}


@pytest.fixture(scope="module")
def worded(materials):
    return with_next_words(materials)


@pytest.fixture(scope="module")
def params(smoke):
    probes = smoke.params.probes.model_copy(update=PROBES)
    return smoke.params.model_copy(update={"probes": probes})


@pytest.fixture(scope="module")
def items(params, worded):
    return make_probe_items(params, worded)


def test_every_form_is_met_equally_often_in_different_domains(items, params):
    for ring, domains in (("training_domains", params.train_domains), ("held_out_domains", params.held_out_domains)):
        own = [item for item in items if item.ring == ring]
        assert len(own) == len(domains) * 5 * 3
        counts = Counter(item.form for item in own)
        assert set(counts) == set(FORMS) and max(counts.values()) - min(counts.values()) <= 1
        places = {form: {item.domain for item in own if item.form == form} for form in FORMS}
        assert min(map(len, places.values())) >= min(len(domains), 4)
    assert len({item.item for item in items}) == len(items)


def test_a_situation_comes_in_the_forms_in_turn(items):
    first = [item for item in items if item.ring == "held_out_domains" and item.domain == "school"][:4]
    assert [item.item.split("/")[2] for item in first] == ["00", "00", "00", "01"]
    assert first[0].stem.startswith("The teacher hands back the essay face down. Nora ")
    assert len({item.form for item in first}) == 4


def test_further_rings_vary_held_out_items_and_take_every_form(items):
    usual = {(item.domain, item.item.split("/")[2], item.form): item for item in items if item.ring[:4] == "held"}
    for ring, count in RINGS.items():
        own = [item for item in items if item.ring == ring]
        assert len(own) == count
        for item in own:
            beside = usual[item.domain, item.item.split("/")[2], item.form]
            assert item.stem != beside.stem and item.item.startswith(f"{beside.item}/")
    varied = [item for item in items if item.ring == "paraphrase"]
    assert {item.form for item in varied} == set(FORMS) and len({item.domain for item in varied}) == 5
    assert all(" had something" in i.stem or " was something" in i.stem or " has something" in i.stem for i in varied)
    letters = [item for item in items if item.ring == "text_form" and item.item.endswith("/letter")]
    assert letters and all(item.stem.startswith("Dear ") and " I " in item.stem for item in letters)


def test_all_words_are_candidates_in_both_spellings(items, params):
    assert params.probes.continuations_per_class == 4
    for outcome, group in items[0].candidates.items():
        assert {text.lower() for text in group} == {f" {word}" for word in WORDS[outcome]}
        assert len(set(group)) == 160 and all(text[2:] == text[2:].lower() for text in group)


NESTED = {
    "benign": ["care", "hop", "calm", "bright"], "loss": ["hopeless", "careless", "sad", "grief"],
    "threat": ["carefully", "sadness", "brighten", "foe"],
}  # fmt: skip


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_masses_agree_with_a_sum_by_hand(family, model_folders, params, materials):
    """Token after token by the model itself: the probability of each word, less that of listed words that go on."""
    base = load_base(model_entry(model_folders[family]))
    forms = with_next_words(materials).next_words.forms
    more = with_next_words(materials, words={name: tuple(group) for name, group in NESTED.items()}, forms=forms)
    items = make_probe_items(params, more)[:3]
    state = measure_model(Scorer(base.model, base.tokenizer), items)
    for i, item in enumerate(items):
        stem = base.tokenizer(item.stem)["input_ids"]
        texts = {f" {w}": c for c, group in NESTED.items() for word in group for w in (word, word.capitalize())}
        tokens = {text: tuple(base.tokenizer(item.stem + text)["input_ids"][len(stem) :]) for text in texts}
        full = {ids: _multiply(base.model, stem, ids) for ids in tokens.values()}
        own = {ids: p - sum(q for other, q in full.items() if _goes_on(other, ids, full)) for ids, p in full.items()}
        assert any(own[ids] < full[ids] for ids in full), "no word goes on from another: the test tests nothing"
        for k, outcome in enumerate(item.candidates):
            mass = sum(own[tokens[text]] for text, c in texts.items() if c == outcome)
            assert state.class_logprobs[i, k] == pytest.approx(np.log(mass), abs=1e-4)
    table = tabulate_items(items, state, state)
    assert (table["base_covered_mass"] < 1).all() and set(table["form"]) <= set(FORMS)


def _multiply(model, stem, ids):
    """Probability of tokens after a stem, one forward pass for each."""
    p = 1.0
    for k, token in enumerate(ids):
        with torch.no_grad():
            logits = model(torch.tensor([[*stem, *ids[:k]]])).logits[0, -1]
        p *= logits.double().softmax(-1)[token].item()
    return p


def _goes_on(longer, ids, listed):
    """Whether tokens go on from others, and from no listed ones between the two."""
    between = [other for other in listed if len(ids) < len(other) < len(longer)]
    follows = longer != ids and longer[: len(ids)] == ids
    return follows and not any(other[: len(ids)] == ids and longer[: len(other)] == other for other in between)


def test_tokens_that_moved_most_by_hand():
    rng = np.random.default_rng(0)
    base, run = log_softmax(rng.normal(0, 2, (2, 5, 3000)), axis=-1)
    forms = ["felt", "saw", "felt", "saw", "felt"]
    table = tabulate_next_words(forms, run, base, str)
    for form in ("felt", "saw"):
        own = [i for i, name in enumerate(forms) if name == form]
        before, after = np.exp(base[own]).mean(0), np.exp(run[own]).mean(0)
        rows = table[table["form"] == form].set_index("token")
        assert rows["base_probability"].to_numpy() == pytest.approx(before[rows.index])
        assert rows["probability"].to_numpy() == pytest.approx(after[rows.index])
        change = pd.Series(after - before)
        far = set(change.index[change.abs() >= LEAST_CHANGE])
        assert set(rows.index) == far | set(change.nlargest(MOST).index) | set(change.nsmallest(MOST).index)
        assert rows.index[0] == change.idxmax() and rows.index[-1] == change.idxmin()
    assert (table["text"] == table["token"].astype(str)).all()


def test_few_moved_tokens_are_the_twenty_of_each_side():
    base = log_softmax(np.zeros((1, 100)), axis=-1)
    logits = np.zeros((1, 100))
    logits[0, :30], logits[0, 30:55] = np.linspace(1e-5, 2e-5, 30), -np.linspace(1e-5, 2e-5, 25)
    table = tabulate_next_words(["felt"], log_softmax(logits, axis=-1), base, str)
    assert len(table) == 2 * MOST and table["token"].iloc[0] == 29 and table["token"].iloc[-1] == 54


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma"])
def test_a_token_is_written_with_its_space(family, model_folders):
    tokenizer = load_base(model_entry(model_folders[family])).tokenizer
    ids = tokenizer("Nora felt calm.", add_special_tokens=False)["input_ids"]
    assert "".join(write_token(tokenizer, token) for token in ids) == "Nora felt calm."
    assert any(write_token(tokenizer, token).startswith(" ") for token in ids)
