"""The tiny study with all its work done, and ways to change and to break a copy of it."""

from __future__ import annotations

import shutil

from priorshift.files import hash_file
from priorshift.pipeline.plan import make_plan
from priorshift.pipeline.probe import probe_runs
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.study.load import Study
from priorshift.study.run import Run

BASE = "llama-coupled-0"
RUN = Run(BASE, "neutral", 1)
REFERENCE = Run(BASE, "neutral", 0)


def do_all(study):
    """Synthesize, train and measure every run that is not finished."""
    runs = study.select("all", "all", "all")
    synthesize_runs(study, runs)
    train_runs(study, runs)
    probe_runs(study, runs)
    return study


def at(study, outputs, params=None):
    """The same study with its outputs elsewhere, or with other parameters."""
    return Study(params or study.params, study.materials, study.folder, outputs)


def changed(study, **parts):
    """The same study with parameters changed."""
    data = study.params.model_dump(mode="json")
    for part, change in parts.items():
        data[part] = data[part] | change if isinstance(change, dict) else change
    return at(study, study.paths.root.parent, type(study.params).model_validate(data))


def to_do(study):
    """The names of the pieces of work that are to be done."""
    return {step.name for job in make_plan(study) for step in job.todo}


def kinds_to_do(study):
    """The kinds of work to be done: data, runs, measurements."""
    return {name.partition("/")[0] for name in to_do(study)}


def forget_measurements(study):
    """Drop every run's measurements; returns the hashes of the tables that were there."""
    tables = sorted(study.paths.root.glob("measurements/*/*/seed-*/*.parquet"))
    before = {path: hash_file(path) for path in tables}
    for folder in {path.parent for path in tables}:
        shutil.rmtree(folder)
    return before


def flip(path, position=None):
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 1
    path.write_bytes(bytes(data))


def truncate(path):
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS = {"flipped bit": flip, "truncated": truncate, "emptied": lambda path: path.write_bytes(b""),
          "deleted": lambda path: path.unlink()}  # fmt: skip
