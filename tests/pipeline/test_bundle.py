"""The archive for reviewers: whole, described by hashes, without what may be licensed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from support.study_runs import write_files

from priorshift.cli import main
from priorshift.errors import RunError
from priorshift.files import hash_file
from priorshift.pipeline.bundle import describe_environment, write_bundle
from priorshift.pipeline.manifest import list_run_records, write_manifest
from priorshift.study.load import load_study

pytest.importorskip("rocrate")


def finish(path):
    """A study as if it had been run: a table, a report, and the records that its runs leave."""
    study = load_study(path)
    write_files(study.paths.tables / "contrasts.csv", study.paths.report)
    write_files(*(study.paths.root / name for name in list_run_records(study)))
    write_manifest(study)
    return study


def test_every_file_is_described_by_its_hash(clone, tmp_path):
    assert main(["register", "params/tiny.yaml"]) == 0
    study = finish("params/tiny.yaml")
    shutil.unpack_archive(write_bundle(study), tmp_path / "crate")
    described = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    hashes = {each["@id"]: each["sha256"] for each in described if "sha256" in each}
    assert {name: hash_file(tmp_path / "crate" / name) for name in hashes} == hashes
    inputs = {"params/tiny.yaml", "params/registrations/tiny.yaml", "params/materials_worlds/actions.yaml"}
    assert inputs | {"tables/contrasts.csv", "report.html"} <= set(hashes)
    assert not [name for name in hashes if name.startswith(("data/", "runs/", "measurements/"))]
    assert json.loads((tmp_path / "crate/environment.json").read_text()) == describe_environment()


def test_extended_materials_go_with_it_and_no_questionnaire(params_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = params_folder / "reassurance.yaml"
    data = yaml.safe_load(path.read_text())
    data["probes"]["scales_csv"] = "mine.csv"
    (params_folder / "mine.csv").write_text("scale,outcome,text,key\nm,loss,All is lost.,1\nm,loss,All is well.,-1\n")
    path.write_text(yaml.safe_dump(data))
    study = finish(path)
    assert main(["bundle", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("bundle: outputs/reassurance.crate.zip") and "mine.csv" in said and said.count("\n") == 1
    shutil.unpack_archive("outputs/reassurance.crate.zip", "crate")
    assert not list(Path("crate").rglob("mine.csv"))
    shutil.copy(params_folder / "mine.csv", "crate/params")
    assert load_study("crate/params/reassurance.yaml").materials_hash == study.materials_hash


def test_a_study_that_is_not_whole_is_refused(clone):
    study = finish("params/tiny.yaml")
    study.paths.report.unlink()
    with pytest.raises(RunError, match=r"missing: report.html \(of 1\)"):
        write_bundle(study)
