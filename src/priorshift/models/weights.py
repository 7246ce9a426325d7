"""Does every tensor of a file find its place, and every place its tensor? A model with a gap is never measured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel


def describe_gaps(missing: Collection[str], unexpected: Collection[str], reshaped: Sequence[tuple] = ()) -> str:
    """Name the first tensors that are missing, have no place, or are of another shape. Empty where there are none.

    Parameters
    ----------
    missing, unexpected : names of tensors
    reshaped : (name, shape in the file, shape in the model) of each

    Examples
    --------
    >>> describe_gaps(["b", "a"], [])
    "missing tensors: 'a' and 1 more"
    """
    parts = []
    if missing:
        parts.append(f"missing tensors: {_name_first(missing)}")
    if unexpected:
        parts.append(f"unexpected tensors: {_name_first(unexpected)}")
    if reshaped:
        name, found, expected = sorted(reshaped)[0]
        more = _count_more(reshaped)
        parts.append(f"of another shape: {name!r}{more} ({list(found)} for {list(expected)})")
    return "; ".join(parts)


def find_gaps(model: PreTrainedModel, loaded: dict[str, Any]) -> str:
    """Name what did not fit as a model was loaded, as `describe_gaps`.

    Tied weights and buffers that a model computes itself may be missing.

    Parameters
    ----------
    loaded : what Transformers tells of a load with ``output_loading_info=True``
    """
    computed = {name for name, _ in model.named_buffers()} - set(model.state_dict())
    unexpected = [name for name in loaded["unexpected_keys"] if name not in computed]
    reshaped = loaded["mismatched_keys"]
    if getattr(model.config, "quantization_config", None):
        # A quantized weight is packed, and its scales stand beside it under its own name.
        packed = tuple(f"{name}." for name, _ in model.named_parameters())
        unexpected = [name for name in unexpected if not name.startswith(packed)]
        reshaped = []
    return describe_gaps(loaded["missing_keys"], unexpected, list(reshaped))


def find_gaps_in_folder(folder: Path) -> str:
    """`find_gaps` of the model in a folder, read by Transformers into no memory: for loaders that do not tell."""
    options = {"output_loading_info": True, "ignore_mismatched_sizes": True, "trust_remote_code": False}
    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(folder, device_map="meta", use_safetensors=True, **options)
    except NotImplementedError:  # both of two tied weights are there, and only in memory can they be compared
        model, loaded = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", use_safetensors=True, **options)
    return find_gaps(model, loaded)


def find_adapter_gaps(folder: Path, expected: dict[str, torch.Tensor]) -> str:
    """Name what does not fit of a saved adapter, as `describe_gaps`.

    Parameters
    ----------
    expected : name -> tensor, as PEFT would save the adapter
    """
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        found = set(file.keys())
    return describe_gaps(set(expected) - found, found - set(expected))


def _name_first(names: Collection[str]) -> str:
    return f"{sorted(names)[0]!r}{_count_more(names)}"


def _count_more(found: Collection) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""
