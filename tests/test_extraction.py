"""The probability core against plain one-by-one scoring, over architecture families and texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from priorshift import extraction, forward
from priorshift.errors import RunError, UserError
from priorshift.extraction import Scorer

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
MOE = {"num_local_experts": 4, "num_experts_per_tok": 2}
STATES = {"state_size": 4, "conv_kernel": 4, "time_step_rank": 2}

# name: (model type, its configuration, the path that must be found)
FAMILIES = {
    "llama": ("llama", SMALL, "prompt_once"),
    "gpt_neox": ("gpt_neox", SMALL, "prompt_once"),
    "gpt2": ("gpt2", SMALL, "prompt_once"),
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
    "bloom": ("bloom", {**SMALL, "n_layer": 2, "n_head": 2}, "plain"),
    "mamba": ("mamba", {**SMALL, **STATES}, "plain"),
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
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


TOKENIZER = byte_tokenizer()


@torch.no_grad()
def one_by_one(model, stem: str, continuation: str) -> np.ndarray:
    """Per-token logprobs as one would write them by hand: one text, all logits, no cache, no mask."""
    own, joint = TOKENIZER(stem)["input_ids"], TOKENIZER(stem + continuation)["input_ids"]
    logprobs = model(torch.tensor([joint])).logits[0].float().log_softmax(-1)
    # The logits at position i predict token i + 1.
    return np.array([logprobs[i - 1, joint[i]].item() for i in range(len(own), len(joint))])


def largest_difference(model, stems: list[str], continuations: list[list[str]], scores: list) -> float:
    return max(
        abs(one_by_one(model, stem, text).sum() - score)
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
