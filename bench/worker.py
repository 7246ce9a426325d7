"""One system in a process of its own, so that its memory is its own: items in; seconds, memory, tokens, scores out."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from bench.material import Items, load, make_items, unique_tokens
from bench.systems import BATCH_SIZES, SYSTEMS
from priorshift.errors import RunError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Setting:
    """What all systems share."""

    model: str
    device: str
    attention: str
    threads: int


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


class Worker:
    """The parent's end: a system that has loaded its model and waits."""

    def __init__(self, system: str, setting: Setting) -> None:
        self.system = system
        self._connection, other = get_context("spawn").Pipe()
        # Read by the child's OpenMP when it starts.
        os.environ["OMP_NUM_THREADS"] = str(setting.threads)
        self._process = get_context("spawn").Process(target=_serve, args=(other, system, setting), daemon=True)
        self._process.start()
        other.close()
        self.load_s: float = self._receive("while loading")

    def run(self, point: Point, seed: int) -> Timing:
        """Score the point's items drawn by `seed`; the first call at a point settles the batch size, untimed."""
        self._connection.send((point, seed))
        return self._receive(f"at {point}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()

    def _receive(self, when: str) -> float | Timing:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise RunError(f"{self.system} ended with exit code {code} {when}: out of memory?") from None
        if isinstance(answer, Exception):
            raise RunError(f"{self.system} failed {when}: {type(answer).__name__}: {answer}") from answer
        return answer


def _serve(connection: Connection, system: str, setting: Setting) -> None:
    try:
        torch.set_num_threads(setting.threads)
        model, tokenizer = load(setting.model, setting.attention, setting.device)
        start = time.perf_counter()
        scores = {size: SYSTEMS[system](model, tokenizer, size) for size in BATCH_SIZES.get(system, (0,))}
        connection.send(time.perf_counter() - start)
        tokens = _count_tokens(model)
        quickest: dict[Point, int] = {}
        while True:
            point, seed = connection.recv()
            if point not in quickest:
                few = make_items(tokenizer, max(2, point.items // 4), point.stem_tokens, point.continuations, 0)
                seconds = {size: _seconds(score, few)[0] for size, score in scores.items()}
                quickest[point] = min(seconds, key=seconds.get)
            size = quickest[point]
            items = make_items(tokenizer, point.items, point.stem_tokens, point.continuations, seed)
            before = tokens[0]
            with _memory(setting.device) as memory:
                seconds, found = _seconds(scores[size], items)
            unique = unique_tokens(tokenizer, items)
            connection.send(Timing(seconds, size, *memory, tokens[0] - before, unique, found))
    except (EOFError, KeyboardInterrupt):
        pass
    except Exception as error:  # told to the parent, which stops with one line
        connection.send(error)


def _seconds(score, items: Items) -> tuple[float, list[list[float]]]:
    gc.collect()
    start = time.perf_counter()
    found = score(items.stems, items.continuations)
    return time.perf_counter() - start, found


def _count_tokens(model: torch.nn.Module) -> np.ndarray:
    """A running count [1] of the tokens that enter the model, padding included, whoever sends them."""
    count = np.zeros(1, dtype=np.int64)

    def add(module: torch.nn.Module, args: tuple) -> None:
        count[0] += args[0].numel()

    model.get_input_embeddings().register_forward_pre_hook(add)
    return count


@contextmanager
def _memory(device: str) -> Iterator[list[float]]:
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
        before = _status_mb("VmRSS")
        yield found
        peak = _status_mb("VmHWM")
    else:
        peak = before = float("nan")
        yield found
    found += [peak, peak - before]


def _status_mb(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024
