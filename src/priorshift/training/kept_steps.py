"""Adapters as they were after some optimizer steps of a run, beside the one of its end."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import TrainerCallback


class KeptSteps(TrainerCallback):
    """Keeps a copy of the adapter after each of these steps, and writes them.

    Parameters
    ----------
    steps : numbers of optimizer steps, from 1
    """

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps, self.weights = frozenset(steps), {}

    def on_step_end(self, args, state, control, model: PeftModel | None = None, **kwargs) -> None:
        """Copy the adapter's weights, where this is one of the steps."""
        if state.global_step in self.steps:
            # "auto" would ask the hub about embeddings, which no adapter here touches.
            found = get_peft_model_state_dict(model, save_embedding_layers=False)
            self.weights[state.global_step] = {name: _copy(tensor) for name, tensor in found.items()}

    def write(self, folder: Path) -> None:
        """Write each kept adapter to `adapter-step-<n>`, beside the run's own in `folder/adapter`."""
        for step, weights in sorted(self.weights.items()):
            place = folder / f"adapter-step-{step}"
            place.mkdir()
            save_file(weights, place / "adapter_model.safetensors", metadata={"format": "pt"})
            shutil.copy(folder / "adapter" / "adapter_config.json", place)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
