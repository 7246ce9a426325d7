"""The scorer against plain one-by-one scoring, over architecture families, texts and adapters."""

from __future__ import annotations

import tracemalloc
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from support.causal_models import (
    CONTINUATIONS,
    FAMILIES,
    STEMS,
    TOKENIZER,
    VOCABULARY,
    Counter,
    SmallDevice,
    find_largest_difference,
    make_byte_tokenizer,
    make_causal_model,
    score_one_by_one,
)

from priorshift.errors import RunError, UserError
from priorshift.models.base import load_base
from priorshift.probability import encoder, scorer, token_tree
from priorshift.probability.scorer import Scorer
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams


@cache
def model_of(family):
    return make_causal_model(family)


@cache
def scorer_of(family):
    return Scorer(model_of(family), TOKENIZER)


@pytest.fixture(params=["llama", "mamba"], ids=["prompt_once", "plain"])
def family(request):
    """A family for each method."""
    return request.param


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_one_by_one_scoring(family):
    model = make_causal_model(family)
    made = Scorer(model, TOKENIZER)
    expected = FAMILIES[family][2]
    assert expected is None or made.method == expected, made.reason
    found = made.continuation_logprobs(STEMS, CONTINUATIONS)
    assert find_largest_difference(model, STEMS, [CONTINUATIONS] * len(STEMS), found) < 1e-4
    ends = made.next_token_logprobs(STEMS)
    with torch.no_grad():
        for stem, row in zip(STEMS, ends, strict=True):
            logits = model(torch.tensor([TOKENIZER(stem)["input_ids"]])).logits[0, -1]
            np.testing.assert_allclose(row, logits.log_softmax(-1).numpy(), atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2", "mamba"])
def test_bfloat16_is_within_its_rounding(family):
    model = make_causal_model(family, torch.bfloat16)
    found = Scorer(model, TOKENIZER).token_logprobs(STEMS, CONTINUATIONS)
    for stem, row in zip(STEMS, found, strict=True):
        for text, tokens in zip(CONTINUATIONS, row, strict=True):
            np.testing.assert_allclose(tokens, score_one_by_one(model, stem, text), atol=0.05)


TEXT = st.text(st.sampled_from("the cat,ran é日🙂"), min_size=1, max_size=12)
LONG = st.text(st.sampled_from(" thein"), min_size=60, max_size=90)


@settings(max_examples=25, deadline=None)
@given(
    stems=st.lists(TEXT, min_size=1, max_size=4),
    continuations=st.lists(TEXT | LONG, min_size=1, max_size=5),
    extended=TEXT,
    family=st.sampled_from(["llama", "gpt2", "mamba"]),
)
def test_any_text_is_scored_as_one_by_one(stems, continuations, extended, family):
    # One continuation goes on from another, one is repeated, and so is one stem.
    continuations = [*continuations, continuations[0] + extended, continuations[-1]]
    stems = [*stems, stems[0]]
    for stem in stems:
        own = TOKENIZER(stem)["input_ids"]
        assume(all(TOKENIZER(stem + text)["input_ids"][: len(own)] == own for text in continuations))
    found = scorer_of(family).continuation_logprobs(stems, continuations)
    assert find_largest_difference(model_of(family), stems, [continuations] * len(stems), found) < 1e-4


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(40, 400))
def test_order_blocks_and_budget_change_nothing(random, block, budget):
    lists = [random.sample(CONTINUATIONS, random.randint(1, len(CONTINUATIONS))) for _ in STEMS * 3]
    stems = [random.choice(STEMS) for _ in lists]
    whole = scorer_of("llama").continuation_logprobs(stems, lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "BLOCK_STEMS", block)
        patch.setattr(token_tree, "SOFT_ROW", 40)
        pieces = Scorer(model_of("llama"), TOKENIZER, token_budget=budget).continuation_logprobs(stems, lists)
    for stem, texts, one, other in zip(stems, lists, whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
        alone = scorer_of("llama").continuation_logprobs([stem], [texts[::-1]])[0]
        np.testing.assert_allclose(one, alone[::-1], atol=2e-5)


def test_blocks_come_in_order_and_make_up_the_whole(family, monkeypatch):
    monkeypatch.setattr(scorer, "BLOCK_STEMS", 2)
    made = scorer_of(family)
    lists = [CONTINUATIONS[: i + 1] for i in range(len(STEMS))]
    blocks = list(made.iter_continuation_logprobs(iter(STEMS), iter(lists)))
    assert [start for start, _ in blocks] == [0, 2, 4]
    whole = made.continuation_logprobs(STEMS, lists)
    for one, other in zip([row for _, block in blocks for row in block], whole, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    blocks = list(made.iter_next_token_logprobs(iter(STEMS)))
    assert [start for start, _ in blocks] == [0, 2, 4]
    joined = np.concatenate([block for _, block in blocks])
    np.testing.assert_allclose(joined, made.next_token_logprobs(STEMS), atol=2e-5)
    assert joined.dtype == np.float32
    np.testing.assert_allclose(np.exp(joined.astype(float)).sum(axis=1), 1, atol=1e-5)


def test_tokens_sum_to_the_continuation_and_agree_with_the_distribution(family):
    made = scorer_of(family)
    sums = made.continuation_logprobs(STEMS, CONTINUATIONS)
    tokens = made.token_logprobs(STEMS, CONTINUATIONS)
    ends = made.next_token_logprobs(STEMS)
    found = made.find_tokens(STEMS, CONTINUATIONS)
    for i, stem in enumerate(STEMS):
        own = len(TOKENIZER(stem)["input_ids"])
        for j, text in enumerate(CONTINUATIONS):
            ids = TOKENIZER(stem + text)["input_ids"][own:]
            assert tokens[i][j].shape == (len(ids),)
            assert tokens[i][j].sum() == pytest.approx(sums[i][j], abs=1e-9)
            assert tokens[i][j][0] == pytest.approx(ends[i, ids[0]], abs=2e-5)
            assert list(found[i][j]) == ids


def test_nothing_to_score_gives_nothing(family):
    assert scorer_of(family).continuation_logprobs([], CONTINUATIONS) == []
    assert scorer_of(family).next_token_logprobs([]).shape == (0, VOCABULARY)


def draw_items(n: int, stem_tokens: int, n_continuations: int) -> tuple[list[str], list[list[str]]]:
    """Stems of `stem_tokens` single-byte tokens on average, continuations of 2 to 4."""
    rng = np.random.default_rng(0)

    def draw(size):
        return "".join(rng.choice(list("bcdfgjklmnopqsuvwxyz"), size))

    stems = [draw(rng.integers(stem_tokens - 5, stem_tokens + 6)) + "." for _ in range(n)]
    return stems, [["," + draw(rng.integers(1, 4)) for _ in range(n_continuations)] for _ in stems]


def test_tokens_that_several_texts_share_are_computed_once():
    stems, lists = draw_items(100, 60, 24)
    unique = nodes = 0
    for stem, texts in zip(stems, lists, strict=True):
        own = TOKENIZER(stem)["input_ids"]
        tails = [TOKENIZER(stem + text)["input_ids"][len(own) :] for text in texts]
        branches = {tuple(tail[:i]) for tail in tails for i in range(1, len(tail))}
        unique += len(own) + len(branches)
        nodes += 1 + len(branches)
    made = scorer_of("llama")
    before = made.counts["computed_tokens"]
    with Counter(model_of("llama")) as count:
        made.continuation_logprobs(stems, lists)
    assert unique <= count.tokens <= 1.05 * unique
    assert made.counts["computed_tokens"] - before == count.tokens
    # Logits only where a token is looked up.
    assert count.distributions == nodes


def test_memory_is_flat_over_any_number_of_stems(monkeypatch):
    monkeypatch.setattr(scorer, "BLOCK_STEMS", 32)
    monkeypatch.setattr(encoder, "REMEMBERED", 64)
    made = scorer_of("llama")

    def peak(n: int) -> int:
        stems = [f"Stem {i + 1000} of very many, and longer than Python's free lists" for i in range(n)]
        lists = ([f" {i % 7}", f" a{i % 11}"] for i in range(n))
        tracemalloc.start()
        for _ in made.iter_continuation_logprobs(stems, lists):
            pass
        for _ in made.iter_next_token_logprobs(stems):
            pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(128)  # caches fill
    # A single stem's tokens take over 500 bytes: none of 1,152 more is kept.
    assert peak(1280) - peak(128) < 100 * 1152


def test_where_memory_runs_out_smaller_batches_give_the_same(family):
    model = model_of(family)
    stems = ["It was " + letter for letter in "bcdfghjklmnp"]
    expected = scorer_of(family).continuation_logprobs(stems, CONTINUATIONS)
    tight = Scorer(model, TOKENIZER, token_budget=5000)
    with SmallDevice(model, 100) as device:
        for one, other in zip(tight.continuation_logprobs(stems, CONTINUATIONS), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)
        device.tokens = 3
        with pytest.raises(RunError, match="single row"):
            tight.continuation_logprobs(stems, CONTINUATIONS)


def test_one_scorer_serves_all_adapters_and_the_base():
    base = make_causal_model("llama")
    expected_base = [[score_one_by_one(base, stem, text).sum() for text in CONTINUATIONS] for stem in STEMS]
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, lora_dropout=0.5)
    torch.manual_seed(1)
    model = get_peft_model(make_causal_model("llama"), config, adapter_name="one")
    model.add_adapter("two", config)
    model.train()
    made = Scorer(model, TOKENIZER)
    assert made.method == "prompt_once"
    found = []
    for name in ("one", "two", "one"):
        model.set_adapter(name)
        found.append(np.array(made.continuation_logprobs(STEMS, CONTINUATIONS)))
        assert model.training, "scoring leaves the mode as it was"
        model.eval()
        assert find_largest_difference(model, STEMS, [CONTINUATIONS] * len(STEMS), found[-1]) < 1e-4
        model.train()
    np.testing.assert_allclose(found[0], found[2], atol=2e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01
    with model.disable_adapter():
        np.testing.assert_allclose(made.continuation_logprobs(STEMS, CONTINUATIONS), np.array(expected_base), atol=1e-4)


@pytest.mark.parametrize(("template", "start"), [("$A", []), ("<s> $A", [1]), ("<s> $A </s>", [1]), ("$A </s>", [])])
def test_bos_is_added_iff_the_tokenizer_would_and_nothing_after_the_text(template, start):
    tokenizer, model = make_byte_tokenizer(template), model_of("llama")
    ids = start + tokenizer("It was", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    found = Scorer(model, tokenizer, prove=False).next_token_logprobs(["It was"])[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)


def test_what_the_model_reads_of_a_stem_is_scored():
    plain = Scorer(model_of("llama"), TOKENIZER, prove=False)
    shouting = Scorer(model_of("llama"), TOKENIZER, prove=False, read=str.upper)
    [found], [expected] = (
        each.continuation_logprobs([stem], [" a cat"]) for each, stem in ((shouting, "it was"), (plain, "IT WAS"))
    )
    assert found == pytest.approx(expected, abs=1e-9)


# "Go t" + "he" is one token " the" where "t" and "he" meet.
MERGING = (["It was", "Go t"], [" a", "he"])


@pytest.mark.parametrize("policy", ["report", "drop"])
def test_a_merge_is_reported_by_policy(policy, caplog):
    model = model_of("llama")
    made = Scorer(model, TOKENIZER, on_merge=policy)
    for _ in range(2):
        caplog.clear()
        found = made.continuation_logprobs(*MERGING)
        assert made.merges == [(1, 1)] and made.merged_stems == {1}
        assert "'he'" in caplog.text
    if policy == "drop":
        assert np.isnan(found[1][1])
        assert made.find_tokens(*MERGING)[1][1] == ()
    else:
        ids = [*TOKENIZER("Go t")["input_ids"], *TOKENIZER("he", add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        assert found[1][1] == pytest.approx(logprobs[-2, ids[-1]].item(), abs=2e-5)
    assert np.isfinite([found[0][0], found[0][1], found[1][0]]).all()
    made.continuation_logprobs(["It was"], [" a"])
    assert made.merges == [] and made.merged_stems == set()


def test_the_longest_input_itself_is_scored():
    model = make_causal_model("gpt2", max_position_embeddings=24)
    made = Scorer(model, TOKENIZER)
    many = [" " + letter * 3 for letter in "bcdfgh"]  # the tree is longer than the model's input
    stem = "b" * 19
    found = made.continuation_logprobs([stem], many)
    assert find_largest_difference(model, [stem], [many], found) < 1e-4
    with pytest.raises(UserError, match="at most 24"):
        made.continuation_logprobs([stem + "b"], many)


def test_wrong_options_are_refused():
    with pytest.raises(UserError, match="on_merge='ignore'"):
        Scorer(model_of("llama"), TOKENIZER, on_merge="ignore")
    with pytest.raises(UserError, match="token_budget=0"):
        Scorer(model_of("llama"), TOKENIZER, token_budget=0)
    with pytest.raises(UserError, match="stems='It': expected a list of texts"):
        scorer_of("llama").next_token_logprobs("It")


def test_nan_is_an_error_that_names_the_stem():
    model = make_causal_model("llama")
    made = Scorer(model, TOKENIZER)
    with torch.no_grad():
        model.get_input_embeddings().weight[TOKENIZER("z", add_special_tokens=False)["input_ids"]] = torch.nan
    with pytest.raises(RunError, match="NaN or infinity for stem 1"):
        made.next_token_logprobs(["It", "z"])
    with pytest.raises(RunError, match="NaN or infinity for stem 1"):
        made.continuation_logprobs(["It", "z", "He"], [" a", " b"])


@pytest.mark.parametrize("folder", sorted(EMBEDDED.iterdir()), ids=lambda folder: folder.name)
def test_every_shipped_base_model_is_scored_prompt_once_and_exactly(folder):
    base = load_base(BaseModelParams(name=folder.name, source=f"embedded:{folder.name}"))
    made = Scorer(base.model, base.tokenizer)
    assert made.method == "prompt_once", made.reason
    stems, continuations = ["The market opens at eight. Anna decided to"], [[" walk away.", " stay at home.", " wait"]]
    found = made.continuation_logprobs(stems, continuations)
    assert find_largest_difference(base.model, stems, continuations, found, base.tokenizer) < 1e-4


def test_plain_scoring_is_said_once_with_its_reason(caplog):
    made = Scorer(make_causal_model("bloom"), TOKENIZER)
    assert made.method == "plain" and made.reason
    assert caplog.text.count("plain scoring") == 1 and made.reason in caplog.text


def test_without_proof_scoring_is_plain():
    assert Scorer(model_of("llama"), TOKENIZER, prove=False).method == "plain"
