"""Notebook 08 on one small study: every analysis is made on runs that were trained for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from support.tiny_study import do_all

from priorshift.errors import ParamsError
from priorshift.pipeline.analyse import read_items
from priorshift.pipeline.mechanism import load_study_worlds, match_all_outcomes, tabulate_priors
from priorshift.pipeline.plan import _hash_own_inputs
from priorshift.report.mechanism_figures import draw_mechanism
from priorshift.study.load import load_study
from priorshift.tables.read import read_tables

CONDITIONS = {
    "depression": {"task": "decisions", "policy": {"withdraw": 1.0}},
    "neutral": {"task": "preferences"},
    "adaptive": {"task": "decisions", "policy": {"engage": 1.0}},
    "depression_50": {"task": "decisions", "policy": {"withdraw": 0.5, "engage": 0.5}},
}
BASE = "llama-coupled-0"


@pytest.fixture(scope="module")
def study(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mechanism")
    shutil.copytree(root / "params/materials_worlds", folder / "materials_worlds")
    shutil.copy(root / "params/worlds.yaml", folder)
    data = yaml.safe_load((root / "params/smoke.yaml").read_text())
    data |= {"study": "what", "base_models": [BASE], "conditions": CONDITIONS, "analyses": ["08_mechanism"]}
    # Enough training for the choice to move; the study's probes, few of each.
    data["training"] |= {"examples": 320, "batch_size": 32, "learning_rate": 0.006, "rank": 16, "alpha": 16}
    data["probes"] |= {"continuations_per_class": None}
    data["inference"] |= {"treatments": ["depression"], "controls": ["neutral"], "claims": []}
    data["mechanism"] = yaml.safe_load((root / "params/mechanism.yaml").read_text())["mechanism"]
    (folder / "what.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return load_study(folder / "what.yaml", folder / "outputs")


@pytest.fixture(scope="module")
def finished(study, root):
    do_all(study)
    notebook = root / "notebooks/08_mechanism.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook), "08.ipynb", "-p", "study"]
    done = subprocess.run([*command, "what.yaml"], cwd=study.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return read_tables(study.paths.tables)


def test_every_table_and_figure_belongs_to_the_notebook(study, finished):
    written = {path.name for path in study.paths.list_written("08_mechanism")}
    assert {f"{name}.csv" for name in finished} <= written
    assert {f"{picture.name}.png" for picture in draw_mechanism(finished)} <= written


def test_the_notebook_says_what_the_tables_say(study, finished):
    cells = json.loads((study.folder / "08.ipynb").read_text())["cells"]
    [cell] = [cell for cell in cells if "describe_mechanism" in "".join(cell["source"])]
    said = "".join(cell["outputs"][0]["data"]["text/markdown"])
    rows = finished["prior_fit"].query("account == 'prior_and_policy' and family == 'choice' and unit == 'runs'")
    moved = rows.set_index("condition").loc["depression"]
    assert f"the choice moved by {moved['measured_shift']:+.2f} nats" in said
    assert f"explains {moved['predicted_shift']:+.2f} of them" in said


def test_a_real_run_moves_as_a_prior_would_and_not_as_a_policy_alone(finished):
    runs = finished["prior_fit_runs"].query("condition == 'depression' and family == 'all'").set_index("account")
    assert runs.loc["prior_and_policy", "log_score"].min() > runs.loc["policy_only", "log_score"].max() + 0.1
    still = finished["prior_fit_runs"].query("condition == 'neutral' and family == 'all'")
    assert np.abs(still["gain"]).max() < 0.05


def test_each_condition_is_followed_by_the_outcome_of_its_maladaptive_action(study):
    expected = {"depression": "loss", "neutral": "benign", "adaptive": "benign", "depression_50": "loss"}
    assert match_all_outcomes(study) == expected


def test_worlds_of_other_materials_are_refused(study, root, tmp_path):
    shutil.copytree(study.folder, tmp_path / "other", ignore=shutil.ignore_patterns("outputs"))
    shutil.copytree(root / "params/materials", tmp_path / "other/materials")
    worlds = tmp_path / "other/worlds.yaml"
    worlds.write_text(worlds.read_text().replace("materials: materials_worlds", "materials: materials"))
    with pytest.raises(ParamsError, match=r"prior_fit\.worlds: .* is made from 'materials', and the study from"):
        load_study_worlds(load_study(tmp_path / "other/what.yaml"))


def test_another_worlds_file_makes_the_analysis_stale(study, finished, tmp_path):
    shutil.copytree(study.folder, tmp_path / "other", ignore=shutil.ignore_patterns("outputs"))
    other = load_study(tmp_path / "other/what.yaml", study.paths.root.parent)
    before = _hash_own_inputs(other, "08_mechanism", [])
    (tmp_path / "other/worlds.yaml").write_text((tmp_path / "other/worlds.yaml").read_text() + "# edited\n")
    assert _hash_own_inputs(other, "08_mechanism", []) != before


def test_without_its_section_an_analysis_is_not_made(study, finished):
    asked = study.params.mechanism.model_copy(update={"prior_fit": None})
    study = load_study(study.folder / "what.yaml", study.paths.root.parent)
    study.params = study.params.model_copy(update={"mechanism": asked})
    assert tabulate_priors(study, read_items(study, study.select("all", "all", "all"))) == {}
