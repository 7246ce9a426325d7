"""A training set is read whole or refused; a phrase may hold any sign."""

from __future__ import annotations

import json

import pytest
from support.tiny_study import FAULTS, RUN, to_do

from priorshift.errors import RunError
from priorshift.files import hash_file, read_record, write_record
from priorshift.pipeline.training_sets import read_examples


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["train.jsonl", "audit.json"])
def test_damaged_training_set_is_never_trained_on(study, fault, name):
    FAULTS[fault](study.paths.data("neutral", 1) / name)
    assert "data/neutral/seed-1" in to_do(study)
    with pytest.raises(RunError, match=r"run notebooks/01_synthesize.ipynb"):
        read_examples(study, RUN)


def test_line_separators_in_a_phrase_survive(study):
    """A phrase may hold U+2028, NEL or emoji: lines of JSON are split at newlines alone."""
    folder = study.paths.data("neutral", 1)
    record = read_record(folder / "audit.json")
    row = json.loads((folder / "train.jsonl").read_text(encoding="utf-8").split("\n")[0])
    row["situation"] = "a\u2028b\u0085c \u202eright to left\u202c \U0001f600"
    (folder / "train.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    record["hashes"]["train.jsonl"] = hash_file(folder / "train.jsonl")
    write_record(folder / "audit.json", record)
    assert [example.situation for example in read_examples(study, RUN)] == [row["situation"]]
