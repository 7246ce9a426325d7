"""One `make study` at a time in a study's folder; the kernel drops these locks with the process that holds them.

    python -m priorshift.pipeline.locks FOLDER COMMAND ...       COMMAND, holding the folder as a notebook at work does

On a cluster the processes are on several nodes, and the locks are as good as the shared file system's flock
(docs/cluster.md): where it holds within a node only, one node must start all studies of a folder.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from priorshift.errors import RunError, UserError
from priorshift.study.paths import StudyPaths

LOCKS = ("study", "notebooks")
PATIENCE = 60.0  # seconds; a kernel whose notebook was killed notices within a few


def hold_study(paths: StudyPaths) -> TextIO:
    """Take the study's folder for this process, until it ends; keep what is returned.

    Raises
    ------
    RunError
        When another `make study` has the folder, or a notebook in it goes on working.
    """
    lock = _open(paths, "study")
    if not _take(paths, lock, 0):
        raise RunError(
            f"{paths.root}: another `make study` is at work in this folder; wait until it ends, or end it first"
        )
    # A killed study may have left kernels that are still writing.
    with _open(paths, "notebooks") as notebooks:
        if not _take(paths, notebooks, PATIENCE):
            raise RunError(f"{paths.root}: a notebook is still at work in this folder; wait until it ends, or end it")
    return lock


@contextmanager
def working(paths: StudyPaths) -> Iterator[None]:
    """Held by a notebook that synthesizes, trains or measures: any number may, but no new `make study` begins then."""
    with _open(paths, "notebooks") as notebooks:
        _lock(paths, notebooks, fcntl.LOCK_SH)
        yield


def main(arguments: list[str]) -> int:
    """Become the command, with the lock held as long as it runs."""
    paths, command = StudyPaths(Path(arguments[0])), arguments[1:]
    try:
        lock = _open(paths, "notebooks")
        _lock(paths, lock, fcntl.LOCK_SH)
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    os.set_inheritable(lock.fileno(), True)
    os.execvp(command[0], command)


def _open(paths: StudyPaths, name: str) -> TextIO:
    path = paths.lock(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); make the folder writable") from None


def _lock(paths: StudyPaths, lock: TextIO, how: int) -> None:
    try:
        fcntl.flock(lock, how)
    except BlockingIOError:
        raise
    except OSError as problem:
        raise RunError(
            f"{paths.root}: its file system takes no locks ({problem.strerror}); mount it with them (Lustre: flock),"
            " or put outputs/ on another"
        ) from None


def _take(paths: StudyPaths, lock: TextIO, patience: float) -> bool:
    """Try for `patience` seconds to hold the lock alone."""
    end = time.monotonic() + patience
    while True:
        try:
            _lock(paths, lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.2)
        else:
            return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
