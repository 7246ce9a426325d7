"""The manifest: every file by its hash, every run of the params, and what a repository ships of them."""

from __future__ import annotations

import subprocess

import pytest
from support.study_runs import write_files

from priorshift.cli import main
from priorshift.files import read_record, write_record
from priorshift.pipeline.manifest import (
    list_not_shipped,
    list_problems,
    list_run_records,
    read_settings,
    write_manifest,
)
from priorshift.pipeline.plan import prepare_study
from priorshift.study.load import load_study
from priorshift.study.other_model import VARIABLE

TWO = tuple(f"runs/llama-coupled-0/neutral/seed-{seed}/run.json" for seed in (0, 1))
SHIPPED = ("tables/contrasts.csv", "figures/jsd.png", "notebooks/04_test.ipynb", "report.html")
NOT_SHIPPED = ("data/neutral/seed-0/train.jsonl", "figures/jsd.svg")


def ship():
    """A study as a repository ships it: the manifest names files of runs that are not there, nor is any mark."""
    study = load_study("params/tiny.yaml")
    left_out = [study.paths.root / name for name in (*NOT_SHIPPED, *list_run_records(study))]
    write_files(*left_out, *(study.paths.root / name for name in SHIPPED))
    write_manifest(study)
    for path in left_out:
        path.unlink()
    return study


@pytest.fixture
def shipped(clone):
    return ship()


def test_a_study_made_on_another_model_is_whole_wherever_that_model_lay(clone, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, str(clone / "models" / "Other"))
    study = ship()
    assert all("/other/" in name for name in list_run_records(study))
    monkeypatch.setenv(VARIABLE, "")
    assert main(["verify", "params/tiny.yaml"]) == 0, capsys.readouterr().out
    # The study itself, on its own model, is another one.
    monkeypatch.setenv(VARIABLE, "")
    assert any("changed: the study's params" in problem for problem in list_problems(load_study("params/tiny.yaml")))


def test_a_clone_is_whole_without_the_files_of_runs(shipped, capsys):
    assert set(list_not_shipped(shipped)) == {*NOT_SHIPPED, *list_run_records(shipped)}
    assert list_problems(shipped) == []
    assert main(["verify", "params/tiny.yaml"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert f"{len(list_run_records(shipped)) + 2} files" in first and second.startswith("outputs/tiny: every other")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_clone_misses_what_is_shipped(shipped, name):
    (shipped.paths.root / name).unlink()
    assert list_problems(shipped) == [f"missing: {name}"]


def test_some_files_of_runs_are_all_of_them_or_a_loss(shipped):
    runs = {name for name in list_run_records(shipped) if name.startswith("runs/")}
    write_files(shipped.paths.root / TWO[0])
    assert set(list_problems(shipped)) == {f"missing: {name}" for name in runs - {TWO[0]}}
    (shipped.paths.root / TWO[0]).write_text("changed")
    assert f"changed: {TWO[0]}" in list_problems(shipped)


def test_the_manifest_names_the_runs_of_the_params_and_no_others(shipped):
    other = shipped.paths.root / "runs/llama-coupled-0/neutral/seed-9/run.json"
    write_files(other, shipped.paths.root / TWO[0])
    write_manifest(shipped)
    said = list_problems(shipped)
    assert [line for line in said if line.startswith("extra: runs/llama-coupled-0/neutral/seed-9/run.json")]
    assert [line for line in said if line.startswith(f"missing: {TWO[1]}")]
    assert not [line for line in said if TWO[0] in line]


def test_changed_params_and_materials_are_named(shipped):
    recorded = read_record(shipped.paths.manifest)
    write_record(shipped.paths.manifest, recorded | {"params_hash": "0" * 64})
    [said] = list_problems(shipped)
    assert said.startswith("changed: the study's params")
    write_record(shipped.paths.manifest, recorded | {"materials_hash": "0" * 64})
    [said] = list_problems(shipped)
    assert said.startswith("changed: the study's materials")


def test_how_results_were_made_is_read_without_a_file_of_a_run(shipped):
    recorded = read_record(shipped.paths.manifest)
    write_record(shipped.paths.manifest, recorded | {"made_with": {"torch": {"2.13.0": 8}}})
    assert read_settings(shipped) == {"torch": {"2.13.0": 8}}


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{}"), lambda path: write_record(path, {"inputs": {}})])
def test_a_manifest_of_another_study_or_none_is_changed_and_written_anew(shipped, spoil):
    spoil(shipped.paths.manifest)
    assert list_problems(shipped) == ["changed: manifest.json"]
    prepare_study(shipped)
    assert not shipped.paths.manifest.exists()
    assert list_problems(shipped) == ["missing: manifest.json"]


def test_where_a_study_was_run_missing_runs_are_lost(shipped):
    write_record(shipped.paths.mark("04_test"), {"inputs": {}, "hashes": {}})
    left_out = {*NOT_SHIPPED, *list_run_records(shipped)}
    assert set(list_problems(shipped)) == {*(f"missing: {name}" for name in left_out), "extra: stages/04_test.json"}


def list_ignored(root, study, names):
    paths = [f"outputs/{study}/{name}" for name in names]
    asked = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True)
    if asked.returncode == 128:
        pytest.skip("no git repository here")
    return {name.removeprefix(f"outputs/{study}/") for name in asked.stdout.split()}


def test_a_clone_lacks_what_the_repository_ignores_and_nothing_else(root):
    """The rule of the manifest is .gitignore's, for the committed reference study."""
    runs = (NOT_SHIPPED[0], *TWO)
    names = (*runs, *SHIPPED, "figures/jsd.svg", "manifest.json", "stages/a.json")
    assert list_ignored(root, "embedded", names) == {*runs, "figures/jsd.svg", "stages/a.json"}


def test_a_clone_lacks_the_large_files_of_wide_studies_alone(root, tmp_path):
    """There too the rule is .gitignore's, for every file of the committed study."""
    assert not list_ignored(root, "embedded", ("notebooks/02_train_a.ipynb", "tables/shifts.csv"))
    study = load_study(root / "params/mechanism.yaml", tmp_path)
    recorded = read_record(root / "outputs/mechanism/manifest.json")["files"]
    write_record(study.paths.manifest, {"files": recorded})
    left_out = list_not_shipped(study)
    assert set(left_out) == list_ignored(root, "mechanism", recorded) and "tables/contrasts.csv" in left_out
    assert "notebooks/08_mechanism.ipynb" not in left_out and "tables/directions.csv" not in left_out
