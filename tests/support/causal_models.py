"""Random causal models of many architectures, a byte-level tokenizer, and scoring as anyone would write it by hand."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

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

# name: (model type, its configuration, the method that must be found)
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
    "mpt": ("mpt", {"d_model": 32, "n_heads": 2, "n_layers": 2, "vocab_size": VOCABULARY}, "plain"),
    "bloom": ("bloom", {**SMALL, "n_layer": 2, "n_head": 2}, "plain"),
    "mamba": ("mamba", {**SMALL, **STATES}, "plain"),
    "rwkv": ("rwkv", {**SMALL, "attention_hidden_size": 32}, "plain"),
    "recurrent_gemma": (
        "recurrent_gemma",
        {**SMALL, "lru_width": 32, "attention_window_size": 100, "block_types": ["recurrent", "attention"]},
        "plain",
    ),
    "lfm2, convolution": ("lfm2", {**SMALL, "layer_types": ["conv", "full_attention"]}, "plain"),
    "gpt_oss, window 8": ("gpt_oss", {**HEADS, **WINDOWED, **MOE}, "plain"),
    "gpt_oss, window 128": ("gpt_oss", {**HEADS, **WINDOWED, **MOE, "sliding_window": 128}, "prompt_once"),
}


def make_causal_model(family: str, dtype: torch.dtype = torch.float32, **changes):
    """A model of `FAMILIES` with random weights, the same each time; `changes` go into its configuration."""
    kind, values, _ = FAMILIES[family]
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values | changes), dtype=dtype).eval()


def make_byte_tokenizer(template: str = "<s> $A") -> PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges: a character may be several tokens, a word one.

    `template` says which special tokens stand around a text: <s> is token 1, </s> token 2.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("Ġ", "a"), ("i", "n"), ("e", "r"), ("Ã", "©")]
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


TOKENIZER = make_byte_tokenizer()
STEMS = [
    "The door opens.",
    "It",
    "In the café, the waiter brought " + "the wrong cup, then another, " * 4 + "and Mara",
    "Later in the day",
    "It",
]
CONTINUATIONS = [" the", " there", " then he ran", " a", " a cat", " as ever: 日本 🙂!", ".", "é"]


@torch.no_grad()
def score_one_by_one(model, stem: str, continuation: str, tokenizer=TOKENIZER) -> np.ndarray:
    """Per-token logprobs as one would write them by hand: one text, all logits, no cache, no mask."""
    own, joint = tokenizer(stem)["input_ids"], tokenizer(stem + continuation)["input_ids"]
    logprobs = model(torch.tensor([joint])).logits[0].float().log_softmax(-1)
    # The logits at position i predict token i + 1.
    return np.array([logprobs[i - 1, joint[i]].item() for i in range(len(own), len(joint))])


def find_largest_difference(model, stems: list[str], continuations: list[list[str]], found: list, tokenizer=TOKENIZER):
    """The largest distance (nats) of a continuation's logprob from `score_one_by_one`."""
    return max(
        abs(score_one_by_one(model, stem, text, tokenizer).sum() - logprob)
        for stem, texts, row in zip(stems, continuations, found, strict=True)
        for text, logprob in zip(texts, row, strict=True)
    )


class Counter:
    """Counts what a model reads and what its head writes, by hooks of its own."""

    def __init__(self, model):
        self.tokens, self.distributions = 0, 0
        self.handles = [
            model.get_input_embeddings().register_forward_hook(self._count_tokens),
            model.get_output_embeddings().register_forward_hook(self._count_distributions),
        ]

    def _count_tokens(self, module, args, output):
        self.tokens += args[0].numel()

    def _count_distributions(self, module, args, output):
        self.distributions += output[..., 0].numel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


class SmallDevice:
    """Memory for so many padded tokens in one forward pass and no more, by a hook on the model."""

    def __init__(self, model, tokens: int):
        self.tokens = tokens
        self.handle = model.register_forward_pre_hook(self._check, with_kwargs=True)

    def _check(self, module, args, options):
        if options["input_ids"].numel() > self.tokens:
            raise torch.OutOfMemoryError("out of memory")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.handle.remove()
