"""Where a stem ends and its continuation begins, in tokens, and which special tokens stand around a text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.causal_models import TOKENIZER, make_byte_tokenizer
from transformers import AutoConfig

from priorshift.errors import UserError
from priorshift.probability import encoder
from priorshift.probability.encoder import (
    Encoder,
    MergeError,
    find_longest_input,
    find_special_prefix,
    tokenize_without_end,
)

# Template of the special tokens around a text, and those that stand before it.
TEMPLATES = [("$A", ()), ("<s> $A", (1,)), ("<s> $A </s>", (1,)), ("$A </s>", ()), ("</s> <s> $A </s>", (2, 1))]
# Where one token both opens and ends every text, only the first of the two stays.
TEMPLATES += [("<s> $A <s>", (1,)), ("</s> $A </s>", (2,)), ("<s> <s> $A <s>", (1, 1))]
# "Go t" + "he" is one token " the" where "t" and "he" meet.
MERGE = ("Go t", ["he"])


@pytest.mark.parametrize(("template", "prefix"), TEMPLATES)
def test_special_tokens_stand_before_a_text_and_none_after_it(template, prefix):
    tokenizer = make_byte_tokenizer(template)
    assert find_special_prefix(tokenizer) == prefix
    texts = ["It was", "the café", ""]
    bare = [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert tokenize_without_end(tokenizer, texts) == [prefix + tokens for tokens in bare]


@pytest.mark.parametrize(("template", "prefix"), TEMPLATES)
def test_stem_and_continuation_make_up_the_joint_text(template, prefix):
    tokenizer = make_byte_tokenizer(template)
    [(stem, [cat, dot])] = Encoder(tokenizer, None).encode([("It was", [" a cat", "."])], 0)
    assert (stem + cat, stem + dot) == tuple(tokenize_without_end(tokenizer, ["It was a cat", "It was."]))
    assert stem[: len(prefix)] == prefix


TEXTS = st.text(st.sampled_from("the a日é."), min_size=1, max_size=8)


@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_what_is_encoded_again_is_the_same(pairs):
    made = Encoder(TOKENIZER, None, on_merge="report")
    once = made.encode(pairs, 0)
    merges = made.merges
    made.forget_merges()
    assert made.encode(pairs, 0) == once == Encoder(TOKENIZER, None, on_merge="report").encode(pairs, 0)
    assert made.merges == merges


def test_a_merge_is_an_error_by_default_that_names_stem_and_continuation():
    with pytest.raises(MergeError, match=r"stem 8 \('Go t'\), continuation 0 \('he'\): .* merges"):
        Encoder(TOKENIZER, None).encode([("It", [" a"]), MERGE], 7)


def test_a_merge_is_scored_by_its_own_tokens_or_dropped():
    own = tuple(TOKENIZER("he", add_special_tokens=False)["input_ids"])
    for policy, expected in (("report", own), ("drop", ())):
        made = Encoder(TOKENIZER, None, on_merge=policy)
        [(_, continuations)] = made.encode([MERGE], 3)
        assert continuations == (expected,)
        assert made.merges == [(3, 0)] and made.merged_stems == {3}


def test_a_long_list_of_merges_is_cut_but_every_stem_is_kept(monkeypatch):
    monkeypatch.setattr(encoder, "LISTED", 2)
    made = Encoder(TOKENIZER, None, on_merge="report")
    made.encode([MERGE] * 5, 0)
    assert made.merges == [(0, 0), (1, 0)] and made.n_merges == 5 and made.merged_stems == set(range(5))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("", [" a"]), "stem 4 is empty"),
        ((3, [" a"]), "stem 4 is a int"),
        (("It", [" a", ""]), "stem 4, continuation 1 is empty"),
        (("It", [" a", None]), "continuation 1 is a NoneType"),
        (("b" * 21, [" a"]), "stem 4 .* has 22 tokens, and the model reads at most 20"),
        (("b" * 15, [" a" + "b" * 9]), "continuation 0 .* has 26 tokens, and the model reads at most 20"),
    ],
)
def test_unusable_texts_are_refused_by_name(pair, message):
    with pytest.raises(UserError, match=message) as caught:
        Encoder(TOKENIZER, 20).encode([pair], 4)
    assert "\n" not in str(caught.value)


def test_a_text_that_reads_as_nothing_is_refused():
    with pytest.raises(UserError, match=r"stem 0 .* has no token"):
        Encoder(TOKENIZER, None, read=lambda text: "").encode([("It", [" a"])], 0)


def test_an_unknown_policy_is_refused():
    with pytest.raises(UserError, match="on_merge='ignore': expected one of error, report, drop"):
        Encoder(TOKENIZER, None, on_merge="ignore")


@pytest.mark.parametrize(
    ("kind", "values", "longest"),
    [
        ("llama", {"max_position_embeddings": 512}, 512),
        ("gpt2", {"n_positions": 24}, 24),
        ("mpt", {"max_seq_len": 77}, 77),
        ("bloom", {}, None),
        ("mamba", {}, None),
    ],
)
def test_the_longest_input_stands_in_the_configuration(kind, values, longest):
    assert find_longest_input(AutoConfig.for_model(kind, **values)) == longest


def test_few_stems_are_remembered(monkeypatch):
    monkeypatch.setattr(encoder, "REMEMBERED", 3)
    made = Encoder(TOKENIZER, None)
    stems = [(f"Stem {number}", [" a"]) for number in range(10)]
    once = made.encode(stems, 0)
    assert made.encode(stems[::-1], 0) == once[::-1]
    assert np.unique([len(stem) for stem, _ in once]).size == 1
