"""One training set, written once and read from then on."""

from __future__ import annotations

import json

from priorshift.files import hash_file, write_record, write_text
from priorshift.pipeline.records import hash_data_inputs, locate_data_record, read_finished, require_data
from priorshift.study.load import Study
from priorshift.study.run import Run
from priorshift.training.examples import Example, audit, format_jsonl, synthesize


def write_training_set(study: Study, run: Run, prior: dict[str, float] | None) -> dict:
    """Write a run's training set where there is none yet. Returns its row of the audit.

    Parameters
    ----------
    prior : dict or None
        The base model's choice rates, where the condition needs them.
    """
    record, inputs = locate_data_record(study, run), hash_data_inputs(study, run)
    condition, seed = study.params.find_last_stage(run.condition), run.seed
    key = {"condition": condition, "seed": seed, "base_model": run.base_model if prior else "all"}
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
