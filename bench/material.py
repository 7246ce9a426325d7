"""What the systems are compared on: models, their tokenizers, and items that any of them reads alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from bench.worker import Setting
from priorshift.models.base import load_base
from priorshift.study.sections import BaseModelParams

# Shapes of the models with random weights, by model type: 35.3M parameters and two for tests, then Qwen2.5-0.5B and
# Llama-3.2-1B, by their configurations.
RANDOM = {
    "random-35M": ("llama", (32_000, 512, 1376, 6, 8, 8)),
    "random-tiny": ("llama", (500, 32, 64, 2, 2, 2)),
    "random-tiny-qwen2": ("qwen2", (500, 32, 64, 2, 4, 2)),
    "qwen2.5-0.5b": ("qwen2", (151_936, 896, 4864, 24, 14, 2)),
    "llama-3.2-1b": ("llama", (128_256, 2048, 8192, 16, 32, 8)),
}
SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
)
SPECIAL = ("<unk>", "<pad>", "<s>", "</s>")
LONGEST_CONTINUATION = 4


@dataclass(frozen=True)
class Items:
    """Stems, each with its own continuations; a continuation opens with its leading space."""

    stems: list[str]
    continuations: list[list[str]]


def load_model(setting: Setting) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model by its name (a key of `RANDOM`, ``embedded:...``, or a folder), and its tokenizer."""
    if setting.model in RANDOM:
        model, tokenizer = make_random_model(setting.model)
    else:
        base = load_base(BaseModelParams(name=Path(setting.model).name.split(":")[-1], source=setting.model))
        folder = Path(setting.model).is_dir()
        model, tokenizer = base.model, load_tokenizer(setting.model) if folder else base.tokenizer
    model.set_attn_implementation(setting.attention)
    return model.to(setting.device, getattr(torch, setting.dtype)).eval(), tokenizer


def make_random_model(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model of `RANDOM` with the same random weights each time on a device, and a tokenizer of its vocabulary."""
    kind, sizes = RANDOM[name]
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}
    config = AutoConfig.for_model(kind, **dict(zip(SIZES, sizes, strict=True)), **ends, tie_word_embeddings=True)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config), make_word_tokenizer(config.vocab_size)


def load_tokenizer(folder: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a saved random model as it was saved: for some model types AutoTokenizer makes another of it."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def make_word_tokenizer(size: int) -> PreTrainedTokenizerFast:
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
    # An array: of a list, `choice` would make one anew at each call.
    words = np.array(sorted(word for word in tokenizer.get_vocab() if word[0] == " " and word[1:].isalnum()))

    def text(length: int) -> str:
        return "".join(rng.choice(words, length))

    def branches() -> list[str]:
        found: dict[str, None] = {}
        while len(found) < continuations:
            found[text(rng.integers(1, LONGEST_CONTINUATION + 1))] = None
        return list(found)

    return Items([text(tokens) for _ in range(n)], [branches() for _ in range(n)])


def count_unique_tokens(tokenizer: PreTrainedTokenizerBase, items: Items) -> int:
    """Tokens that must be read at least once: the distinct prefixes of each stem's texts, last tokens apart."""
    total = 0
    for stem, continuations in zip(items.stems, items.continuations, strict=True):
        texts = [tuple(tokenizer(stem + text)["input_ids"]) for text in continuations]
        total += len({ids[:end] for ids in texts for end in range(1, len(ids))})
    return total
