"""What the systems are compared on: two models, their tokenizers, and items that any of them reads alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from priorshift.models import load_base
from priorshift.sections import BaseModelParams

# Shapes of the models with random weights: 35.3M parameters, and one for tests.
RANDOM = {
    "random-35M": {
        "vocab_size": 32_000,
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
    },
    "random-tiny": {
        "vocab_size": 500,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
}
SPECIAL = ("<unk>", "<pad>", "<s>", "</s>")
LONGEST_CONTINUATION = 4


@dataclass(frozen=True)
class Items:
    """Stems, each with its own continuations; a continuation opens with its leading space."""

    stems: list[str]
    continuations: list[list[str]]


def load(name: str, attention: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model in float32 by its name (a key of `RANDOM`, or ``embedded:...``), and its tokenizer."""
    if name in RANDOM:
        torch.manual_seed(0)
        ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}
        config = LlamaConfig(**RANDOM[name], **ends, tie_word_embeddings=True, attn_implementation=attention)
        model, tokenizer = LlamaForCausalLM(config), word_tokenizer(config.vocab_size)
    else:
        base = load_base(BaseModelParams(name=name.split(":")[-1], source=name))
        model, tokenizer = base.model, base.tokenizer
        model.set_attn_implementation(attention)
    return model.float().eval().to(device), tokenizer


def word_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A word a token, its leading space included; BOS before a text, as Llama's tokenizers have it."""
    words = [f" w{i}" for i in range(size - len(SPECIAL))]
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[^\s]+|\s"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    names = dict(zip(("unk_token", "pad_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def make_items(tokenizer: PreTrainedTokenizerBase, n: int, tokens: int, continuations: int, seed: int) -> Items:
    """`n` stems of `tokens` random words (BOS comes on top), each with its own continuations of 1-4 words.

    Random continuations share next to no prefix: the hardest case for a method that shares computation.
    """
    rng = np.random.default_rng([seed, n, tokens, continuations])
    words = sorted(word for word in tokenizer.get_vocab() if word[0] == " " and word[1:].isalnum())

    def text(length: int) -> str:
        return "".join(rng.choice(words, length))

    def branches() -> list[str]:
        found: dict[str, None] = {}
        while len(found) < continuations:
            found[text(rng.integers(1, LONGEST_CONTINUATION + 1))] = None
        return list(found)

    return Items([text(tokens) for _ in range(n)], [branches() for _ in range(n)])


def unique_tokens(tokenizer: PreTrainedTokenizerBase, items: Items) -> int:
    """Tokens that must be read at least once: the distinct prefixes of each stem's texts, last tokens apart."""
    total = 0
    for stem, continuations in zip(items.stems, items.continuations, strict=True):
        texts = [tuple(tokenizer(stem + text)["input_ids"]) for text in continuations]
        total += len({ids[:end] for ids in texts for end in range(1, len(ids))})
    return total
