"""01: the training sets of a study, each made once and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from priorshift.files import file_hash, write_record, write_text
from priorshift.models.base import load_base
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.locks import working
from priorshift.pipeline.records import (
    choice_inputs,
    data_inputs,
    data_record,
    finished,
    needs_prior,
    require_data,
)
from priorshift.probing.measure import measure_choice_rates
from priorshift.probing.probe import make_scorer
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run
from priorshift.training.examples import Example, audit, audit_table, synthesize, to_jsonl


def synthesize_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Write the training data of the runs; returns their audit table (and writes it beside them)."""
    rows, done = [], set()
    with working(study.paths):
        for run in tqdm(runs, desc="training sets"):
            record = data_record(study, run)
            if record not in done:
                done.add(record)
                rows.append(_synthesize(study, run, record))
    return audit_table(rows)


def _synthesize(study: LoadedStudy, run: Run, record: Path) -> dict:
    base_model, condition, seed = run.base_model, study.params.lesson(run.condition), run.seed
    prior = _choice_rates(study, base_model) if needs_prior(study, condition) else None
    inputs = data_inputs(study, run)
    key = {"condition": condition, "seed": seed, "base_model": base_model if prior else "all"}
    if kept := finished(record, inputs):
        return key | kept["audit"]
    examples = synthesize(study.params, study.materials, condition, seed, prior)
    row = audit(examples, study)
    data = record.parent / "train.jsonl"
    write_text(data, to_jsonl(examples))
    write_record(record, {"inputs": inputs, "hashes": {data.name: file_hash(data)}, "audit": row})
    return key | row


def read_examples(study: LoadedStudy, run: Run) -> tuple[list[Example], Path]:
    """The training examples of a run, as 01 wrote them, and the file they came from."""
    require_data(study, run)
    path = data_record(study, run).parent / "train.jsonl"
    # Not splitlines: a phrase may hold one of the other line separators of Unicode.
    return [Example(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line], path


def _choice_rates(study: LoadedStudy, base_model: str) -> dict[str, float]:
    """The base model's choice rates, measured once and kept."""
    path, inputs = study.paths.choice_rates(base_model), choice_inputs(study, base_model)
    if kept := finished(path, inputs):
        return kept["rates"]
    base = load_base(study.params.base_model(base_model))
    rates = measure_choice_rates(make_scorer(study.params, base), study.params, study.materials)
    record = {"base_model": base_model, "inputs": inputs, "hashes": {}, "rates": rates}
    write_record(path, record | describe_loaded(base))
    return rates
