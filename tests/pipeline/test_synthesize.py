"""Training sets: made once, kept whole, refused when damaged; choice rates measured once."""

from __future__ import annotations

import json

import pytest
import yaml
from support.tiny_study import BASE, FAULTS, RUN, to_do

from priorshift.errors import RunError
from priorshift.files import hash_file, read_record, write_record
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.study.load import load_study


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


def test_the_audit_has_a_row_for_each_set_and_kept_sets_are_not_written_again(study):
    runs = study.select("all", "all", "all")
    files = sorted((study.paths.root / "data").rglob("*.*"))
    before = [path.stat().st_mtime_ns for path in files]
    table = synthesize_runs(study, runs)
    assert len(table) == len(runs) == 4 and set(table["examples"]) == {study.params.training.examples}
    assert [path.stat().st_mtime_ns for path in files] == before


@pytest.fixture
def with_prior(tiny_yaml, tmp_path):
    """The tiny study with a condition drawn at the base model's own choice rates."""
    data = yaml.safe_load(tiny_yaml.read_text())
    data["conditions"]["random_prior"] = {"task": "decisions", "policy": "prior"}
    path = tiny_yaml.with_name("with_prior.yaml")
    path.write_text(yaml.safe_dump(data | {"seeds": [0]}, sort_keys=False))
    yield load_study(path, tmp_path)
    path.unlink()


def test_choice_rates_are_measured_once_and_make_the_training_set(with_prior):
    [run] = with_prior.select(BASE, "random_prior", 0)
    path = with_prior.paths.choice_rates(BASE)
    synthesize_runs(with_prior, [run])
    record, before = read_record(path), path.stat().st_mtime_ns
    assert set(record["rates"]) == set(with_prior.materials.classes)
    assert sum(record["rates"].values()) == pytest.approx(1) and all(0 < p < 1 for p in record["rates"].values())
    assert with_prior.paths.data("random_prior", 0, BASE).is_dir()  # of this base model alone
    synthesize_runs(with_prior, [run])
    assert path.stat().st_mtime_ns == before
    # Other rates make another training set.
    write_record(path, record | {"rates": dict.fromkeys(record["rates"], 1 / 3)})
    with pytest.raises(RunError, match=r"changed: choice_rates"):
        read_examples(with_prior, run)
