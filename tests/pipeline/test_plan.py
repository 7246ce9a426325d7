"""Marks of stages: what they stand for, and when none is given. No model is loaded here."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys

import pytest
import yaml
from support.study_runs import workplace

from priorshift.cli import main
from priorshift.errors import RunError
from priorshift.files import read_record, write_record
from priorshift.pipeline.manifest import _records, list_problems, write_manifest
from priorshift.pipeline.plan import make_plan, prepare, write_mark
from priorshift.pipeline.records import why_not
from priorshift.study.load import load_study
from priorshift.study.paths import OWNED, StudyPaths


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


TWO = tuple(f"runs/llama-coupled-0/neutral/seed-{seed}/run.json" for seed in (0, 1))
SHIPPED = ("tables/contrasts.csv", "figures/jsd.png", "notebooks/04_test.ipynb", "report.html")


@pytest.fixture
def clone(place):
    """A study as a repository ships it: the manifest names files of runs that are not there, nor is any mark."""
    study = load_study("params/tiny.yaml")
    left_out = ["data/neutral/seed-0/train.jsonl", "figures/jsd.svg", *sorted(_records(study))]
    write(*(study.paths.root / name for name in (*left_out, *SHIPPED)))
    write_manifest(study)
    for name in left_out:
        (study.paths.root / name).unlink()
    return study


def test_a_clone_is_whole_without_the_files_of_runs(clone, capsys):
    assert main(["verify", "params/tiny.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" of which")[0] for line in said] == [
        f"not here, as in a clone: {len(_records(clone)) + 2} files",
        "outputs/tiny: every other file is as the manifest says",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_a_clone_misses_what_is_shipped(clone, name):
    (clone.paths.root / name).unlink()
    assert list_problems(clone) == [f"missing: {name}"]


def test_some_files_of_runs_are_all_of_them_or_a_loss(clone):
    runs = {name for name in _records(clone) if name.startswith("runs/")}
    write(clone.paths.root / TWO[0])
    assert set(list_problems(clone)) == {f"missing: {name}" for name in runs - {TWO[0]}}
    (clone.paths.root / TWO[0]).write_text("changed")
    assert f"changed: {TWO[0]}" in list_problems(clone)


def test_the_manifest_names_the_runs_of_the_params_and_no_others(clone):
    other = clone.paths.root / "runs/llama-coupled-0/neutral/seed-9/run.json"
    write(other, clone.paths.root / TWO[0])
    write_manifest(clone)
    said = list_problems(clone)
    assert "extra: runs/llama-coupled-0/neutral/seed-9/run.json (of no run of these params; remove it)" in said
    assert f"missing: {TWO[1]} (of a run of these params)" in said and not [line for line in said if TWO[0] in line]


def test_no_manifest_before_all_is_done(place, capsys):
    assert main(["manifest", "params/tiny.yaml"]) == 2
    assert "error: manifest: 01_synthesize is not finished (" in capsys.readouterr().err


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{}"), lambda path: write_record(path, {"inputs": {}})])
def test_a_manifest_of_another_study_or_none_is_changed_and_written_anew(clone, spoil):
    spoil(clone.paths.manifest)
    assert list_problems(clone) == ["changed: manifest.json"]
    prepare(clone)
    assert not clone.paths.manifest.exists()


def test_where_a_study_was_run_missing_runs_are_lost(clone):
    write_record(clone.paths.mark("04_test"), {"inputs": {}, "hashes": {}})
    left_out = {"data/neutral/seed-0/train.jsonl", "figures/jsd.svg", *_records(clone)}
    assert set(list_problems(clone)) == {*(f"missing: {name}" for name in left_out), "extra: stages/04_test.json"}


def test_a_clone_lacks_what_the_repository_ignores_and_nothing_else(root):
    """The rule of the manifest is .gitignore's, for the committed reference study."""
    runs = ("data/neutral/seed-0/train.jsonl", *TWO)
    names = (*runs, *SHIPPED, "figures/jsd.svg", "manifest.json", "stages/a.json")
    paths = [f"outputs/embedded/{name}" for name in names]
    asked = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True)
    if asked.returncode == 128:
        pytest.skip("no git repository here")
    ignored = {name.removeprefix("outputs/embedded/") for name in asked.stdout.split()}
    assert ignored == {*runs, "figures/jsd.svg", "stages/a.json"}


def test_ten_thousand_runs_are_planned_in_two_gigabytes(place):
    path = place / "params/tiny.yaml"
    data = yaml.safe_load(path.read_text())
    conditions = {f"neutral_{i}": {"task": "preferences"} for i in range(3)} | data["conditions"]
    data |= {"study": "large", "conditions": conditions, "base_models": ["llama-coupled-0", "gpt_neox-coupled-0"]}
    runs = len(conditions) * 2 * 1000
    assert runs >= 10_000
    path.write_text(yaml.safe_dump(data | {"seeds": list(range(1000))}))

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))

    command = [sys.executable, "-m", "priorshift", "plan", "params/tiny.yaml"]
    made = subprocess.run(command, cwd=place, capture_output=True, text=True, preexec_fn=limit)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("runs/") == made.stdout.count("measurements/") == runs
    assert not (place / "outputs/large").exists()
