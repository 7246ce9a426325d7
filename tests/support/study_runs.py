"""A study as users run it, in a folder of its own; used by several test files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from priorshift.pipeline.execute import make_environment


def make_workplace(root, folder):
    """A folder with what a clone has, so that outputs land in it and not in the repository."""
    for name in ("params", "notebooks", "workflow", "src"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("embedded", "__pycache__"))
    return folder


def study_command(params="params/smoke.yaml", cores=2):
    """What `make study` calls."""
    return [sys.executable, "-m", "priorshift", "run", params, "--cores", str(cores)]


def run_command(command, folder, status=0):
    """Run a command in a folder as `make` does; returns all that it said."""
    done = subprocess.run(command, cwd=folder, env=make_environment(os.environ), capture_output=True, text=True)
    assert done.returncode == status, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def run_study(folder, params="params/smoke.yaml", cores=2):
    """Run a study to its report; returns all that was said."""
    return run_command(study_command(params, cores), folder)


def write_files(*paths):
    """Write something to each file, and the folders above it."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("executed")
