"""The job of scoring by one system: items in; seconds, memory, tokens, scores out."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.material import Items, count_unique_tokens, load_model, make_items
from bench.systems import BATCH_SIZES, SYSTEMS, Score
from bench.worker import Setting
from priorshift.probability.forward import is_out_of_memory

JOB = "bench.scoring:Scoring"
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Point:
    """One point of the grid."""

    items: int
    stem_tokens: int
    continuations: int


@dataclass(frozen=True)
class Timing:
    """One timed pass over a point's items.

    Attributes
    ----------
    peak_mb, scoring_mb : the most memory held, and how much of it beyond what was held before (MiB)
    computed_tokens, unique_tokens : tokens that entered the model, padding included, and those that had to
    scores : [items][continuations] summed logprobs (nats)
    """

    seconds: float
    batch_size: int
    peak_mb: float
    scoring_mb: float
    computed_tokens: int
    unique_tokens: int
    scores: list[list[float]]


class Scoring:
    """One system on one model; the first call at a point settles the batch size; each has a few untimed items."""

    def __init__(self, system: str, setting: Setting) -> None:
        self.device = setting.device
        model, self.tokenizer = load_model(setting)
        start = time.perf_counter()
        sizes = BATCH_SIZES[setting.device].get(system, (0,))
        self.scores = {size: SYSTEMS[system](model, self.tokenizer, size) for size in sizes}
        self.load_s = time.perf_counter() - start
        self.tokens = _count_tokens(model)
        self.quickest: dict[Point, int] = {}

    def __call__(self, point: Point, seed: int) -> Timing:
        """Score the point's items drawn by `seed`."""
        few = make_items(self.tokenizer, max(2, point.items // 4), point.stem_tokens, point.continuations, 0)
        if point not in self.quickest:
            seconds = {size: _time_trial(score, few) for size, score in self.scores.items()}
            self.quickest[point] = min(seconds, key=seconds.get)
        size = self.quickest[point]
        items = make_items(self.tokenizer, point.items, point.stem_tokens, point.continuations, seed)
        self.scores[size](few.stems, few.continuations)  # untimed: others had the caches since the last turn
        before = self.tokens[0]
        with _measure_memory(self.device) as memory:
            seconds, found = _time_scoring(self.scores[size], items)
        unique = count_unique_tokens(self.tokenizer, items)
        return Timing(seconds, size, *memory, int(self.tokens[0] - before), unique, found)


def _time_scoring(score: Score, items: Items) -> tuple[float, list[list[float]]]:
    gc.collect()
    start = time.perf_counter()
    found = score(items.stems, items.continuations)
    return time.perf_counter() - start, found


def _time_trial(score: Score, few: Items) -> float:
    """Seconds with a batch size; infinite where memory does not hold it."""
    try:
        return _time_scoring(score, few)[0]
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()
    torch.cuda.empty_cache()
    return float("inf")


def _count_tokens(model: torch.nn.Module) -> np.ndarray:
    """A running count [1] of the tokens that enter the model, padding included, whoever sends them."""
    count = np.zeros(1, dtype=np.int64)

    def add(module: torch.nn.Module, args: tuple) -> None:
        count[0] += args[0].numel()

    model.get_input_embeddings().register_forward_pre_hook(add)
    return count


@contextmanager
def _measure_memory(device: str) -> Iterator[list[float]]:
    """[peak, peak beyond what was held before] in MiB: of the GPU, or of the process (NaN outside Linux)."""
    found: list[float] = []
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
        yield found
        peak = torch.cuda.max_memory_allocated() / 2**20
    elif CLEAR.exists():
        # Writing 5 sets the peak back to what is held now (proc(5), clear_refs).
        CLEAR.write_text("5")
        before = _read_status_mb("VmRSS")
        yield found
        peak = _read_status_mb("VmHWM")
    else:
        peak = before = float("nan")
        yield found
    found += [peak, peak - before]


def _read_status_mb(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024
