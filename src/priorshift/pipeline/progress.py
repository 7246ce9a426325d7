"""Where each job is, in one line for those who wait.

A job writes its line into a file of its own, `outputs/<study>/progress/<machine>-<process>.txt`, and removes it when it
ends. `priorshift run` shows the lines of all jobs, wherever they run. An executed notebook holds none of it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from priorshift.errors import RunError
from priorshift.files import write_text
from priorshift.study.paths import StudyPaths

if TYPE_CHECKING:  # who waits needs no torch
    import torch

PAUSE = 1.0  # seconds between two writings of a line
NEWS = 5.0  # seconds for which a line's age is not told
STALE = 900.0  # seconds after which a line is of a job that was killed


class Progress:
    """The line of one job, made by `show_progress`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, what: str, unit: str = "") -> None:
        """Begin a piece of work. `unit` is what `advance` counts, and empty where a share says more."""
        self.what, self.unit = what, unit
        self.began, self.written = time.monotonic(), 0.0
        self.advance(0, None)

    def advance(self, done: float, total: float | None) -> None:
        """Say how many units are done, and how many there will be, where that is known."""
        now = time.monotonic()
        if now - self.written < PAUSE:
            return
        self.written = now
        # A line that cannot be written must not end what it tells of.
        with suppress(RunError):
            write_text(self.path, f"{self.what}: {describe_progress(done, total, self.unit, now - self.began)}\n")


def describe_progress(done: float, total: float | None, unit: str, seconds: float) -> str:
    """Say how far a piece of work is, and how long it will take.

    Examples
    --------
    >>> describe_progress(10, 40, "step", 25.0)
    'step 10 of 40, 75 s left'
    >>> describe_progress(3, None, "", 25.0)
    '25 s so far'
    """
    if not total:
        return f"{seconds:.0f} s so far" if done else "begun"
    share = min(done / total, 1.0)
    said = f"{unit} {done:.0f} of {total:.0f}" if unit else f"{share:.0%}"
    return f"{said}, {seconds * (1 - share) / share:.0f} s left" if share else said


@contextmanager
def show_progress(paths: StudyPaths) -> Iterator[Progress]:
    """Give this job a line, for as long as it works."""
    path = paths.progress / f"{platform.node() or 'here'}-{os.getpid()}.txt"
    try:
        yield Progress(path)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()  # by the last job


@contextmanager
def follow_reading(
    progress: Progress, what: str, model: torch.nn.Module, total: float | None = None
) -> Iterator[list[int]]:
    """Begin a piece of work that a model's reading advances, for as long as the block lasts.

    Parameters
    ----------
    total : tokens that the model will read, with padding; None where that is not known

    Yields
    ------
    list
        One number: the tokens read so far.
    """
    read = [0]

    def count(module: torch.nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        read[0] += (kwargs["input_ids"] if "input_ids" in kwargs else args[0]).numel()
        progress.advance(read[0], total)

    progress.begin(what)
    handle = model.register_forward_hook(count, with_kwargs=True)
    try:
        yield read
    finally:
        handle.remove()


def read_progress(paths: StudyPaths) -> list[str]:
    """Read the line of every job at work, and how old it is."""
    lines = []
    for path in sorted(paths.progress.glob("*.txt")):
        with suppress(OSError):  # its job has just ended
            age = time.time() - path.stat().st_mtime
            if age < STALE:
                ago = f" ({age:.0f} s ago)" if age >= NEWS else ""
                lines.append(path.read_text(encoding="utf-8").strip() + ago)
    return lines
