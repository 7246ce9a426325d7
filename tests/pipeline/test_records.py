"""Damaged files of finished work: never read, never taken for finished, done again exactly."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from priorshift.errors import RunError
from priorshift.files import file_hash, read_record, write_record
from priorshift.machine import versions
from priorshift.pipeline.code_hash import WORK
from priorshift.pipeline.environment import describe_settings, differences, made_with
from priorshift.pipeline.plan import make_plan
from priorshift.pipeline.probe import probe_runs, read_measurements
from priorshift.pipeline.records import (
    data_inputs,
    data_record,
    finished,
    measurement_inputs,
    run_inputs,
    run_record,
    why_not,
)  # fmt: skip
from priorshift.pipeline.synthesize import read_examples, synthesize_runs
from priorshift.pipeline.train import loss_curves, train_runs
from priorshift.study.load import LoadedStudy, load_study


def do_all(study):
    runs = study.select("all", "all", "all")
    synthesize_runs(study, runs)
    train_runs(study, runs)
    probe_runs(study, runs)
    return study


@pytest.fixture(scope="module")
def done(tiny_yaml, tmp_path_factory):
    """The tiny study with all its runs trained and measured."""
    return do_all(load_study(tiny_yaml, tmp_path_factory.mktemp("done")))


@pytest.fixture
def study(done, tmp_path):
    """A copy of it that a test may break."""
    shutil.copytree(done.paths.root, tmp_path / "tiny")
    return at(done, tmp_path)


def at(study, outputs, params=None):
    """The same study with its outputs elsewhere, or with other parameters."""
    return LoadedStudy(params or study.params, study.materials, study.folder, outputs)


RUN = ("llama-coupled-0", "neutral", 1)
NEUTRAL = {f"{RUN[0]}/{RUN[1]}/seed-{seed}" for seed in (0, 1)}


def to_do(study):
    """The names of the pieces of work that are to be done."""
    return {step.name for stage in make_plan(study) for step in stage.todo}


def flip(path, position=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 1
    path.write_bytes(bytes(data))


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS = {"flipped bit": flip, "truncated": truncate, "emptied": lambda path: path.write_bytes(b""),
          "deleted": lambda path: path.unlink()}  # fmt: skip


def test_finished_study_has_no_work_left(study):
    assert to_do(study) == set()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["run.json", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"])
def test_damaged_run_is_to_do_again_and_refused_meanwhile(study, fault, name):
    FAULTS[fault](study.paths.run(*RUN) / name)
    assert finished(run_record(study, RUN), run_inputs(study, RUN)) is None
    # Its own measurements follow it; those of seed 0 are the floor's and stand alone.
    assert to_do(study) == {"runs/llama-coupled-0/neutral/seed-1", "measurements/llama-coupled-0/neutral/seed-1"}
    with pytest.raises(RunError, match=r"neutral/seed-1: .*run notebooks/02_train.ipynb"):
        loss_curves(study, [RUN])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["measured.json", "items.parquet", "next_token.parquet", "retention.parquet"])
def test_damaged_measurement_is_never_read(study, fault, name):
    FAULTS[fault](study.paths.measurements(*RUN) / name)
    assert to_do(study) == {"measurements/llama-coupled-0/neutral/seed-1"}
    with pytest.raises(RunError, match=r"run notebooks/03_probe.ipynb"):
        read_measurements(study, [RUN], "items")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["train.jsonl", "audit.json"])
def test_damaged_training_set_is_never_trained_on(study, fault, name):
    FAULTS[fault](study.paths.data("neutral", 1) / name)
    assert "data/neutral/seed-1" in to_do(study)
    with pytest.raises(RunError, match=r"run notebooks/01_synthesize.ipynb"):
        read_examples(study, RUN)


def test_every_bit_of_a_record_counts(study):
    path = run_record(study, RUN)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        flip(path, position)
        assert read_record(path) is None, whole[max(0, position - 20) : position + 20]
        path.write_bytes(whole)
    assert read_record(path) is not None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", "NaN", "[" * 100_000, '{"hashes": {}}', '{"sha256_of_the_rest": 3}', "\ufeff{}"],
)
def test_what_no_program_of_ours_wrote_is_no_record(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    assert read_record(tmp_path / "run.json") is None
    assert why_not(tmp_path / "run.json", {}) == "run.json is damaged"


def test_work_goes_on_exactly(done, study):
    """After several faults at once: equal bytes, and no finished run is touched."""
    kept = run_record(study, ("llama-coupled-0", "depression", 0))
    before = kept.stat().st_mtime_ns, kept.read_bytes()
    flip(study.paths.run(*RUN) / "adapter" / "adapter_model.safetensors")
    truncate(study.paths.data("neutral", 0) / "train.jsonl")
    truncate(study.paths.measurements("llama-coupled-0", "depression", 1) / "items.parquet")
    do_all(study)
    assert to_do(study) == set()
    assert before == (kept.stat().st_mtime_ns, kept.read_bytes())
    for path in sorted(done.paths.root.rglob("*.parquet")) + sorted(done.paths.root.rglob("*.safetensors")):
        assert file_hash(path) == file_hash(study.paths.root / path.relative_to(done.paths.root)), path


def test_a_retrained_reference_is_compared_with_again(study):
    record = run_record(study, ("llama-coupled-0", "neutral", 0))
    data = read_record(record)
    data["hashes"]["adapter/README.md"] = "0" * 64
    write_record(record, data)
    of_model = {f"{m}/{c}/seed-{s}" for m, c, s in study.select("all", "all", "all") if m == "llama-coupled-0"}
    assert {name.partition("/")[2] for name in to_do(study) if name.startswith("measurements")} == of_model


def changed(study, **parts):
    """The same study with parameters changed."""
    data = study.params.model_dump(mode="json")
    for part, change in parts.items():
        data[part] = data[part] | change if isinstance(change, dict) else change
    return at(study, study.paths.root.parent, type(study.params).model_validate(data))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"inference": {"alpha": 0.01}}, set()),
        ({"exclusion": {"ngram": 4, "covered_mass": 0.1}}, set()),
        ({"exclusion": {"ambiguous_tokenization": True}}, {"measurements"}),
        ({"probes": {"retention_texts": 3}}, {"measurements"}),
        ({"training": {"learning_rate": 0.001}}, {"data", "runs", "measurements"}),
        ({"held_out_domains": ["school", "family", "transport", "money", "offices"]}, {"data", "runs", "measurements"}),
    ],
)
def test_changed_params_redo_what_depends_on_them(study, parts, expected):
    assert {name.partition("/")[0] for name in to_do(changed(study, **parts))} == expected


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"probes": {"retention_texts": 3}}, r"measurements/.*: changed: probes; run notebooks/03_probe.ipynb"),
        ({"training": {"learning_rate": 0.001}}, r"data/.*: changed: training; run notebooks/01_synthesize.ipynb"),
        ({"conditions": {"neutral": {"task": "prose"}}}, r"data/.*: changed: condition; run notebooks/01"),
    ],
)
def test_outdated_measurements_are_refused_by_name(study, parts, said):
    """As by a notebook that runs alone after the study's YAML was edited."""
    assert len(read_measurements(study, [RUN], "items"))
    with pytest.raises(RunError, match=said):
        read_measurements(changed(study, **parts), [RUN], "items")


def test_measurements_of_a_run_that_is_outdated_are_refused(study, monkeypatch):
    monkeypatch.setitem(WORK, "run", ("report",))
    with pytest.raises(RunError, match=r"runs/.*: changed: source; run notebooks/02_train.ipynb"):
        read_measurements(study, [RUN], "items")


def test_other_versions_and_devices_redo_nothing_and_are_named(study):
    settings = made_with(study)
    assert settings["torch"] == {versions()["torch"]: 8} and settings["device"] == {"cpu": 8}
    assert differences(settings) == "" and "differ" not in describe_settings(settings)
    record = run_record(study, RUN)
    other = read_record(record)
    other["versions"]["torch"], other["device"] = "0.1", "cuda"
    write_record(record, other)
    assert to_do(study) == set()
    said = differences(made_with(study))
    assert f"torch 0.1 (1) and {versions()['torch']} (7)" in said
    assert "device cpu (7) and cuda (1)" in said and "\n" not in said
    assert said in describe_settings(made_with(study)).splitlines()


def test_what_is_installed_now_is_named_where_it_differs(study, monkeypatch):
    settings = made_with(study)
    monkeypatch.setattr(
        "priorshift.pipeline.environment.versions", lambda: {"torch": "9.0", "peft": next(iter(settings["peft"]))}
    )
    assert "installed now, for what is to do: torch 9.0" in describe_settings(settings).splitlines()


def test_a_new_seed_adds_its_runs_alone(study):
    assert {name.rpartition("/")[2] for name in to_do(changed(study, seeds=[0, 1, 2]))} == {"seed-2"}


def test_changed_base_model_redoes_its_runs(study, monkeypatch):
    monkeypatch.setattr("priorshift.pipeline.records.base_hash", lambda params: "another")
    names = {name.partition("/")[0] for name in to_do(study)}
    assert names == {"runs", "measurements"}


def test_a_model_that_is_not_at_hand_is_taken_as_the_record_has_it(study, monkeypatch):
    """A hub study, moved to where the model was never fetched."""
    monkeypatch.setattr("priorshift.pipeline.records.base_hash", lambda params: "")
    assert not to_do(study)


def test_another_card_redoes_what_stands_under_its_world(study, monkeypatch):
    monkeypatch.setattr(
        "priorshift.pipeline.records.locate", lambda params: (None, {"world": "another", "architecture": "llama"})
    )
    assert {name.partition("/")[0] for name in to_do(study)} == {"runs", "measurements"}


def test_changed_code_redoes_its_step_alone(study, monkeypatch):
    for code, expected in [("measurements", {"measurements"}), ("run", {"runs", "measurements"})]:
        with monkeypatch.context() as patch:
            patch.setitem(WORK, code, ("report",))
            assert {name.partition("/")[0] for name in to_do(study)} == expected


def test_inputs_are_hashes_and_nothing_of_the_machine(study):
    for inputs in (data_inputs(study, RUN), run_inputs(study, RUN), measurement_inputs(study, RUN)):
        hashes = {key: value for key, value in inputs.items() if key != "backend"}
        assert all(value == "" or len(value) == 64 for value in hashes.values())
        assert inputs.get("backend", "peft") == "peft"
    assert data_record(study, RUN).parent == study.paths.data("neutral", 1)
    here = (str(study.folder.parent), str(study.folder.resolve().parent.parent), "site-packages", "/src/priorshift")
    for path in study.paths.root.rglob("*"):
        if path.suffix in (".json", ".md", ".jsonl"):
            assert not any(place in path.read_text() for place in here), path


def test_moved_outputs_stay_valid(study, tmp_path):
    (study.paths.root).rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "tiny")
    assert to_do(at(study, tmp_path / "elsewhere")) == set()


def test_clock_set_back_changes_nothing(study):
    for path in study.paths.root.rglob("*"):
        os.utime(path, (0, 0))
    assert to_do(study) == set()


def test_line_separators_in_a_phrase_survive(study):
    """A phrase may hold U+2028, NEL or emoji: lines of JSON are split at newlines alone."""
    folder = study.paths.data("neutral", 1)
    record = read_record(folder / "audit.json")
    row = json.loads((folder / "train.jsonl").read_text(encoding="utf-8").split("\n")[0])
    row["situation"] = "a\u2028b\u0085c \u202eright to left\u202c \U0001f600"
    (folder / "train.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    record["hashes"]["train.jsonl"] = file_hash(folder / "train.jsonl")
    write_record(folder / "audit.json", record)
    examples, _ = read_examples(study, RUN)
    assert [e.situation for e in examples] == [row["situation"]]


@pytest.mark.parametrize("fault", ["truncated", "gone"])
def test_a_damaged_notebook_is_one_line(study, root, tmp_path, monkeypatch, fault):
    shutil.copytree(root / "notebooks", tmp_path / "notebooks")
    path = tmp_path / "notebooks/04_test.ipynb"
    path.write_bytes(path.read_bytes()[:500]) if fault == "truncated" else path.unlink()
    monkeypatch.setattr("priorshift.pipeline.plan.FOLDER", tmp_path / "notebooks")
    with pytest.raises(RunError, match=r"^notebooks/04_test\.ipynb: is missing or damaged \(no JSON\)"):
        make_plan(study)
