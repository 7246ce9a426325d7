"""LoRA adapters on a base model: a fresh one, one that is trained further, or several saved ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError

from priorshift.errors import ParamsError, RunError
from priorshift.models.backends import import_unsloth
from priorshift.models.base import BaseModel
from priorshift.models.layers import count_by_name, find_named_modules, find_target_modules
from priorshift.models.weights import find_adapter_gaps
from priorshift.study.sections import Training


def add_adapter(base: BaseModel, training: Training, seed: int) -> PeftModel:
    """Put a fresh LoRA adapter on the base model.

    PEFT draws its weights from torch's global generator, which the caller sets to `seed`. Unsloth takes the seed.

    Raises
    ------
    ParamsError
        When the training names layers that the model lacks, or its target is only a part of what the model has.
    """
    n_layers = base.model.config.get_text_config(decoder=True).num_hidden_layers
    if training.layers and max(training.layers) >= n_layers:
        raise ParamsError(
            f"training.layers: found {training.layers}; {base.name} has the layers 0 to {n_layers - 1}: "
            "name some of them"
        )
    if training.target_modules:
        modules = find_named_modules(base.model, training.target_modules)
    else:
        modules = find_target_modules(base.model, training.target, training.layers)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules=modules,
        layers_to_transform=training.layers,
        revision=base.commit or None,
    )
    if base.backend.name == "unsloth":
        return import_unsloth().add_adapter(base.model, config, training.gradient_checkpointing, seed)
    return get_peft_model(base.model, config)


def count_adapted(model: PeftModel) -> dict[str, int]:
    """Count the adapted layers by their names within a block."""
    return count_by_name([name for name, module in model.named_modules() if isinstance(module, LoraLayer)])


def continue_adapter(base: BaseModel, folder: Path) -> PeftModel:
    """Put a saved adapter on the base model, to be trained further.

    Raises
    ------
    RunError
        As `load_adapters`.
    """
    return _load_adapter(base, folder, is_trainable=True)


def load_adapters(base: BaseModel, folders: dict[str, Path]) -> PeftModel:
    """Put saved adapters on the base model, each under its key. The base itself is loaded once.

    Returns
    -------
    PeftModel
        In evaluation mode; ``set_adapter(key)`` switches between them.

    Raises
    ------
    RunError
        When an adapter does not fit the base model, naming its first tensor that is missing or has no place.
    """
    model = None
    for name, folder in folders.items():
        model = _load_adapter(base, folder, model, name)
    return model.eval()


@contextmanager
def hold_adapter(base: BaseModel, folder: Path) -> Iterator[None]:
    """Put a saved adapter on the base model in place, and take it off again. Errors are those of `load_adapters`.

    One at a time, so that memory does not grow with the number of runs.
    """
    model = load_adapters(base, {"run": folder})
    try:
        yield
    finally:
        base.model = model.unload()


def _load_adapter(
    base: BaseModel, folder: Path, model: PeftModel | None = None, name: str = "default", is_trainable: bool = False
) -> PeftModel:
    """The base model with one more adapter, all of whose tensors found their place."""
    try:
        if model is None:
            model = PeftModel.from_pretrained(base.model, folder, adapter_name=name, is_trainable=is_trainable)
        else:
            model.load_adapter(folder, adapter_name=name)
        # "auto" would ask the hub about embeddings, which no adapter here touches.
        expected = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        gaps = find_adapter_gaps(folder, expected)
    except (OSError, RuntimeError, ValueError, SafetensorError) as problem:  # shapes, layers, damaged files
        gaps = " ".join(str(problem).split())[:200]
    if gaps:
        raise RunError(f"{base.name}: the adapter in {folder} does not fit ({gaps}); train it again (notebook 02)")
    return model
