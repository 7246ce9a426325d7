"""Marks of stages: what they stand for, and when none is given. No model is loaded here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml
from study_runs import workplace

from priorshift.__main__ import main
from priorshift.errors import RunError
from priorshift.finished import why_not
from priorshift.manifest import verify, write_manifest
from priorshift.params import load_study
from priorshift.paths import OWNED, StudyPaths
from priorshift.plan import make_plan, prepare, write_mark
from priorshift.provenance import read_record, write_record


@pytest.fixture
def place(root, tiny_yaml, tmp_path, monkeypatch):
    """A clone with the tiny study, and in it: nothing is done yet."""
    folder = workplace(root, tmp_path / "clone")
    (folder / "params/tiny.yaml").write_text(tiny_yaml.read_text())
    monkeypatch.chdir(folder)
    return folder


def begin(stage):
    """The tiny study begun, and a stage's notebook executed."""
    study = load_study("params/tiny.yaml")
    prepare(study)
    write(study.paths.executed(stage))
    return study


def write(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("executed")


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


def test_a_study_says_which_analyses_follow(place):
    path = place / "params/tiny.yaml"
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(data | {"analyses": ["05_report", "06_placement", "04_test"]}))
    study = load_study("params/tiny.yaml")
    assert [s.stage for s in make_plan(study)][-3:] == ["04_test", "06_placement", "05_report"]
    path.write_text(yaml.safe_dump(data | {"analyses": ["07_calibration"]}))
    other = load_study("params/tiny.yaml")
    assert [s.stage for s in make_plan(other)][-2:] == ["03_probe", "07_calibration"]
    assert other.params_hash == study.params_hash


WRITTEN = {
    "04_test": {"tables/contrasts.csv", "tables/dose.csv", "figures/power.png"},
    "05_report": {"figures/jsd.png", "figures/dose.svg"},
    "06_placement": {"tables/placement.csv", "figures/placement.svg"},
    "07_calibration": {"tables/calibration.csv", "figures/calibration.png"},
}


@pytest.mark.parametrize("stage", WRITTEN)
def test_each_stage_owns_what_it_writes_and_clears_that_alone(tmp_path, stage):
    paths = StudyPaths(tmp_path)
    write(*(tmp_path / name for names in WRITTEN.values() for name in names), paths.report)
    assert {path.relative_to(tmp_path).as_posix() for path in paths.owned(stage)} == WRITTEN[stage]
    paths.clear(stage)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert left == {"report.html"}.union(*(names for other, names in WRITTEN.items() if other != stage))


def test_every_figure_and_table_of_a_notebook_has_its_owner(root):
    """Names that notebooks 04, 06 and 07 give in so many words: 05 owns every other figure, 04 every other table."""
    for stage in ("04_test", "06_placement", "07_calibration"):
        code = "".join(
            "".join(c["source"]) for c in json.loads((root / f"notebooks/{stage}.ipynb").read_text())["cells"]
        )
        figures = re.findall(r'save_figure\(figure, loaded.paths.figures, "(\w+)"\)', code)
        assert figures and {f"figures/{name}.*" for name in figures} <= set(OWNED[stage])
        assert f'loaded.paths.clear("{stage}")' in code


def test_a_lost_figure_of_the_tests_is_made_again_by_the_tests(place):
    study = begin("04_test")
    power = study.paths.figures / "power.png"
    write(power, study.paths.figures / "jsd.png")
    write_mark(study, "04_test", "")
    assert read_record(study.paths.mark("04_test"))["hashes"].keys() == {
        "notebooks/04_test.ipynb", "figures/power.png",
    }  # fmt: skip
    power.unlink()
    assert why_not(study.paths.mark("04_test"), None, study.paths.root) == "figures/power.png is missing"


RUNS = ("data/neutral/seed-0/train.jsonl", "runs/a/neutral/seed-0/run.json", "runs/a/neutral/seed-1/run.json")
SHIPPED = ("tables/contrasts.csv", "figures/jsd.png", "notebooks/04_test.ipynb", "report.html")


@pytest.fixture
def clone(place):
    """A study as a repository ships it: the manifest names files of runs that are not there, nor is any mark."""
    study = load_study("params/tiny.yaml")
    write(*(study.paths.root / name for name in (*RUNS, *SHIPPED, "figures/jsd.svg")))
    write_manifest(study)
    shutil.rmtree(study.paths.root / "data")
    shutil.rmtree(study.paths.root / "runs")
    (study.paths.root / "figures/jsd.svg").unlink()
    return study


def test_a_clone_is_whole_without_the_files_of_runs(clone, capsys):
    assert main(["verify", "params/tiny.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" of which")[0] for line in said] == [
        "not here, as in a clone: 4 files", "outputs/tiny: every other file is as the manifest says",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_a_clone_misses_what_is_shipped(clone, name):
    (clone.paths.root / name).unlink()
    assert verify(clone) == [f"missing: {name}"]


def test_some_files_of_runs_are_all_of_them_or_a_loss(clone):
    write(clone.paths.root / RUNS[1])
    assert verify(clone) == [f"missing: {RUNS[2]}"]
    (clone.paths.root / RUNS[1]).write_text("changed")
    assert f"changed: {RUNS[1]}" in verify(clone)


def test_where_a_study_was_run_missing_runs_are_lost(clone):
    write_record(clone.paths.mark("04_test"), {"inputs": {}, "hashes": {}})
    assert set(verify(clone)) == {f"missing: {name}" for name in (*RUNS, "figures/jsd.svg")}


def test_a_clone_lacks_what_the_repository_ignores_and_nothing_else(root):
    """The rule of the manifest is .gitignore's, for the committed reference study."""
    names = (*RUNS, *SHIPPED, "figures/jsd.svg", "manifest.json", "stages/a.json")
    paths = [f"outputs/embedded/{name}" for name in names]
    asked = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True)
    if asked.returncode == 128:
        pytest.skip("no git repository here")
    ignored = {name.removeprefix("outputs/embedded/") for name in asked.stdout.split()}
    assert ignored == {*RUNS, "figures/jsd.svg", "stages/a.json"}
