"""A study as users run it, in a folder of its own; used by several test files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def workplace(root, folder):
    """A folder with what a clone has, so that outputs land in it and not in the repository."""
    for name in ("params", "notebooks", "workflow", "src"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("embedded", "__pycache__"))
    return folder


def environment():
    """That of `make study`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return os.environ | plain | {"PATH": path}


def study_command(params="params/smoke.yaml", cores=2):
    """What `make study` calls."""
    return [sys.executable, "-m", "priorshift", "run", params, "--cores", str(cores)]


def run(command, folder, status=0):
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == status, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def study(folder, params="params/smoke.yaml", cores=2):
    return run(study_command(params, cores), folder)
