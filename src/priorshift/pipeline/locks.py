"""Locks on files, which the kernel drops with the process that holds them. First of all, one `make study` at a time.

    python -m priorshift.pipeline.locks FOLDER COMMAND ...       COMMAND, holding the folder as a notebook at work does

A lock ends with its process, however that ends. Notebooks at work in a study's folder hold it together, and a new
`priorshift run` waits for them up to a minute. So kernels that outlived a killed study cannot write into the next one.

This is the only use of flock. The package filelock locks by flock too, but for one holder alone. Its lock for many
readers is a SQLite database that a process loses as it becomes another program (exec), as papermill's does here.

On a cluster the processes are on several nodes, and the locks are as good as the shared file system's flock
(docs/cluster.md). Where it holds within a node only, one node must start all studies of a folder.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import NoReturn, TextIO

from priorshift.errors import RunError, UserError
from priorshift.study.paths import StudyPaths

PATIENCE = 60.0  # seconds: a kernel whose notebook was killed notices within a few
PAUSE = 0.1  # seconds between two tries


def lock_file(path: Path, shared: bool = False, patience: float = inf) -> TextIO | None:
    """Open a file and lock it, for as long as it stays open in this process or in one that it became.

    Parameters
    ----------
    shared : any number of processes may hold it so at once, while none holds it alone
    patience : seconds to try for

    Returns
    -------
    TextIO or None
        The open file; None where others held it all the time.

    Raises
    ------
    RunError
        When the file cannot be written, or its file system takes no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); make the folder writable") from None
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(opened, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return opened
        except BlockingIOError:
            if time.monotonic() >= end:
                opened.close()
                return None
            time.sleep(PAUSE)
        except OSError as problem:
            opened.close()
            raise RunError(
                f"{path}: its file system takes no locks ({problem.strerror}); mount it with them (Lustre: flock),"
                " or put the folder on another"
            ) from None


def become(command: Sequence[str], held: Sequence[TextIO]) -> NoReturn:
    """Become another program, which holds the locked files until it ends."""
    for opened in held:
        os.set_inheritable(opened.fileno(), True)
    os.execvp(command[0], command)


def hold_study(paths: StudyPaths) -> TextIO:
    """Take the study's folder for this process, until it ends. Keep what is returned.

    Raises
    ------
    RunError
        When another `make study` has the folder, or a notebook in it goes on working.
    """
    held = lock_file(paths.lock("study"), patience=0)
    if held is None:
        raise RunError(
            f"{paths.root}: another `make study` is at work in this folder; wait until it ends, or end it first"
        )
    # A killed study may have left kernels that are still writing.
    notebooks = lock_file(paths.lock("notebooks"), patience=PATIENCE)
    if notebooks is None:
        held.close()
        raise RunError(f"{paths.root}: a notebook is still at work in this folder; wait until it ends, or end it")
    notebooks.close()
    return held


@contextmanager
def hold_notebook(paths: StudyPaths) -> Iterator[None]:
    """Hold the study's folder as a notebook at work does: any number may, but no new `make study` begins then."""
    with lock_file(paths.lock("notebooks"), shared=True):
        yield


def main(words: Sequence[str]) -> int:
    """Become the command, with the folder held as long as it runs."""
    try:
        held = lock_file(StudyPaths(Path(words[0])).lock("notebooks"), shared=True)
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    become(words[1:], [held])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
