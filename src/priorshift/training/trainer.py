"""TRL's trainer as this package uses it: where the loss falls, an anchor beside it, and when it stops."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from peft import PeftModel
from transformers import TrainerCallback
from trl import SFTTrainer

from priorshift.errors import RunError
from priorshift.training.anchor import Anchor
from priorshift.training.loss_positions import keep_loss_positions


class Trainer(SFTTrainer):
    """TRL's trainer, which lets only positions with loss reach the head, and adds an anchor's penalty.

    Attributes
    ----------
    head : the layer that only the positions with loss reach, None where all do
    anchor : the penalty, None where there is none
    """

    head: torch.nn.Module | None = None
    anchor: Anchor | None = None

    def compute_loss(self, model: PeftModel, inputs: dict, *args, **options) -> torch.Tensor:
        """The loss of one micro-batch, as the trainer asks for it."""
        if self.head is None:
            loss = super().compute_loss(model, inputs, *args, **options)
        else:
            with keep_loss_positions(self.head, inputs["labels"]) as following:
                loss = super().compute_loss(model, inputs | {"shift_labels": following}, *args, **options)
        if self.anchor is None:
            return loss
        # Where the trainer divides by the number of micro-batches afterwards, the penalty's parts must still add up.
        whole = self.model_accepts_loss_kwargs and options.get("num_items_in_batch") is not None
        parts = 1 if whole else self.current_gradient_accumulation_steps
        return loss + parts * self.anchor.compute(self.model, self.state.global_step)

    def floating_point_ops(self, inputs: dict) -> int:
        """Nothing reads the count, and it takes a walk through all modules at every step."""
        return 0


class Report(TrainerCallback):
    """Calls a function after each optimizer step with its number, and that of the last."""

    def __init__(self, on_step: Callable[[int, int], None] | None) -> None:
        self.on_step = on_step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Report the step."""
        if self.on_step:
            self.on_step(state.global_step, state.max_steps)


class StopAtNonFiniteLoss(TrainerCallback):
    """Stops a run whose loss is no number."""

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Look at the loss. Raises RunError where it is NaN or infinite."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            raise RunError(
                f"training loss is {loss} at step {state.global_step}; lower training.learning_rate "
                "or check the base model's weights"
            )
