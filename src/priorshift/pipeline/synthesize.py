"""01: the training sets of a study, each made once and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from priorshift.files import hash_file, write_record, write_text
from priorshift.models.base import load_base
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.locks import hold_notebook
from priorshift.pipeline.progress import Progress, show_progress, watch
from priorshift.pipeline.records import (
    hash_choice_inputs,
    hash_data_inputs,
    locate_data_record,
    needs_choice_rates,
    read_finished,
    require_data,
)
from priorshift.probing.measure import measure_choice_rates
from priorshift.probing.probe import explain_merges, make_scorer
from priorshift.study.load import Study
from priorshift.study.run import Run
from priorshift.training.examples import Example, audit, format_jsonl, synthesize, tabulate_audits


def synthesize_runs(study: Study, runs: list[Run]) -> pd.DataFrame:
    """Write the training sets of the runs that have none yet. Returns their audit table, a row for each set."""
    rows, done = [], set()
    with hold_notebook(study.paths), show_progress(study.paths) as progress:
        for run in tqdm(runs, desc="training sets"):
            record = locate_data_record(study, run)
            if record not in done:
                done.add(record)
                rows.append(_synthesize_run(study, run, record, progress))
    return tabulate_audits(rows)


def _synthesize_run(study: Study, run: Run, record: Path, progress: Progress) -> dict:
    base_model, condition, seed = run.base_model, study.params.find_last_stage(run.condition), run.seed
    prior = _measure_choice_rates(study, base_model, progress) if needs_choice_rates(study, condition) else None
    inputs = hash_data_inputs(study, run)
    key = {"condition": condition, "seed": seed, "base_model": base_model if prior else "all"}
    if kept := read_finished(record, inputs):
        return key | kept["audit"]
    examples = synthesize(study.params, study.materials, condition, seed, prior)
    row = audit(examples, study)
    data = record.parent / "train.jsonl"
    write_text(data, format_jsonl(examples))
    write_record(record, {"inputs": inputs, "hashes": {data.name: hash_file(data)}, "audit": row})
    return key | row


def read_examples(study: Study, run: Run) -> list[Example]:
    """Read the training examples of a run, as 01 wrote them. A damaged or outdated file is refused (RunError)."""
    require_data(study, run)
    path = locate_data_record(study, run).parent / "train.jsonl"
    # Not splitlines: a phrase may hold one of the other line separators of Unicode.
    return [Example(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _measure_choice_rates(study: Study, base_model: str, progress: Progress) -> dict[str, float]:
    """The base model's choice rates, measured once and kept."""
    path, inputs = study.paths.choice_rates(base_model), hash_choice_inputs(study, base_model)
    if kept := read_finished(path, inputs):
        return kept["rates"]
    base = load_base(study.params.find_base_model(base_model))
    with explain_merges(), watch(progress, f"measuring choice rates of {base_model}", base.model):
        rates = measure_choice_rates(make_scorer(study.params, base), study.params, study.materials)
    record = {"base_model": base_model, "inputs": inputs, "hashes": {}, "rates": rates}
    write_record(path, record | describe_loaded(base))
    return rates
