"""Base models and their adapters: embedded, local directory or hub id -> model, tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from priorshift.base_files import locate
from priorshift.errors import ParamsError, RunError
from priorshift.sections import BaseModelParams, Training

# Linear layers of the common architectures, by what they belong to.
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "query_key_value", "attention.dense", "c_attn", "attn.c_proj")
MLP = ("gate_proj", "up_proj", "down_proj", "dense_h_to_4h", "dense_4h_to_h", "c_fc", "mlp.c_proj")


@dataclass
class BaseModel:
    """A loaded base model and what is known of it.

    Attributes
    ----------
    world, group : for embedded models the calibration world and the architecture; otherwise "" and the name
    backend, backend_reason : who does the fine-tuning, and why
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    world: str
    group: str
    device: str
    backend: str
    backend_reason: str


def load_base(params: BaseModelParams) -> BaseModel:
    """Load a base model in evaluation mode, on the GPU where there is one.

    Raises
    ------
    ParamsError
        In one line, when nothing loadable is found under the source.
    """
    folder, card = locate(params)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Eager attention: PyTorch's fused CPU kernel is slower than the plain product at these sizes.
    attention = "eager" if device == "cpu" else "sdpa"
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, revision=params.revision)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            revision=params.revision,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention,
        )
    except Exception as problem:  # of many kinds: a damaged file fails wherever its reader notices
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise ParamsError(
            f"base_models: {params.name}: cannot load {params.source!r} ({reason}); "
            "give a hub id that can be reached, or a directory with config.json, tokenizer and safetensors"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"base_models: {params.name}: weight {name!r} holds NaN or infinity; get the model again")
    model.eval().to(device)
    # What PEFT writes into an adapter: it must not name this machine's folders.
    model.name_or_path = params.name if isinstance(folder, Path) else params.source
    reason = "no CUDA device" if device == "cpu" else "Unsloth is not wired in yet"
    return BaseModel(
        params.name,
        model,
        tokenizer,
        card.get("world", ""),
        card.get("architecture", params.name),
        device,
        "peft",
        reason,
    )


def check_words(base: BaseModel, texts: Iterable[str]) -> None:
    """Refuse texts with words that the tokenizer does not know: an embedded model reads only its own vocabulary.

    Raises
    ------
    RunError
        Naming the word, and the command that rebuilds the base models with it.
    """
    unknown = base.tokenizer.unk_token_id
    for text in texts if base.world else ():
        # A text may open a document or follow a space: the vocabulary has the tokens of its own places.
        found = [base.tokenizer(lead + text, add_special_tokens=False)["input_ids"] for lead in ("", " ")]
        if all(unknown in ids for ids in found):
            position = found[1].index(unknown)
            known = base.tokenizer.decode(found[1][:position])
            raise RunError(
                f"{base.name} does not know a word of {text!r} (after {known!r}); "
                "reword it, or rebuild the embedded models with `make base-models`"
            )


def target_modules(model: PreTrainedModel, target: str) -> list[str]:
    """Names of the linear layers that an adapter sits on: attention, mlp or all."""
    wanted = {"attention": ATTENTION, "mlp": MLP, "all": ATTENTION + MLP}[target]
    found = sorted({w for name, _ in model.named_modules() for w in wanted if name.endswith("." + w)})
    if not found:
        raise ParamsError(
            f"training.target: no {target} layers known in {type(model).__name__}; expected one of {wanted}"
        )
    return found


def add_adapter(base: BaseModel, training: Training) -> PeftModel:
    """A fresh LoRA adapter on the base model (weights drawn from torch's global generator)."""
    blocks = base.model.config.num_hidden_layers
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
    )
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
