"""Rows of tokens -> logprobs, by one causal language model, in as little memory as possible."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature

import numpy as np
import torch

from priorshift.errors import RunError
from priorshift.probability.token_tree import Row, pad_rows, plan_batches, wanted_columns

# Padded tokens of a first forward pass; halved where memory runs out.
BUDGET = {"cpu": 2048, "cuda": 32768}
# Values in the logits of one forward pass (256 MB and 1 GB in float32).
LOGITS = {"cpu": 2**26, "cuda": 2**28}
# Values that log-softmax works on at a time, in float32.
CHUNK = 2**24


class Forward:
    """One model as a function from rows to logprobs.

    `counts` adds up what went through the model: forward passes, tokens with padding (computed) and
    without (read).
    """

    def __init__(self, model: torch.nn.Module, token_budget: int | None = None) -> None:
        self.model = model
        core = model.get_base_model() if hasattr(model, "get_base_model") else model
        accepted = signature(core.forward).parameters
        self.options = {"use_cache": False} if "use_cache" in accepted else {}
        kind = self.device.type
        self.budget = token_budget or BUDGET.get(kind, BUDGET["cuda"])
        self.logits = LOGITS.get(kind, LOGITS["cuda"])
        self.counts = {"forwards": 0, "computed_tokens": 0, "read_tokens": 0}

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def vocabulary(self) -> int:
        """Width of the logits, which may exceed the tokenizer's vocabulary."""
        return _head(self.model).weight.shape[0]

    def lookup(self, rows: Sequence[Row], out: np.ndarray, plain: bool) -> None:
        """Write the logprob (nats) of each row's targets to its slots of `out`."""
        for batch, logits in self._logits(rows, plain):
            kept = np.cumsum([0] + [row.wanted for row in batch])
            source = np.concatenate([row.source + start for row, start in zip(batch, kept, strict=False)])
            target = np.concatenate([row.target for row in batch])
            values = _pick(logits, source, target)
            out[np.concatenate([row.slot for row in batch])] = values

    def distributions(self, rows: Sequence[Row], out: np.ndarray, plain: bool) -> None:
        """Write each row's next-token logprobs (nats) to its line of `out` [N, V]."""
        for batch, logits in self._logits(rows, plain):
            lines = np.concatenate([row.slot for row in batch])
            step = max(1, CHUNK // logits.shape[-1])
            for start in range(0, len(lines), step):
                block = logits[start : start + step].float().log_softmax(-1)
                out[lines[start : start + step]] = block.cpu().numpy()

    def _logits(self, rows: Sequence[Row], plain: bool) -> Iterator[tuple[list[Row], torch.Tensor]]:
        """Batches with the logits [K, V] of their wanted columns; out of memory means smaller batches."""
        waiting = deque(self._plan(rows, plain))
        with evaluation(self.model):
            while waiting:
                batch = waiting.popleft()
                logits = self._attempt(batch, plain)
                if logits is None:
                    self._halve(batch)
                    rest = batch + [row for later in waiting for row in later]
                    waiting = deque(self._plan(rest, plain))
                    continue
                yield batch, logits

    def _plan(self, rows: Sequence[Row], plain: bool) -> Iterator[list[Row]]:
        wanted = max(1, self.logits // self.vocabulary)
        return plan_batches(rows, self.budget, wanted, smallest=self.budget // 16, equal=plain)

    def _attempt(self, batch: list[Row], plain: bool) -> torch.Tensor | None:
        try:
            return self._forward(batch, plain)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not out_of_memory(error):
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
        line, column = (torch.from_numpy(array).to(self.device) for array in wanted_columns(batch))
        inputs = {} if plain else {"position_ids": position, "attention_mask": self._mask(end)}
        with torch.no_grad(), _only(_head(self.model), line, column, ids.shape) as narrowed:
            logits = self.model(input_ids=ids, **inputs, **self.options).logits
        self.counts["forwards"] += 1
        self.counts["computed_tokens"] += ids.numel()
        self.counts["read_tokens"] += sum(len(row.ids) for row in batch)
        # A model that does not call its head as a module returns all logits: right, only larger.
        return logits[0] if narrowed else logits[line, column]

    def _mask(self, end: torch.Tensor) -> torch.Tensor:
        """Additive attention mask [B, 1, L, L]: column j is seen by row i where j <= i < end[j]."""
        column = torch.arange(end.shape[1], device=end.device)
        seen = (column <= column[:, None]) & (column[:, None] < end[:, None, :])
        dtype = self.model.dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=end.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


@contextmanager
def evaluation(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off, and the modules' own modes back afterwards.

    Examples
    --------
    >>> dropout = torch.nn.Dropout()
    >>> with evaluation(dropout):
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


def _head(model: torch.nn.Module) -> torch.nn.Module:
    return model.get_output_embeddings()


@contextmanager
def _only(head: torch.nn.Module, line: torch.Tensor, column: torch.Tensor, shape: torch.Size) -> Iterator[list[bool]]:
    """Let the language-model head see only the wanted columns: hidden [B, L, H] -> [1, K, H].

    `logits_to_keep` takes the same columns for every row of a batch, and here they differ.
    """
    narrowed: list[bool] = []

    def narrow(module: torch.nn.Module, args: tuple) -> tuple | None:
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


def _pick(logits: torch.Tensor, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Logprob [E] of `target` in the distributions `source` of `logits` [K, V]: log-softmax in float32."""
    step = max(1, CHUNK // logits.shape[-1])
    total = torch.cat([part.float().logsumexp(-1) for part in logits.split(step)])
    source, target = (torch.from_numpy(array).to(logits.device) for array in (source, target))
    return (logits[source, target].float() - total[source]).cpu().numpy()


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on a CPU."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
