"""Model directories as a hub has them: random weights, a tokenizer of its own, the family's real chat template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import trl
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from priorshift.materials.texts import list_texts
from priorshift.study.sections import BaseModelParams

TEMPLATES = Path(trl.__file__).parent / "chat_templates"


@dataclass(frozen=True)
class Family:
    """What tells a family's directories apart."""

    config: type[PretrainedConfig]
    template: str
    special: tuple[str, ...]  # its first one opens a text where `bos` is true
    end: str
    bos: bool
    metaspace: bool = False


FAMILIES = {
    "llama": Family(
        LlamaConfig, "llama3_2", ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"), "<|eot_id|>", True
    ),
    "qwen2": Family(Qwen2Config, "qwen2_5", ("<|endoftext|>", "<|im_start|>"), "<|im_end|>", False),
    "qwen3": Family(Qwen3Config, "qwen3", ("<|endoftext|>", "<|im_start|>"), "<|im_end|>", False),
    "gemma": Family(Gemma2Config, "gemma", ("<bos>", "<start_of_turn>", "<eos>"), "<end_of_turn>", True, True),
}


def make_model(family: str, folder: Path, materials) -> Path:
    """Write a directory with config, tokenizer, chat template and safetensors; returns it."""
    kind = FAMILIES[family]
    tokenizer = _tokenizer(kind, list_texts(materials))
    tokenizer.chat_template = (TEMPLATES / f"{kind.template}.jinja").read_text()
    tokenizer.save_pretrained(folder)
    config = kind.config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def model_entry(folder: Path, style: str = "raw", **keys) -> BaseModelParams:
    """A directory as a study names it."""
    return BaseModelParams(name=f"{folder.name}-{style}", source=str(folder), prompt_style=style, **keys)


def _tokenizer(kind: Family, texts: list[str]) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(byte_fallback=kind.metaspace, unk_token="<unk>" if kind.metaspace else None))
    if kind.metaspace:
        core.normalizer = normalizers.Replace(" ", "\u2581")
        words = [pre_tokenizers.Metaspace(prepend_scheme="never"), pre_tokenizers.Punctuation()]
        core.pre_tokenizer = pre_tokenizers.Sequence(words)
        core.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    else:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
    special = [*kind.special, kind.end, *(["<unk>"] if kind.metaspace else [])]
    alphabet = [f"<0x{i:02X}>" for i in range(256)] if kind.metaspace else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=[*special, *(alphabet if kind.metaspace else ())],
        initial_alphabet=[] if kind.metaspace else alphabet,
        show_progress=False,
    )
    letters = ["Answer: A. Answer: B. Answer: C."] * 300
    core.train_from_iterator([*texts, *(f"It is {text}." for text in texts), *letters], trainer)
    if kind.bos:
        first = kind.special[0]
        core.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, core.token_to_id(first))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=kind.special[0] if kind.bos else None,
        eos_token=kind.end,
        pad_token=kind.special[-1],
    )
