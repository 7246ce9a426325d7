"""Marks of stages: what they stand for, and when none is given. No model is loaded here."""

from __future__ import annotations

import json

import pytest
import yaml
from study_runs import workplace

from priorshift.errors import RunError
from priorshift.params import load_study
from priorshift.plan import make_plan, prepare, write_mark
from priorshift.provenance import read_record


@pytest.fixture
def place(root, tiny_yaml, tmp_path, monkeypatch):
    """A clone with the tiny study, and in it: nothing is done yet."""
    folder = workplace(root, tmp_path / "clone")
    (folder / "params/tiny.yaml").write_text(tiny_yaml.read_text())
    monkeypatch.chdir(folder)
    return folder


def begin(stage, *written):
    """The tiny study begun, and the files that executing a stage's notebook leaves."""
    study = load_study("params/tiny.yaml")
    prepare(study)
    for path in (study.paths.executed(stage), *(study.paths.root / name for name in written)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("executed")
    return study


def reason(study, stage):
    return next(s.reason for s in make_plan(study) if s.name == stage)


def edit_notebook(folder):
    path = folder / "notebooks/01_synthesize.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] += ["more"]
    path.write_text(json.dumps(notebook))


def edit_params(folder):
    path = folder / "params/tiny.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seeds": [0, 1, 2]}))


def edit_materials(folder):
    path = folder / "params/materials/preferences.yaml"
    path.write_text(path.read_text() + "# more\n")


@pytest.mark.parametrize(
    ("edit", "named"), [(edit_notebook, "notebook"), (edit_params, "params"), (edit_materials, "materials")]
)
def test_no_mark_for_what_was_edited_while_it_ran(place, edit, named):
    study = begin("01_synthesize")
    edit(place)
    with pytest.raises(RunError, match=f"01_synthesize: {named} changed while the study ran") as caught:
        write_mark(load_study("params/tiny.yaml"), "01_synthesize", "")
    assert "\n" not in str(caught.value) and not study.paths.mark("01_synthesize").exists()
    begun = load_study("params/tiny.yaml")
    prepare(begun)
    write_mark(begun, "01_synthesize", "")
    assert study.paths.mark("01_synthesize").exists()


def test_a_study_that_is_begun_again_unchanged_writes_nothing(place):
    study = begin("01_synthesize")
    before = study.paths.begun.stat().st_mtime_ns
    prepare(study)
    assert study.paths.begun.stat().st_mtime_ns == before
    assert set(read_record(study.paths.begun)["01_synthesize"]) == {"notebook", "source", "params", "materials"}
