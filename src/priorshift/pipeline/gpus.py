"""`python -m priorshift.pipeline.gpus N COMMAND...`: run a command with N GPUs of this machine to itself.

A lock file per GPU, held for as long as the command runs, keeps two jobs off one GPU whichever studies they belong to;
the kernel drops it with the process. Under SLURM the scheduler has chosen already, and the command runs as it is.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from priorshift.errors import RunError, UserError

PAUSE = 1.0  # seconds between two looks for a free GPU


def visible() -> list[str]:
    """Names of the GPUs that this process may use: those in CUDA_VISIBLE_DEVICES where it is set, or all."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name.strip() for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(index) for index in range(len(listed.splitlines()))]


def take(count: int, names: list[str], folder: Path) -> tuple[list[str], list[int]]:
    """Wait until `count` of the GPUs are free and hold them.

    Returns
    -------
    taken : their names
    locks : file descriptors; the GPUs are held until these are closed in every process that has them

    Raises
    ------
    RunError
        When there are fewer than `count` in all.
    """
    if count > len(names):
        raise RunError(
            f"resources.gpus: found {count}; this machine shows {len(names)} (nvidia-smi, CUDA_VISIBLE_DEVICES);"
            " ask for fewer, or run on one that has them"
        )
    while True:
        taken, locks = [], []
        # One process looks at a time: two that each hold a part of what they need would wait for each other.
        with (folder / "looking.lock").open("a") as looking:
            fcntl.flock(looking, fcntl.LOCK_EX)
            for name in names:
                if len(taken) < count and (lock := _hold(folder / f"{name.replace('/', '-')}.lock")) is not None:
                    taken.append(name)
                    locks.append(lock)
            if len(taken) == count:
                return taken, locks
            for lock in locks:
                os.close(lock)
        time.sleep(PAUSE)


def _hold(path: Path) -> int | None:
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def main(arguments: list[str]) -> int:
    """Become the command, with the locks held."""
    count, command = int(arguments[0]), arguments[1:]
    if count and "SLURM_JOB_ID" not in os.environ:
        folder = Path(tempfile.gettempdir()) / f"priorshift-gpus-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            taken, locks = take(count, visible(), folder)
        except UserError as problem:
            print(f"error: {problem}", file=sys.stderr)
            return 2
        for lock in locks:
            os.set_inheritable(lock, True)  # from here on the command holds them
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
