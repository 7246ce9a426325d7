"""The probability core against plain one-by-one scoring, over architecture families and texts."""

from __future__ import annotations

import tracemalloc
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from priorshift.errors import RunError, UserError
from priorshift.models.base import load_base
from priorshift.probability import encoder as token_boundary
from priorshift.probability import scorer as extraction
from priorshift.probability import token_tree as prompt_tree
from priorshift.probability.forward import Forward
from priorshift.probability.scorer import Scorer
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams

VOCABULARY = 300
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
HEADS = {**SMALL, "head_dim": 16}
WINDOWED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
MOE = {"num_local_experts": 4, "num_experts_per_tok": 2}
STATES = {"state_size": 4, "conv_kernel": 4, "time_step_rank": 2}

# name: (model type, its configuration, the path that must be found)
FAMILIES = {
    "llama": ("llama", SMALL, "prompt_once"),
    "gpt_neox": ("gpt_neox", SMALL, "prompt_once"),
    "gpt2": ("gpt2", SMALL, "prompt_once"),
    "llama, dynamic positions": ("llama", {**SMALL, "rope_parameters": DYNAMIC}, "plain"),
    "qwen2": ("qwen2", SMALL, "prompt_once"),
    "qwen3": ("qwen3", HEADS, "prompt_once"),
    "mistral, window 8": ("mistral", {**SMALL, "sliding_window": 8}, "plain"),
    "mistral, window 70": ("mistral", {**SMALL, "sliding_window": 70}, "prompt_once"),
    "gemma2, window 8": ("gemma2", {**HEADS, **WINDOWED}, "plain"),
    "gemma3, window 8": ("gemma3_text", {**HEADS, **WINDOWED}, "plain"),
    "gemma3, window 80": ("gemma3_text", {**HEADS, **WINDOWED, "sliding_window": 80}, "prompt_once"),
    "gpt_neo, window 8": (
        "gpt_neo",
        {
            **SMALL,
            "num_layers": 2,
            "num_heads": 2,
            "window_size": 8,
            "attention_types": [[["global", "local"], 1]],
        },
        "plain",
    ),
    "opt": ("opt", {**SMALL, "ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.2}, None),
    "gptj": ("gptj", {**SMALL, "n_layer": 2, "n_head": 2, "n_embd": 32, "rotary_dim": 8}, "prompt_once"),
    "bloom": ("bloom", {**SMALL, "n_layer": 2, "n_head": 2}, "plain"),
    "mamba": ("mamba", {**SMALL, **STATES}, "plain"),
    "recurrent_gemma": (
        "recurrent_gemma",
        {**SMALL, "lru_width": 32, "attention_window_size": 100, "block_types": ["recurrent", "attention"]},
        "plain",
    ),
    "lfm2, convolution": ("lfm2", {**SMALL, "layer_types": ["conv", "full_attention"]}, "plain"),
    "gpt_oss, window 8": ("gpt_oss", {**HEADS, **WINDOWED, **MOE}, "plain"),
    "gpt_oss, window 128": ("gpt_oss", {**HEADS, **WINDOWED, **MOE, "sliding_window": 128}, "prompt_once"),
}


def make_model(family: str, dtype: torch.dtype = torch.float32):
    kind, values, _ = FAMILIES[family]
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values), dtype=dtype).eval()


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges and a BOS: a character may be several tokens, a word one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("Ġ", "a"), ("i", "n"), ("e", "r"), ("Ã", "©")]
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


TOKENIZER = byte_tokenizer()


@torch.no_grad()
def one_by_one(model, stem: str, continuation: str, tokenizer=TOKENIZER) -> np.ndarray:
    """Per-token logprobs as one would write them by hand: one text, all logits, no cache, no mask."""
    own, joint = tokenizer(stem)["input_ids"], tokenizer(stem + continuation)["input_ids"]
    logprobs = model(torch.tensor([joint])).logits[0].float().log_softmax(-1)
    # The logits at position i predict token i + 1.
    return np.array([logprobs[i - 1, joint[i]].item() for i in range(len(own), len(joint))])


def largest_difference(model, stems: list[str], continuations: list[list[str]], scores: list, tokenizer=TOKENIZER):
    return max(
        abs(one_by_one(model, stem, text, tokenizer).sum() - score)
        for stem, texts, row in zip(stems, continuations, scores, strict=True)
        for text, score in zip(texts, row, strict=True)
    )


STEMS = [
    "The door opens.",
    "It",
    "In the café, the waiter brought " + "the wrong cup, then another, " * 4 + "and Mara",
    "Later in the day",
    "It",
]
CONTINUATIONS = [" the", " there", " then he ran", " a", " a cat", " as ever: 日本 🙂!", ".", "é"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_one_by_one_scoring(family):
    model = make_model(family)
    scorer = Scorer(model, TOKENIZER)
    expected = FAMILIES[family][2]
    assert expected is None or scorer.path == expected, scorer.reason
    scores = scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    assert largest_difference(model, STEMS, [CONTINUATIONS] * len(STEMS), scores) < 1e-4
    ends = scorer.next_token_logprobs(STEMS)
    with torch.no_grad():
        for stem, row in zip(STEMS, ends, strict=True):
            logits = model(torch.tensor([TOKENIZER(stem)["input_ids"]])).logits[0, -1]
            np.testing.assert_allclose(row, logits.log_softmax(-1).numpy(), atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2", "mamba"])
def test_bfloat16_is_within_its_rounding(family):
    model = make_model(family, torch.bfloat16)
    scorer = Scorer(model, TOKENIZER)
    scores = scorer.continuation_logprobs(STEMS, CONTINUATIONS, per_token=True)
    for stem, row in zip(STEMS, scores, strict=True):
        for text, tokens in zip(CONTINUATIONS, row, strict=True):
            np.testing.assert_allclose(tokens, one_by_one(model, stem, text), atol=0.05)


@cache
def scorer_of(family: str, **options) -> Scorer:
    return Scorer(make_model(family), TOKENIZER, **options)


@pytest.fixture(params=["llama", "mamba"], ids=["prompt_once", "plain"])
def scorer(request) -> Scorer:
    """A scorer on each path."""
    return scorer_of(request.param)


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
    scorer = scorer_of(family)
    scores = scorer.continuation_logprobs(stems, continuations)
    model = scorer._forward.model
    assert largest_difference(model, stems, [continuations] * len(stems), scores) < 1e-4


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(40, 400))
def test_order_windows_and_budget_change_nothing(random, window, budget):
    lists = [random.sample(CONTINUATIONS, random.randint(1, len(CONTINUATIONS))) for _ in STEMS * 3]
    stems = [random.choice(STEMS) for _ in lists]
    model = scorer_of("llama")._forward.model
    whole = scorer_of("llama").continuation_logprobs(stems, lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "WINDOW", window)
        patch.setattr(prompt_tree, "SOFT_ROW", 40)
        pieces = Scorer(model, TOKENIZER, token_budget=budget).continuation_logprobs(stems, lists)
    for stem, texts, one, other in zip(stems, lists, whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
        alone = scorer_of("llama").continuation_logprobs([stem], [texts[::-1]])[0]
        np.testing.assert_allclose(one, alone[::-1], atol=2e-5)


def test_blocks_come_in_order_and_make_up_the_whole(scorer, monkeypatch):
    monkeypatch.setattr(extraction, "WINDOW", 2)
    lists = [CONTINUATIONS[: i + 1] for i in range(len(STEMS))]
    blocks = list(scorer.iter_continuation_logprobs(iter(STEMS), iter(lists)))
    assert [start for start, _ in blocks] == [0, 2, 4]
    whole = scorer.continuation_logprobs(STEMS, lists)
    for one, other in zip([row for _, block in blocks for row in block], whole, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    blocks = list(scorer.iter_next_token_logprobs(iter(STEMS)))
    assert [start for start, _ in blocks] == [0, 2, 4]
    joined = np.concatenate([block for _, block in blocks])
    np.testing.assert_allclose(joined, scorer.next_token_logprobs(STEMS), atol=2e-5)
    assert joined.dtype == np.float32
    np.testing.assert_allclose(np.exp(joined.astype(float)).sum(axis=1), 1, atol=1e-5)


def test_tokens_sum_to_the_score_and_agree_with_the_distribution(scorer):
    sums = scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    tokens = scorer.continuation_logprobs(STEMS, CONTINUATIONS, per_token=True)
    ends = scorer.next_token_logprobs(STEMS)
    for i, stem in enumerate(STEMS):
        own = len(TOKENIZER(stem)["input_ids"])
        for j, text in enumerate(CONTINUATIONS):
            ids = TOKENIZER(stem + text)["input_ids"][own:]
            assert tokens[i][j].shape == (len(ids),)
            assert tokens[i][j].sum() == pytest.approx(sums[i][j], abs=1e-9)
            assert tokens[i][j][0] == pytest.approx(ends[i, ids[0]], abs=2e-5)


def test_nothing_to_score_gives_nothing(scorer):
    assert scorer.continuation_logprobs([], CONTINUATIONS) == []
    assert scorer.next_token_logprobs([]).shape == (0, VOCABULARY)


class Spy:
    """What a model reads and what its head writes, seen by hooks of its own."""

    def __init__(self, model):
        self.read, self.distributions = 0, 0
        self.handles = [
            model.get_input_embeddings().register_forward_hook(self._embed),
            model.get_output_embeddings().register_forward_hook(self._head),
        ]

    def _embed(self, module, args, output):
        self.read += args[0].numel()

    def _head(self, module, args, output):
        self.distributions += output[..., 0].numel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def random_items(n: int, stem_tokens: int, n_continuations: int) -> tuple[list[str], list[list[str]]]:
    """Stems of `stem_tokens` single-byte tokens on average, continuations of 1 to 4."""
    rng = np.random.default_rng(0)
    draw = lambda size: "".join(rng.choice(list("bcdfgjklmnopqsuvwxyz"), size))  # noqa: E731
    stems = [draw(rng.integers(stem_tokens - 5, stem_tokens + 6)) + "." for _ in range(n)]
    return stems, [["," + draw(rng.integers(1, 4)) for _ in range(n_continuations)] for _ in stems]


def test_computed_tokens_are_the_unique_ones():
    scorer = scorer_of("llama")
    stems, lists = random_items(100, 60, 24)
    unique = nodes = 0
    for stem, texts in zip(stems, lists, strict=True):
        own = TOKENIZER(stem)["input_ids"]
        tails = [TOKENIZER(stem + text)["input_ids"][len(own) :] for text in texts]
        branches = {tuple(tail[:i]) for tail in tails for i in range(1, len(tail))}
        unique += len(own) + len(branches)
        nodes += 1 + len(branches)
    with Spy(scorer._forward.model) as spy:
        scorer.continuation_logprobs(stems, lists)
    assert unique <= spy.read <= 1.05 * unique
    # Logits only where a token is looked up.
    assert spy.distributions == nodes


def test_repeated_stems_and_continuations_are_computed_once(scorer):
    with Spy(scorer._forward.model) as once:
        scorer.continuation_logprobs(["It was"], [" a cat", " a dog"])
    with Spy(scorer._forward.model) as often:
        scores = scorer.continuation_logprobs(["It was"] * 9, [" a cat", " a dog", " a cat"])
    assert often.read == once.read
    assert all((row == scores[0]).all() and row[0] == row[2] for row in scores)


def test_plain_rows_are_never_padded():
    scorer = scorer_of("mamba")
    before = dict(scorer.counts)
    scorer.continuation_logprobs(STEMS, CONTINUATIONS)
    after = scorer.counts
    assert after["computed_tokens"] - before["computed_tokens"] == after["read_tokens"] - before["read_tokens"]


def test_memory_is_flat_over_any_number_of_stems(monkeypatch):
    monkeypatch.setattr(extraction, "WINDOW", 32)
    monkeypatch.setattr(token_boundary, "REMEMBERED", 64)
    scorer = scorer_of("llama")

    def peak(n: int) -> int:
        stems = [f"Stem {i + 1000} of very many, and longer than Python's free lists" for i in range(n)]
        lists = ([f" {i % 7}", f" a{i % 11}"] for i in range(n))
        tracemalloc.start()
        for _ in scorer.iter_continuation_logprobs(stems, lists):
            pass
        for _ in scorer.iter_next_token_logprobs(stems):
            pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(128)  # caches fill
    # A single stem's tokens take over 500 bytes: none of 1,152 more is kept.
    assert peak(1280) - peak(128) < 100 * 1152


def test_out_of_memory_halves_the_budget_and_loses_no_work(scorer, monkeypatch):
    model = scorer._forward.model
    stems = ["It was " + letter for letter in "bcdfghjklmnp"]
    expected = scorer.continuation_logprobs(stems, CONTINUATIONS)
    inner, small = model.forward, 100

    def forward(input_ids, **options):
        if input_ids.numel() > small:
            raise torch.OutOfMemoryError("out of memory")
        return inner(input_ids, **options)

    tight = Scorer(model, TOKENIZER, token_budget=5000)
    monkeypatch.setattr(model, "forward", forward)
    for one, other in zip(tight.continuation_logprobs(stems, CONTINUATIONS), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert tight._forward.budget <= small
    small = 3
    with pytest.raises(RunError, match="single row"):
        tight.continuation_logprobs(stems, CONTINUATIONS)


def test_other_errors_of_the_model_are_not_taken_for_memory(monkeypatch):
    scorer = scorer_of("llama")

    def forward(*_, **__):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(scorer._forward.model, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes"):
        scorer.next_token_logprobs(["It"])


def test_one_scorer_serves_all_adapters_and_the_base():
    base = make_model("llama")
    expected_base = [[one_by_one(base, stem, text).sum() for text in CONTINUATIONS] for stem in STEMS]
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, lora_dropout=0.5)
    torch.manual_seed(1)
    model = get_peft_model(make_model("llama"), config, adapter_name="one")
    model.add_adapter("two", config)
    model.train()
    scorer = Scorer(model, TOKENIZER)
    assert scorer.path == "prompt_once"
    seen = []
    for name in ("one", "two", "one"):
        model.set_adapter(name)
        seen.append(np.array(scorer.continuation_logprobs(STEMS, CONTINUATIONS)))
        assert model.training, "scoring leaves the mode as it was"
        model.eval()
        assert largest_difference(model, STEMS, [CONTINUATIONS] * len(STEMS), seen[-1]) < 1e-4
        model.train()
    np.testing.assert_allclose(seen[0], seen[2], atol=2e-5)
    assert np.abs(seen[0] - seen[1]).max() > 0.01
    with model.disable_adapter():
        np.testing.assert_allclose(
            scorer.continuation_logprobs(STEMS, CONTINUATIONS), np.array(expected_base), atol=1e-4
        )


def with_template(template: str) -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return tokenizer


@pytest.mark.parametrize(("template", "start"), [("$A", []), ("<s> $A", [1]), ("<s> $A </s>", [1]), ("$A </s>", [])])
def test_bos_is_added_iff_the_tokenizer_would_and_nothing_after_the_text(template, start):
    tokenizer, model = with_template(template), scorer_of("llama")._forward.model
    ids = start + tokenizer("It was", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    got = Scorer(model, tokenizer, prove=False).next_token_logprobs(["It was"])[0]
    np.testing.assert_allclose(got, expected.numpy(), atol=2e-5)


# "Go t" + "he" is one token " the" where "t" and "he" meet.
MERGING = (["It was", "Go t"], [" a", "he"])


def test_a_merge_across_the_boundary_is_an_error_by_default():
    with pytest.raises(UserError, match=r"stem 1 \('Go t'\), continuation 1 \('he'\): .* merges"):
        scorer_of("llama").continuation_logprobs(*MERGING)


@pytest.mark.parametrize("policy", ["report", "drop"])
def test_a_merge_is_reported_by_policy(policy, caplog):
    scorer = Scorer(scorer_of("llama")._forward.model, TOKENIZER, on_merge=policy)
    for _ in range(2):
        caplog.clear()
        scores = scorer.continuation_logprobs(*MERGING)
        assert scorer.merges == [(1, 1)]
        assert "'he'" in caplog.text
    if policy == "drop":
        assert np.isnan(scores[1][1])
    else:
        ids = [*TOKENIZER("Go t")["input_ids"], *TOKENIZER("he", add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logprobs = scorer._forward.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        assert scores[1][1] == pytest.approx(logprobs[-2, ids[-1]].item(), abs=2e-5)
    assert np.isfinite([scores[0][0], scores[0][1], scores[1][0]]).all()
    scorer.continuation_logprobs(["It was"], [" a"])
    assert scorer.merges == []


@pytest.mark.parametrize(
    ("stems", "continuations", "message"),
    [
        (["It", ""], [" a"], "stem 1 is empty"),
        (["It"], [" a", ""], "stem 0, continuation 1 is empty"),
        (["It", "He"], [[" a"], []], "stem 1 has no continuation"),
        (["It"], [], "continuations is empty"),
        (["It", "He"], [[" a"]], "continuations end after 1"),
        (["It"], [[" a"], [" b"]], "stems end after 1"),
        ("It", [" a"], "expected a list of texts"),
        (["It"], " a", "expected a list of texts"),
        (["It", 3], [" a"], "stem 1 is a int"),
        (["It"], [" a", None], "continuation 1 is a NoneType"),
        (["b" * 2100], [" a"], "has 2101 tokens, and the model reads at most 2048"),
        (["b" * 2040], [" a" + "b" * 30], "2041 tokens|2072 tokens|at most 2048"),
    ],
)
def test_unusable_texts_are_refused_by_name(stems, continuations, message):
    with pytest.raises(UserError, match=message) as error:
        scorer_of("llama").continuation_logprobs(stems, continuations)
    assert "\n" not in str(error.value)


def test_the_longest_input_itself_is_scored():
    values = {**SMALL, "max_position_embeddings": 24}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", **values)).eval()
    scorer = Scorer(model, TOKENIZER)
    many = [" " + letter * 3 for letter in "bcdfgh"]  # the tree is longer than the model's input
    stem = "b" * 19
    scores = scorer.continuation_logprobs([stem], many)
    assert largest_difference(model, [stem], [many], scores) < 1e-4
    with pytest.raises(UserError, match="at most 24"):
        scorer.continuation_logprobs([stem + "b"], many)


def test_wrong_options_are_refused():
    model = scorer_of("llama")._forward.model
    with pytest.raises(UserError, match="on_merge='ignore'"):
        Scorer(model, TOKENIZER, on_merge="ignore")
    with pytest.raises(UserError, match="token_budget=0"):
        Scorer(model, TOKENIZER, token_budget=0)


def test_nan_never_leaves_silently():
    model = make_model("llama")
    scorer = Scorer(model, TOKENIZER)
    with torch.no_grad():
        model.get_input_embeddings().weight[TOKENIZER("z", add_special_tokens=False)["input_ids"]] = torch.nan
    with pytest.raises(RunError, match="NaN or infinity for stem 1"):
        scorer.next_token_logprobs(["It", "z"])
    with pytest.raises(RunError, match="NaN or infinity for stem 1"):
        scorer.continuation_logprobs(["It", "z", "He"], [" a", " b"])


def test_a_model_that_reads_ahead_is_refused():
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("bert", **SMALL)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.2)
    with pytest.raises(UserError, match="no causal language model"):
        Scorer(model, TOKENIZER)


@pytest.mark.parametrize("folder", sorted(EMBEDDED.iterdir()), ids=lambda folder: folder.name)
def test_every_shipped_base_model_is_scored_prompt_once_and_exactly(folder):
    base = load_base(BaseModelParams(name=folder.name, source=f"embedded:{folder.name}"))
    scorer = Scorer(base.model, base.tokenizer)
    assert scorer.path == "prompt_once", scorer.reason
    stems, continuations = ["The market opens at eight. Anna decided to"], [[" walk away.", " stay at home.", " wait"]]
    scores = scorer.continuation_logprobs(stems, continuations)
    assert largest_difference(base.model, stems, continuations, scores, base.tokenizer) < 1e-4


def test_without_proof_there_is_no_fast_path():
    scorer = Scorer(make_model("llama"), TOKENIZER, prove=False)
    assert (scorer.path, scorer.reason) == ("plain", "prompt-once was not proved")


def test_a_model_wrong_in_an_unknown_way_is_found_out(monkeypatch, caplog):
    """Attention that forgets: no name in the configuration gives it away, only its numbers."""
    model = make_model("llama")
    inner = model.forward

    def forward(input_ids, attention_mask=None, **options):
        if attention_mask is not None:
            distance = torch.arange(attention_mask.shape[-1])
            far = distance[:, None] - distance > 100
            attention_mask = attention_mask.masked_fill(far, torch.finfo(torch.float32).min)
        return inner(input_ids, attention_mask=attention_mask, **options)

    monkeypatch.setattr(model, "forward", forward)
    scorer = Scorer(model, TOKENIZER)
    assert scorer.path == "plain"
    assert "does not hold" in scorer.reason
    assert caplog.text.count("plain scoring") == 1


@pytest.mark.parametrize(("plain_noise", "tree_noise", "path"), [(0.1, 0.1, "prompt_once"), (0.0, 0.3, "plain")])
def test_sixteen_bits_are_held_to_the_models_own_rounding(plain_noise, tree_noise, path, monkeypatch):
    """Large logits in 16 bits move with the shape of a batch, as they do on GPUs: what plain batches do, ours may."""
    model, rng, exact = make_model("llama", torch.bfloat16), np.random.default_rng(0), Forward.lookup

    def rounded(self, rows, out, plain):
        exact(self, rows, out, plain)
        if len(rows) > 1:
            out += rng.uniform(-1, 1, out.shape) * (plain_noise if plain else tree_noise)

    monkeypatch.setattr(Forward, "lookup", rounded)
    scorer = Scorer(model, TOKENIZER)
    assert scorer.path == path, scorer.reason
