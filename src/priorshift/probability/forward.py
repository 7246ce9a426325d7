"""Rows of tokens -> logprobs, by one causal language model, in as little memory as possible."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedModel

from priorshift.errors import RunError
from priorshift.probability.log_softmax import look_up_log_softmax, write_log_softmax
from priorshift.probability.token_tree import Row, locate_wanted, pad_rows, plan_batches

# Padded tokens of a first forward pass, halved where memory runs out.
BUDGET = {"cpu": 2048, "cuda": 32768}
# Values in the logits of one forward pass (256 MB and 1 GB in float32).
LOGITS = {"cpu": 2**26, "cuda": 2**28}


class Forward:
    """One model as a function from rows to logprobs.

    Parameters
    ----------
    model : PreTrainedModel or PeftModel
    token_budget : int, optional
        Padded tokens of a forward pass to begin with.

    Attributes
    ----------
    budget : int
        Padded tokens of a forward pass; halved where memory runs out.
    counts : dict
        What went through the model so far: "forwards", "computed_tokens" (with padding), "read_tokens" (without).
    """

    def __init__(self, model: PreTrainedModel, token_budget: int | None = None) -> None:
        self.model = cast(Any, model)  # its base class types every attribute as a tensor or a module
        self.core = self.model.get_base_model() if hasattr(model, "get_base_model") else self.model
        accepted = signature(self.core.forward).parameters
        self.options = {"use_cache": False} if "use_cache" in accepted else {}
        kind = self.device.type
        self.budget = token_budget or BUDGET.get(kind, BUDGET["cuda"])
        self.logits = LOGITS.get(kind, LOGITS["cuda"])
        self.counts = {"forwards": 0, "computed_tokens": 0, "read_tokens": 0}

    @property
    def device(self) -> torch.device:
        """Where the model's inputs go."""
        return self.model.get_input_embeddings().weight.device

    @property
    def vocabulary(self) -> int:
        """Width of the logits, which may exceed the tokenizer's vocabulary."""
        return self.model.get_output_embeddings().weight.shape[0]

    @property
    def n_embedded(self) -> int:
        """How many tokens the model has embeddings for."""
        return self.model.get_input_embeddings().weight.shape[0]

    @property
    def most_wanted(self) -> int:
        """The most next-token distributions of a forward pass."""
        return max(1, self.logits // self.vocabulary)

    def count(self, computed: int, read: int) -> None:
        """Count a forward pass of so many tokens, with padding and without."""
        for name, number in (("forwards", 1), ("computed_tokens", computed), ("read_tokens", read)):
            self.counts[name] += number

    def look_up(self, rows: Sequence[Row], out: np.ndarray, plain: bool) -> None:
        """Write the logprob (nats) of each row's targets to its slots of `out` [E].

        Parameters
        ----------
        rows : sequence of Row
        out : float64 [E], written to
        plain : bool
            Whether all rows are plain. Plain rows need no mask and are never padded.

        Raises
        ------
        RunError
            Memory runs out for a single row.
        """
        for batch, logits in self._logits(rows, plain):
            kept = np.cumsum([0] + [row.n_wanted for row in batch])
            predictor = np.concatenate([row.predictor + start for row, start in zip(batch, kept, strict=False)])
            target = np.concatenate([row.target for row in batch])
            values = look_up_log_softmax(logits, predictor, target)
            out[np.concatenate([row.slot for row in batch])] = values

    def write_distributions(self, rows: Sequence[Row], out: np.ndarray, plain: bool) -> None:
        """Write each row's next-token logprobs (nats) to its line of `out`, float32 [N, V].

        Parameters and errors are those of `look_up`.
        """
        for batch, logits in self._logits(rows, plain):
            write_log_softmax(logits, out, np.concatenate([row.slot for row in batch]))

    def _logits(self, rows: Sequence[Row], plain: bool) -> Iterator[tuple[list[Row], torch.Tensor]]:
        """Batches with the logits [K, V] of their wanted columns."""
        return self.run(rows, lambda rest: self._plan(rest, plain), lambda batch: self._forward(batch, plain))

    def run(
        self,
        rows: Sequence[Row],
        plan: Callable[[Sequence[Row]], Iterator[list[Row]]],
        compute: Callable[[list[Row]], torch.Tensor],
    ) -> Iterator[tuple[list[Row], torch.Tensor]]:
        """Batches of `plan` with what `compute` makes of them. Out of memory means smaller batches."""
        waiting = deque(plan(rows))
        with switch_to_evaluation(self.model):
            while waiting:
                batch = waiting.popleft()
                made = self._attempt(batch, compute)
                if made is None:
                    self._halve(batch)
                    middle, rest = len(batch) // 2, [row for later in waiting for row in later]
                    # Halved for itself too: a plan may not follow the budget down to a single row.
                    waiting = deque([batch[:middle], batch[middle:], *plan(rest)])
                    continue
                yield batch, made

    def _plan(self, rows: Sequence[Row], plain: bool) -> Iterator[list[Row]]:
        return plan_batches(rows, self.budget, self.most_wanted, smallest=self.budget // 16, equal=plain)

    def _attempt(self, batch: list[Row], compute: Callable[[list[Row]], torch.Tensor]) -> torch.Tensor | None:
        try:
            return compute(batch)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _halve(self, batch: list[Row]) -> None:
        # Outside the except block: the traceback would keep the tensors alive.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        length = max(len(row.ids) for row in batch)
        if len(batch) == 1:
            raise RunError(f"out of memory with a single row of {length} tokens; use a smaller model or device")
        self.budget = max(length, min(self.budget, length * len(batch)) // 2)

    def _forward(self, batch: list[Row], plain: bool) -> torch.Tensor:
        ids, position, end = (torch.from_numpy(array).to(self.device) for array in pad_rows(batch))
        line, column = (torch.from_numpy(array).to(self.device) for array in locate_wanted(batch))
        inputs: dict[str, torch.Tensor] = (
            {} if plain else {"position_ids": position, "attention_mask": self._make_mask(end)}
        )
        with torch.no_grad(), narrow_head(self.model.get_output_embeddings(), line, column, ids.shape) as narrowed:
            logits = self.model(input_ids=ids, **inputs, **self.options).logits
        self.count(ids.numel(), sum(len(row.ids) for row in batch))
        # A model that does not call its head as a module returns all logits: right, only larger.
        return logits[0] if narrowed else logits[line, column]

    def _make_mask(self, end: torch.Tensor) -> torch.Tensor:
        """Additive attention mask [B, 1, L, L]: column j is seen by row i where j <= i < end[j]."""
        column = torch.arange(end.shape[1], device=end.device)
        seen = (column <= column[:, None]) & (column[:, None] < end[:, None, :])
        dtype = self.model.dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=end.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


@contextmanager
def switch_to_evaluation(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout off, and give the modules their own modes back afterwards.

    Examples
    --------
    >>> dropout = torch.nn.Dropout()
    >>> with switch_to_evaluation(dropout):
    ...     dropout.training
    False
    >>> dropout.training
    True
    """
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def narrow_head(
    head: torch.nn.Module, line: torch.Tensor, column: torch.Tensor, shape: torch.Size
) -> Iterator[list[bool]]:
    """Let the language-model head see only the wanted columns: hidden [B, L, H] -> [1, K, H].

    `logits_to_keep` takes the same columns for every row of a batch, and here they differ.
    """
    narrowed: list[bool] = []

    def narrow(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        hidden = args[0]
        if hidden.shape[:2] != shape:
            return None
        narrowed.append(True)
        return (hidden[line.to(hidden.device), column.to(hidden.device)][None], *args[1:])

    handle = head.register_forward_pre_hook(narrow)
    try:
        yield narrowed
    finally:
        handle.remove()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on a CPU.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA out of memory")), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
