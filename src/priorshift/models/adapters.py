"""LoRA adapters: fresh ones, ones that go on learning, and several on one base model."""

from __future__ import annotations

from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    PreTrainedModel,
)

from priorshift.errors import ParamsError
from priorshift.models.backends import unsloth_module
from priorshift.models.base import BaseModel
from priorshift.study.sections import Training

# Linear layers of the common architectures, by what they belong to.
ATTENTION = (
    "q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "attention.dense", "c_attn", "attn.c_proj",
)  # fmt: skip
MLP = ("gate_proj", "up_proj", "down_proj", "gate_up_proj", "dense_h_to_4h", "dense_4h_to_h", "c_fc", "mlp.c_proj")


def target_modules(model: PreTrainedModel, target: str) -> list[str]:
    """Names of the linear layers that an adapter sits on: attention, mlp or all."""
    wanted = {"attention": ATTENTION, "mlp": MLP, "all": ATTENTION + MLP}[target]
    found = sorted({w for name, _ in model.named_modules() for w in wanted if name.endswith("." + w)})
    if not found:
        raise ParamsError(
            f"training.target: no {target} layers known in {type(model).__name__}; expected one of {wanted}"
        )
    return found


def add_adapter(base: BaseModel, training: Training, seed: int) -> PeftModel:
    """A fresh LoRA adapter on the base model (weights drawn from torch's global generator, set to `seed`)."""
    blocks = base.model.config.get_text_config(decoder=True).num_hidden_layers
    if training.layers and max(training.layers) >= blocks:
        raise ParamsError(
            f"training.layers: found {training.layers}; {base.name} has the blocks 0 to {blocks - 1}: name some of them"
        )
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules=target_modules(base.model, training.target),
        layers_to_transform=training.layers,
        revision=base.commit or None,
    )
    if base.backend.name == "unsloth":
        return unsloth_module().add_adapter(base.model, config, training.gradient_checkpointing, seed)
    return get_peft_model(base.model, config)


def continue_adapter(base: BaseModel, folder: Path) -> PeftModel:
    """The base model with a saved adapter that goes on learning."""
    return PeftModel.from_pretrained(base.model, folder, is_trainable=True)


def load_adapters(base: BaseModel, folders: dict[str, Path]) -> PeftModel:
    """The base model with all its adapters, each under its key; the base itself is loaded once."""
    (first, folder), *rest = folders.items()
    model = PeftModel.from_pretrained(base.model, folder, adapter_name=first)
    for name, folder in rest:
        model.load_adapter(folder, adapter_name=name)
    return model.eval()
