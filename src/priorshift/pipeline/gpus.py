"""`python -m priorshift.pipeline.gpus N COMMAND...`: run a command with N GPUs of this machine to itself.

A locked file per GPU, held for as long as the command runs, keeps two jobs off one GPU whichever studies they belong
to. Under SLURM the scheduler has chosen already, and the command runs as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from priorshift.errors import RunError, UserError
from priorshift.pipeline.locks import become, lock_file

PAUSE = 1.0  # seconds between two looks for a free GPU


def list_visible_gpus() -> list[str]:
    """Name the GPUs that this process may use: those in CUDA_VISIBLE_DEVICES where it is set, or all."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name.strip() for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(index) for index in range(len(listed.splitlines()))]


def take_gpus(count: int, names: Sequence[str], folder: Path) -> dict[str, TextIO]:
    """Wait until `count` of the GPUs are free and hold them.

    Returns
    -------
    dict
        Name -> its locked file; a GPU is held until that is closed.

    Raises
    ------
    RunError
        When there are fewer than `count` in all.
    """
    if count > len(names):
        raise RunError(
            f"resources.gpus: found {count}, where this machine shows {len(names)} (nvidia-smi, CUDA_VISIBLE_DEVICES); "
            "ask for fewer, or run on one that has them"
        )
    while True:
        taken: dict[str, TextIO] = {}
        # One process looks at a time: two that each hold a part of what they need would wait for each other.
        with lock_file(folder / "looking.lock"):
            for name in names:
                if len(taken) < count and (held := lock_file(folder / f"{name.replace('/', '-')}.lock", patience=0)):
                    taken[name] = held
            if len(taken) == count:
                return taken
            for held in taken.values():
                held.close()
        time.sleep(PAUSE)


def main(words: Sequence[str]) -> int:
    """Become the command, with the GPUs held."""
    count, command = int(words[0]), words[1:]
    taken: dict[str, TextIO] = {}
    if count and "SLURM_JOB_ID" not in os.environ:
        folder = Path(tempfile.gettempdir()) / f"priorshift-gpus-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            taken = take_gpus(count, list_visible_gpus(), folder)
        except UserError as problem:
            print(f"error: {problem}", file=sys.stderr)
            return 2
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    become(command, list(taken.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
