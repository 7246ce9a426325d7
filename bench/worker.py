"""A job in a process of its own, so that its memory is its own: requests in, results out.

Nothing heavy is imported here: a job may need to import a library before any other does (Unsloth).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from priorshift.errors import RunError


@dataclass(frozen=True)
class Setting:
    """What all jobs share. `model`: a name that `material.load` knows, or a folder."""

    model: str
    device: str
    dtype: str
    attention: str
    threads: int


class Worker:
    """The parent's end: a job that has loaded its model and waits.

    Parameters
    ----------
    job : str
        A class as "module:Name". It is made from `system` and `setting` in the process, has the seconds that
        getting ready took as `load_s`, and is called with each request.
    """

    def __init__(self, job: str, system: str, setting: Setting) -> None:
        self.system = system
        self._connection, other = get_context("spawn").Pipe()
        # Read by the child's OpenMP when it starts.
        os.environ["OMP_NUM_THREADS"] = str(setting.threads)
        self._process = get_context("spawn").Process(target=_serve, args=(other, job, system, setting), daemon=True)
        self._process.start()
        other.close()
        self.load_s: float = self._receive("while loading")

    def run(self, *request: Any) -> Any:
        """The job's result for a request."""
        self._connection.send(request)
        return self._receive(f"at {request[0]}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()

    def _receive(self, when: str) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise RunError(f"{self.system} ended with exit code {code} {when}: out of memory?") from None
        if isinstance(answer, Exception):
            raise RunError(f"{self.system} failed {when}: {type(answer).__name__}: {answer}") from answer
        return answer


def _serve(connection: Connection, job: str, system: str, setting: Setting) -> None:
    try:
        import torch

        torch.set_num_threads(setting.threads)
        module, name = job.split(":")
        ready = getattr(import_module(module), name)(system, setting)
        connection.send(ready.load_s)
        while True:
            connection.send(ready(*connection.recv()))
    except (EOFError, KeyboardInterrupt):
        pass
    except Exception as error:  # told to the parent, which stops with one line
        connection.send(error)
