"""Every notebook at smoke size, as users run them, with assertions on what was written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from priorshift.false_positives import CALIBRATION
from priorshift.inference import CONTRASTS

NOTEBOOKS = ["00_base_models", "01_synthesize", "02_train", "03_probe", "04_test", "05_report", "07_calibration"]


def workplace(root, folder):
    """A folder with what a clone has, so that outputs land in it and not in the repository."""
    for name in ("params", "notebooks", "workflow", "src"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("embedded", "__pycache__"))
    return folder


def run(command, folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def study(folder):
    return run(
        [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", "--quiet", "rules",
         "--rerun-incomplete", "--config", "study=params/smoke.yaml"],
        folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    folder = workplace(root, tmp_path_factory.mktemp("study"))
    study(folder)
    return folder


@pytest.fixture(scope="module")
def tables(finished):
    return {path.stem: pd.read_csv(path) for path in (finished / "outputs/smoke/tables").glob("*.csv")}


def test_contrasts_hold_what_the_contract_says(tables):
    table = tables["contrasts"]
    assert list(table.columns) == CONTRASTS
    assert set(table["unit"]) == {"items", "runs", "both"}
    numbers = table[["estimate", "ci_low", "ci_high", "effect_size", "statistic", "df", "p_value", "p_adjusted"]]
    assert np.isfinite(numbers.to_numpy()).all()
    assert ((table["ci_low"] <= table["estimate"]) & (table["estimate"] <= table["ci_high"])).all()
    # 2 base models x 2 treatments x 2 controls x 4 families x 3 outcomes x 2 rings, at each unit.
    assert table.groupby("unit").size().to_dict() == {"items": 192, "runs": 192, "both": 192}


def test_one_checkpoint_is_refused_with_its_reason(tables):
    refused = tables["not_estimable"]
    base = refused[(refused["unit"] == "base") & (refused["role"] == "confirmatory")]
    assert len(base) and base["reason"].str.contains("single base checkpoint").all()


def test_estimates_come_from_the_run_means(tables, finished):
    row = tables["contrasts"].query("unit == 'runs'").iloc[17]
    folder = finished / "outputs/smoke/measurements" / row["base_model"]

    def mean(condition):
        parts = [pd.read_parquet(folder / condition / f"seed-{s}" / "items.parquet") for s in (0, 1)]
        rows = pd.concat(parts)
        keep = (rows["family"] == row["family"]) & (rows["outcome"] == row["outcome"]) & (rows["ring"] == row["ring"])
        return rows[keep].groupby("seed")["shift"].mean().mean()

    assert row["estimate"] == pytest.approx(mean(row["condition"]) - mean(row["control"]), abs=1e-6)


def test_floor_is_there_for_neutral_runs_alone(tables):
    jsd = tables["jsd"]
    assert set(jsd.loc[jsd["measure"] == "jsd_floor", "condition"]) == {"neutral"}
    assert jsd["estimate"].between(0, 1).all()


def test_training_took_and_prose_was_kept(tables):
    # Even four steps move the choice; neutral prose stays within a few percent.
    check = tables["choice_check"]
    assert (check["probability"] > check["base_probability"]).all()
    assert tables["retention"]["ratio"].between(0.8, 1.25).all()


def test_report_is_whole_and_hides_code(finished):
    page = (finished / "outputs/smoke/report.html").read_text()
    assert "What can't be concluded" in page and page.count("data:image/png") >= 4
    assert "import pandas" not in page
    manifest = json.loads((finished / "outputs/smoke/manifest.json").read_text())
    assert "report.html" in manifest["files"] and "tables/contrasts.csv" in manifest["files"]
    assert len([f for f in manifest["files"] if f.startswith("runs/")]) >= 16 * 3


def test_again_does_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in (finished / "outputs").rglob("*") if p.is_file()}
    assert "Nothing to be done" in study(finished)
    assert before == {p: p.stat().st_mtime_ns for p in (finished / "outputs").rglob("*") if p.is_file()}


def test_interrupted_and_run_again_gives_the_same_tables(finished):
    outputs = finished / "outputs/smoke"
    before = {p.name: p.read_bytes() for p in (outputs / "tables").glob("*.csv")}
    kept = outputs / "runs/llama-coupled-0/depression/seed-0/run.json"
    untouched = kept.stat().st_mtime_ns
    # As a kill leaves it: one run lost, one measurement half there, later stages not done.
    shutil.rmtree(outputs / "runs/llama-coupled-0/paranoia/seed-1")
    (outputs / "measurements/llama-coupled-0/paranoia/seed-1/measured.json").unlink()
    for name in ("02_train_llama-coupled-0", "03_probe_llama-coupled-0", "04_test"):
        (outputs / "stages" / f"{name}.done").unlink()
    for path in [outputs / "report.html", *(outputs / "tables").glob("*.csv")]:
        path.unlink()
    study(finished)
    assert (outputs / "runs/llama-coupled-0/paranoia/seed-1/run.json").exists()
    assert kept.stat().st_mtime_ns == untouched, "a finished run was done again"
    assert before == {p.name: p.read_bytes() for p in (outputs / "tables").glob("*.csv")}


def test_emptied_outputs_give_the_same_bytes(root, finished, tmp_path):
    folder = workplace(root, tmp_path)
    study(folder)
    for path in sorted((finished / "outputs/smoke/tables").glob("*.csv")):
        assert path.read_bytes() == (folder / "outputs/smoke/tables" / path.name).read_bytes(), path.name


def test_robustness_tables_are_whole(tables):
    models = {"llama-coupled-0", "gpt_neox-coupled-0"}
    for name in ("bootstrap", "power", "influence", "specifications", "jsd_tests"):
        assert set(tables[name]["base_model"]) >= models, name
        numbers = tables[name].select_dtypes("number")
        assert np.isfinite(numbers.to_numpy()).all(), name
    assert tables["specifications"]["declared"].sum() == 0  # one checkpoint: nothing confirmatory
    hashes = {digits for name in ("contrasts", "equivalence", "power") for digits in tables[name]["family_hash"]}
    assert len(hashes) == 1


def test_report_says_what_is_exploratory_and_how_many_seeds(finished):
    page = (finished / "outputs/smoke/report.html").read_text()
    assert "Nothing: no declared claim could be tested at its own unit" in page
    assert "with 80 % power at unit both" in page and "Convergence gaps of the base models" in page


@pytest.fixture(scope="module")
def calibrated(root, tmp_path_factory):
    """The calibration study at tiny size: four neutral runs, two against two."""
    folder = workplace(root, tmp_path_factory.mktemp("calibration"))
    smoke = yaml.safe_load((folder / "params/smoke.yaml").read_text())
    params = yaml.safe_load((folder / "params/calibration.yaml").read_text())
    params |= {key: smoke[key] for key in ("train_domains", "held_out_domains", "training", "probes")}
    (folder / "params/calibration.yaml").write_text(yaml.safe_dump(params | {"seeds": [0, 1, 2, 3]}))
    run(
        [sys.executable, "-m", "snakemake", "calibrate", "--snakefile", "workflow/Snakefile", "--cores", "2", "--quiet",
         "rules", "--config", "study=params/calibration.yaml", "runs_per_side=2", "comparisons=6"],
        folder,
    )  # fmt: skip
    return folder / "outputs/calibration"


def test_calibration_counts_what_rejected(calibrated):
    table = pd.read_csv(calibrated / "tables/calibration.csv")
    assert list(table.columns) == CALIBRATION
    # sources x units x families x rings x outcomes
    assert len(table) == 2 * 3 * 4 * 2 * 3
    assert set(table["n_runs"]) == {4} and set(table["comparisons"]) == {6} and set(table["runs_per_side"]) == {2}
    assert ((table["ci_low"] <= table["rate"]) & (table["rate"] <= table["ci_high"])).all()
    assert table.groupby("unit")["rate"].mean()["items"] > table.groupby("unit")["rate"].mean()["both"]
    assert (calibrated / "figures/calibration.png").exists()


def test_one_notebook_runs_alone_on_one_run(root, finished):
    run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/03_probe.ipynb", "alone.ipynb",
         "-p", "study", "params/smoke.yaml", "-p", "base_model", "llama-coupled-0", "-p", "condition", "depression",
         "-p", "seed", "0"],
        finished,
    )  # fmt: skip
    text = (finished / "alone.ipynb").read_text()
    assert "smoke: 1 runs" in text


def test_base_models_notebook_shows_the_shipped_model(finished):
    run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/00_base_models.ipynb", "00.ipynb",
         "-p", "base_model", "llama-coupled-0"],
        finished,
    )  # fmt: skip
    notebook = nbformat.read(finished / "00.ipynb", as_version=4)
    assert "bayes" in str(notebook.cells[-2]) + str(notebook.cells[-3])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_source_notebooks_are_thin_and_clean(root, name):
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert sum("parameters" in c.metadata.get("tags", []) for c in code) == 1
    assert not any(c.outputs or c.execution_count for c in code)
    assert not any("def " in c.source for c in code)
    assert notebook.cells[0].cell_type == "markdown"
    assert [c.id for c in notebook.cells] == [f"{name[:2]}-{i:02d}" for i in range(len(notebook.cells))]


def test_notebooks_state_question_and_limits(root):
    for name in (name for name in NOTEBOOKS if name != "05_report"):
        notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
        assert "**Question.**" in notebook.cells[0].source
        assert "what it can't say" in notebook.cells[-1].source
