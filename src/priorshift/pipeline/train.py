"""02: the adapters of a study, each trained once and kept."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, groupby

import pandas as pd
from tqdm import tqdm

from priorshift.errors import ParamsError
from priorshift.models.backends import Backend, choose_backend
from priorshift.models.base import BaseModel, explain_own_dtype
from priorshift.models.checks import check_letters, check_texts
from priorshift.models.lengths import Reading, check_lengths
from priorshift.pipeline.adapters import load_for_training, train_adapter
from priorshift.pipeline.locks import hold_notebook
from priorshift.pipeline.progress import show_progress
from priorshift.pipeline.records import (
    hash_run_inputs,
    is_trained,
    locate_data_record,
    locate_run_record,
    read_finished,
    require_run,
)
from priorshift.pipeline.training_sets import read_examples
from priorshift.probability.encoder import find_longest_input
from priorshift.probing.readings import list_example_readings, list_probe_readings, list_texts_read
from priorshift.study.load import Study
from priorshift.study.run import Run


def train_runs(study: Study, runs: list[Run]) -> pd.DataFrame:
    """Train the runs that are not done. Returns one row per run, from their run.json.

    Runs that put decisions in context train nothing and have no row.
    """
    trained = [run for run in runs if is_trained(study, run)]
    rows, backend = [], _choose_backend(study)
    with hold_notebook(study.paths), show_progress(study.paths) as progress, _freeze_imports():
        for base_model, rest in groupby(trained, key=lambda run: run.base_model):
            group, base = list(rest), None
            for number, run in enumerate(tqdm(group, desc=f"training on {base_model}"), start=1):
                # Only now: a later stage is not finished where the one before it was just redone.
                record = read_finished(locate_run_record(study, run), hash_run_inputs(study, run))
                if record is None:
                    progress.begin(f"training {run} (run {number} of {len(group)})", "step")
                    base = base or _load_checked(study, base_model, backend, group)
                    record = train_adapter(study, base, run, progress)
                rows.append(_summarize(run, record))
    return pd.DataFrame(rows)


def _choose_backend(study: Study) -> Backend:
    """The library that trains. Where `auto` finds Unsloth and a condition has an anchor, that is refused."""
    backend, anchored = choose_backend(study.params.backend), study.params.list_anchored()
    if backend.name == "unsloth" and anchored:
        raise ParamsError(
            f"backend: found {study.params.backend!r}, which is Unsloth here; conditions.{anchored[0]} has an "
            "anchor_weight, and only PEFT trains with one: set backend: peft"
        )
    return backend


@contextmanager
def _freeze_imports() -> Iterator[None]:
    """Keep what is imported out of garbage collections: each run's trainer makes one, and goes through all else."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _load_checked(study: Study, base_model: str, backend: Backend, runs: list[Run]) -> BaseModel:
    """The base model, when it can read every text that these runs and their probes will put before it."""
    if note := explain_own_dtype(study.params.training):
        print(note)
    base = load_for_training(study, base_model, backend)
    examples = read_examples(study, runs[0])
    check_texts(base, [*list_texts_read(study), *(example.prompt for example in examples)])
    readings = chain(_list_training_readings(study, runs), list_probe_readings(study))
    check_lengths(base.name, base.tokenizer, base.read, find_longest_input(base.model.config), readings)
    if any(study.params.conditions[study.params.find_last_stage(run.condition)].answer == "letter" for run in runs):
        check_letters(base, study.materials.forms.letters)
    return base


def _list_training_readings(study: Study, runs: list[Run]) -> Iterator[Reading]:
    # Runs that go on with another condition's examples share its record.
    for record, run in {locate_data_record(study, run): run for run in runs}.items():
        yield from list_example_readings(read_examples(study, run), "/".join(record.parent.parts[-2:]))


def _summarize(run: Run, record: dict) -> dict:
    kept = ("steps", "examples", "loss_tokens", "seconds", "peak_memory_mb", "device", "backend")
    first, last = record["losses"][0], record["losses"][-1]
    row = run._asdict()
    adapted = ", ".join(f"{name} x{count}" for name, count in record["adapted"].items())
    return row | {"adapted": adapted} | {key: record[key] for key in kept} | {"first_loss": first, "last_loss": last}


def read_losses(study: Study, runs: list[Run]) -> pd.DataFrame:
    """Read the training loss of each run, a row for each step (nats per token)."""
    rows = []
    for run in [run for run in runs if is_trained(study, run)]:
        record = require_run(study, run)
        for step, loss in enumerate(record["losses"], start=1):
            rows.append({**run._asdict(), "step": step, "loss": loss})
    return pd.DataFrame(rows, columns=[*Run._fields, "step", "loss"])
