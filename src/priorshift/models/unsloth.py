"""Unsloth's loading and adapters. Importing this imports Unsloth, which must come before transformers, trl and peft."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Processes must not share the folder that Unsloth compiles into. It is removed when this one ends.
_COMPILED = tempfile.TemporaryDirectory(prefix="priorshift-unsloth-", ignore_cleanup_errors=True)
os.environ["UNSLOTH_COMPILE_LOCATION"] = _COMPILED.name
os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"  # it would ask a hub

import unsloth  # noqa: E402, F401, I001
import torch  # noqa: E402
from peft import LoraConfig, PeftModel  # noqa: E402
from transformers import PreTrainedModel  # noqa: E402
from unsloth import FastLanguageModel  # noqa: E402

LONGEST = 2048  # tokens of a training example. Every example here is far shorter


def load(folder: Path, dtype: torch.dtype, in_4bit: bool) -> PreTrainedModel:
    """The base model in `folder`. Its tokenizer is loaded as for PEFT, so that both read the same tokens."""
    model, _ = FastLanguageModel.from_pretrained(
        str(folder),
        max_seq_length=LONGEST,
        dtype=dtype,
        load_in_4bit=in_4bit,
        load_in_16bit=not in_4bit,
        use_exact_model_name=True,
        use_gradient_checkpointing=False,
        trust_remote_code=False,
    )
    return model


def add_adapter(model: PreTrainedModel, config: LoraConfig, gradient_checkpointing: bool, seed: int) -> PeftModel:
    """A fresh adapter of the same configuration as PEFT's."""
    return FastLanguageModel.get_peft_model(
        model,
        r=config.r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=sorted(config.target_modules),
        layers_to_transform=config.layers_to_transform,
        bias=config.bias,
        use_gradient_checkpointing=gradient_checkpointing,
        random_state=seed,
        max_seq_length=LONGEST,
    )
