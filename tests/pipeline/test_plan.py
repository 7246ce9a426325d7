"""Marks of jobs: what they stand for, and when none is given. No model is loaded here."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys

import pytest
import yaml
from support.study_runs import write_files
from support.tiny_study import at

from priorshift.errors import ParamsError, RunError
from priorshift.files import read_record
from priorshift.pipeline.plan import describe_plan, hash_job_inputs, make_plan, prepare_study, write_mark
from priorshift.pipeline.records import explain_unfinished
from priorshift.pipeline.registration import register_study
from priorshift.study.load import load_study
from priorshift.study.paths import WRITTEN_BY


def begin(notebook):
    """The tiny study begun, and a notebook executed."""
    study = load_study("params/tiny.yaml")
    prepare_study(study)
    write_files(study.paths.executed(notebook))
    return study


def edit_notebook(folder):
    path = folder / "notebooks/01_synthesize.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] += ["more"]
    path.write_text(json.dumps(notebook))


def edit_params(folder):
    path = folder / "params/tiny.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seeds": [0, 1, 2]}))


def edit_materials(folder):
    path = folder / "params/materials_worlds/preferences.yaml"
    path.write_text(path.read_text() + "# more\n")


@pytest.mark.parametrize(
    ("edit", "named"), [(edit_notebook, "notebook"), (edit_params, "params"), (edit_materials, "materials")]
)
def test_no_mark_for_what_was_edited_while_it_ran(clone, edit, named):
    study = begin("01_synthesize")
    edit(clone)
    with pytest.raises(RunError, match=f"01_synthesize: {named} changed while the study ran") as caught:
        write_mark(load_study("params/tiny.yaml"), "01_synthesize", "")
    assert "\n" not in str(caught.value) and not study.paths.mark("01_synthesize").exists()
    begun = load_study("params/tiny.yaml")
    prepare_study(begun)
    write_mark(begun, "01_synthesize", "")
    assert study.paths.mark("01_synthesize").exists()


def test_a_study_that_is_begun_again_unchanged_writes_nothing(clone):
    study = begin("01_synthesize")
    before = study.paths.begun.stat().st_mtime_ns
    prepare_study(study)
    assert study.paths.begun.stat().st_mtime_ns == before
    assert set(read_record(study.paths.begun)["01_synthesize"]) == {"notebook", "code", "params", "materials"}


def test_a_registration_is_read_by_the_tests_alone(clone):
    study = load_study("params/tiny.yaml")
    before = {notebook: hash_job_inputs(study, notebook, []) for notebook in ("03_probe", "04_test", "06_placement")}
    register_study(study)
    after = {notebook: hash_job_inputs(study, notebook, []) for notebook in before}
    assert [notebook for notebook in before if before[notebook] != after[notebook]] == ["04_test"]


def test_a_study_says_which_analyses_follow(clone):
    path = clone / "params/tiny.yaml"
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(data | {"analyses": ["05_report", "06_placement", "04_test"]}))
    study = load_study("params/tiny.yaml")
    assert [s.notebook for s in make_plan(study)][-3:] == ["04_test", "06_placement", "05_report"]
    path.write_text(yaml.safe_dump(data | {"analyses": ["07_calibration"]}))
    other = load_study("params/tiny.yaml")
    assert [s.notebook for s in make_plan(other)][-2:] == ["03_probe", "07_calibration"]
    assert other.params_hash == study.params_hash


def test_every_figure_of_an_analysis_has_its_owner(root):
    """05 clears every figure that is not said to be of another notebook."""
    drawn = {}
    for path in (root / "src/priorshift/report").glob("*_figures.py"):
        drawn |= dict(re.findall(r'^def (draw_\w+)\((?:(?!^def ).)*?Picture\("(\w+)"', path.read_text(), re.M | re.S))
    for notebook in ("04_test", "06_placement", "07_calibration", "08_mechanism"):
        cells = json.loads((root / f"notebooks/{notebook}.ipynb").read_text())["cells"]
        code = "".join("".join(cell["source"]) for cell in cells)
        figures = [drawn[name] for name in re.findall(r"save_picture\((?:\w+\.)?(draw_\w+)", code)]
        assert len(figures) == code.count("save_picture(")
        assert figures and {f"figures/{name}.*" for name in figures} <= set(WRITTEN_BY[notebook])
        assert f'loaded.paths.clear("{notebook}")' in code


def test_a_lost_figure_of_the_tests_is_made_again_by_the_tests(clone):
    study = begin("04_test")
    power = study.paths.figures / "power.png"
    write_files(power, study.paths.figures / "jsd.png")
    write_mark(study, "04_test", "")
    assert read_record(study.paths.mark("04_test"))["hashes"].keys() == {
        "notebooks/04_test.ipynb", "figures/power.png",
    }  # fmt: skip
    power.unlink()
    assert explain_unfinished(study.paths.mark("04_test"), None, study.paths.root) == "figures/power.png is missing"


def test_ten_thousand_runs_are_planned_in_two_gigabytes(clone):
    path = clone / "params/tiny.yaml"
    data = yaml.safe_load(path.read_text())
    conditions = {f"neutral_{i}": {"task": "preferences"} for i in range(3)} | data["conditions"]
    data |= {"study": "large", "conditions": conditions, "base_models": ["llama-coupled-0", "gpt_neox-coupled-0"]}
    runs = len(conditions) * 2 * 1000
    assert runs >= 10_000
    path.write_text(yaml.safe_dump(data | {"seeds": list(range(1000))}))

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))

    command = [sys.executable, "-m", "priorshift", "plan", "params/tiny.yaml"]
    made = subprocess.run(command, cwd=clone, capture_output=True, text=True, preexec_fn=limit)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("runs/") == made.stdout.count("measurements/") == runs
    assert not (clone / "outputs/large").exists()


def test_the_plan_names_each_job_and_each_piece_of_work(done, clone):
    planned = describe_plan(make_plan(at(done, done.paths.root.parent))).splitlines()
    # Nothing is left to do but the notebooks, which nobody has executed.
    assert planned[-1] == f"5 of {len(planned) - 1} jobs and 0 pieces of work to do"
    assert planned[0] == "to do  01_synthesize  (not there)"
    fresh = describe_plan(make_plan(load_study("params/tiny.yaml"))).splitlines()
    assert fresh[-1] == "5 of 5 jobs and 12 pieces of work to do"  # data, runs and measurements of four runs
    assert "         runs/llama-coupled-0/neutral/seed-1  (not there)" in fresh


def test_an_unknown_shard_gets_no_mark(clone):
    study = begin("02_train")
    with pytest.raises(ParamsError, match="shard: found 'llama'; 02_train of 'tiny' has 1: 'llama-coupled-0'"):
        write_mark(study, "02_train", "llama")


def test_what_a_killed_writer_left_is_removed(smoke, tmp_path):
    study = at(smoke, tmp_path)
    half = study.paths.run("llama-coupled-0", "neutral", 0).with_name(".seed-0.77.tmp") / "adapter"
    write_files(half / "adapter_model.safetensors", study.paths.tables / ".contrasts.csv.77.tmp")
    prepare_study(study)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [study.paths.begun]


@pytest.mark.parametrize("fault", ["truncated", "gone"])
def test_a_damaged_notebook_is_one_line(clone, fault):
    path = clone / "notebooks/04_test.ipynb"
    path.write_bytes(path.read_bytes()[:500]) if fault == "truncated" else path.unlink()
    with pytest.raises(RunError, match=r"^notebooks/04_test\.ipynb: is missing or damaged \(no JSON\)"):
        make_plan(load_study("params/tiny.yaml"))
