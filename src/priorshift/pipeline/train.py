"""02: the adapters of a study, each trained once and kept."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import pandas as pd
from tqdm import tqdm

from priorshift.models.backends import Backend, choose_backend
from priorshift.models.base import BaseModel, check_letters, check_texts, load_base
from priorshift.pipeline.locks import working
from priorshift.pipeline.records import (
    adapter_folder,
    finished,
    is_trained,
    require_run,
    run_inputs,
    run_record,
)
from priorshift.pipeline.synthesize import read_examples
from priorshift.probing.probe import texts_read
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run
from priorshift.training.finetune import train_run


def train_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Train the runs that are not done; returns one row per run, from their run.json.

    Runs that put decisions in context train nothing and have no row.
    """
    trained = [run for run in runs if is_trained(study, run)]
    rows, backend = [], choose_backend(study.params.backend)
    with working(study.paths), _frozen():
        for base_model, rest in groupby(trained, key=lambda run: run.base_model):
            group, base = list(rest), None
            for run in tqdm(group, desc=f"training on {base_model}"):
                # Asked when it is a run's turn: a later stage is not finished where the one before it was just redone.
                record = finished(run_record(study, run), run_inputs(study, run))
                if record is None:
                    base = base or _load_to_train(study, base_model, backend, group)
                    record = _train(study, base, run)
                rows.append(_summary(run, record))
    return pd.DataFrame(rows)


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep what is imported out of garbage collections: each run's trainer makes one, and would look at all of it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _load_to_train(study: LoadedStudy, base_model: str, backend: Backend, runs: list[Run]) -> BaseModel:
    """The base model, when it knows every word that these runs and their probes will have it read."""
    base = load_base(study.params.base_model(base_model), backend)
    examples, _ = read_examples(study, runs[0])
    check_texts(base, [*texts_read(study), *(example.prompt for example in examples)])
    if any(study.params.conditions[study.params.lesson(run.condition)].answer == "letter" for run in runs):
        check_letters(base, study.materials.forms.letters)
    return base


def _train(study: LoadedStudy, base: BaseModel, run: Run) -> dict:
    examples, _ = read_examples(study, run)
    inputs = run_inputs(study, run, base.backend.name)
    earlier = study.params.predecessor(run.condition)
    start = adapter_folder(study, run._replace(condition=earlier)) if earlier else None
    training, folder = study.params.training_of(run.condition), study.paths.run(*run)
    return train_run(base, examples, training, run.seed, folder, inputs, start)


def _summary(run: Run, record: dict) -> dict:
    kept = ("steps", "examples", "loss_tokens", "seconds", "peak_memory_mb", "device", "backend")
    first, last = record["losses"][0], record["losses"][-1]
    row = run._asdict()
    return row | {key: record[key] for key in kept} | {"first_loss": first, "last_loss": last}


def loss_curves(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Training loss by step of each run."""
    rows = []
    for run in [run for run in runs if is_trained(study, run)]:
        record = require_run(study, run)
        for step, loss in enumerate(record["losses"], start=1):
            rows.append({**run._asdict(), "step": step, "loss": loss})
    return pd.DataFrame(rows, columns=["base_model", "condition", "seed", "step", "loss"])
