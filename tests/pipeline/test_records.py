"""Damaged or outdated files of finished work: never taken for finished, done again exactly."""

from __future__ import annotations

import os

import pytest
from support.tiny_study import BASE, FAULTS, REFERENCE, RUN, at, changed, do_all, flip, kinds_to_do, to_do, truncate

from priorshift.errors import RunError
from priorshift.files import hash_file, read_record, write_record
from priorshift.pipeline.code_hash import WORK
from priorshift.pipeline.records import (
    explain_unfinished,
    hash_data_inputs,
    hash_measurement_inputs,
    hash_run_inputs,
    locate_data_record,
    locate_run_record,
    read_finished,
    require_run,
)

OWN = {f"{kind}/{RUN}" for kind in ("runs", "measurements")}


def test_finished_study_has_no_work_left(study):
    assert to_do(study) == set()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["run.json", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"])
def test_damaged_run_is_to_do_again_and_refused_meanwhile(study, fault, name):
    FAULTS[fault](study.paths.run(*RUN) / name)
    assert read_finished(locate_run_record(study, RUN), hash_run_inputs(study, RUN)) is None
    # Its own measurements follow it; those of other runs are compared with seed 0 and stand.
    assert to_do(study) == OWN
    with pytest.raises(RunError, match=r"neutral/seed-1: .*run notebooks/02_train.ipynb") as caught:
        require_run(study, RUN)
    assert "\n" not in str(caught.value)


def test_every_bit_of_a_record_counts(study):
    path = locate_run_record(study, RUN)
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
    assert explain_unfinished(tmp_path / "run.json", {}) == "run.json is damaged"


def test_the_first_thing_that_is_wrong_is_named(tmp_path):
    record = tmp_path / "run.json"
    assert explain_unfinished(record, {}) == "not there"
    (tmp_path / "adapter").write_text("weights")
    write_record(record, {"inputs": {"data": "a"}, "hashes": {"adapter": hash_file(tmp_path / "adapter")}})
    assert explain_unfinished(record, None) == explain_unfinished(record, {"data": "a"}) == ""
    assert explain_unfinished(record, {"data": "b", "start": "c"}) == "changed: data, start"
    (tmp_path / "adapter").write_text("others")
    assert explain_unfinished(record, {"data": "b"}) == "adapter is damaged"
    assert explain_unfinished(record, {"data": "a"}, check_files=False) == ""
    assert explain_unfinished(record, None, folder=tmp_path / "elsewhere") == "adapter is missing"


def test_work_goes_on_exactly(done, study):
    """After several faults at once: equal bytes, and no finished run is touched."""
    kept = locate_run_record(study, RUN._replace(condition="depression", seed=0))
    before = kept.stat().st_mtime_ns, kept.read_bytes()
    flip(study.paths.run(*RUN) / "adapter" / "adapter_model.safetensors")
    truncate(study.paths.data("neutral", 0) / "train.jsonl")
    truncate(study.paths.measurements(BASE, "depression", 1) / "items.parquet")
    do_all(study)
    assert to_do(study) == set()
    assert before == (kept.stat().st_mtime_ns, kept.read_bytes())
    for path in sorted(done.paths.root.rglob("*.parquet")) + sorted(done.paths.root.rglob("*.safetensors")):
        assert hash_file(path) == hash_file(study.paths.root / path.relative_to(done.paths.root)), path


def test_a_retrained_reference_is_compared_with_again(study):
    record = locate_run_record(study, REFERENCE)
    data = read_record(record)
    data["hashes"]["adapter/README.md"] = "0" * 64
    write_record(record, data)
    of_model = {str(run) for run in study.select(BASE, "all", "all")}
    assert {name.partition("/")[2] for name in to_do(study) if name.startswith("measurements")} == of_model


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
    assert kinds_to_do(changed(study, **parts)) == expected


def test_a_new_seed_adds_its_runs_alone(study):
    assert {name.rpartition("/")[2] for name in to_do(changed(study, seeds=[0, 1, 2]))} == {"seed-2"}


def test_changed_base_model_redoes_its_runs(study, monkeypatch):
    monkeypatch.setattr("priorshift.pipeline.records.hash_base_model", lambda params: "another")
    assert kinds_to_do(study) == {"runs", "measurements"}


def test_a_model_that_is_not_at_hand_is_taken_as_the_record_has_it(study, monkeypatch):
    """A hub study, moved to where the model was never fetched."""
    monkeypatch.setattr("priorshift.pipeline.records.hash_base_model", lambda params: "")
    assert not to_do(study)


def test_another_card_redoes_what_stands_under_its_world(study, monkeypatch):
    monkeypatch.setattr(
        "priorshift.pipeline.records.locate", lambda params: (None, {"world": "another", "architecture": "llama"})
    )
    assert kinds_to_do(study) == {"runs", "measurements"}


def test_changed_code_redoes_its_step_alone(study, monkeypatch):
    for code, expected in [("measurements", {"measurements"}), ("run", {"runs", "measurements"})]:
        with monkeypatch.context() as patch:
            patch.setitem(WORK, code, ("report",))
            assert kinds_to_do(study) == expected


def test_inputs_are_hashes_and_nothing_of_the_machine(study):
    for inputs in (hash_data_inputs(study, RUN), hash_run_inputs(study, RUN), hash_measurement_inputs(study, RUN)):
        hashes = {key: value for key, value in inputs.items() if key != "backend"}
        assert all(value == "" or len(value) == 64 for value in hashes.values())
        assert inputs.get("backend", "peft") == "peft"
    assert locate_data_record(study, RUN).parent == study.paths.data("neutral", 1)
    here = (str(study.folder.parent), str(study.folder.resolve().parent.parent), "site-packages", "/src/priorshift")
    for path in study.paths.root.rglob("*"):
        if path.suffix in (".json", ".md", ".jsonl"):
            assert not any(place in path.read_text() for place in here), path


def test_the_texts_of_an_anchor_are_an_input_of_the_runs_that_have_one(study):
    assert "anchor" not in hash_run_inputs(study, RUN)
    anchored = changed(study, training={"anchor_weight": 1.0})
    before = hash_run_inputs(anchored, RUN)["anchor"]
    anchored.materials = study.materials.model_copy(update={"prose": study.materials.prose[2:]})
    assert hash_run_inputs(anchored, RUN)["anchor"] != before


def test_moved_outputs_stay_valid(study, tmp_path):
    (study.paths.root).rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "tiny")
    assert to_do(at(study, tmp_path / "elsewhere")) == set()


def test_clock_set_back_changes_nothing(study):
    for path in study.paths.root.rglob("*"):
        os.utime(path, (0, 0))
    assert to_do(study) == set()
