"""Every notebook at smoke size, as users run them, with assertions on what was written."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from support.kills import tables as tables_of
from support.study_runs import make_workplace, run_command, run_study, study_command

from priorshift.pipeline.locks import hold_study
from priorshift.pipeline.manifest import list_problems
from priorshift.stats.claims import CONTRASTS
from priorshift.stats.level import LEVEL
from priorshift.study.load import load_study
from priorshift.study.paths import PACKAGE, StudyPaths
from priorshift.tables.read import read_tables

NOTEBOOKS = ["00_base_models", "01_synthesize", "02_train", "03_probe", "04_test", "05_report", "06_placement"]
NOTEBOOKS += ["07_calibration", "08_mechanism", "colab", "tour"]
SECRET = "hf_not_to_be_seen_anywhere"


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    # A clone may lie anywhere.
    folder = tmp_path_factory.mktemp("study") / """a 'clone' "in" #1, 50% [of] {all} $HOME Ελλάς"""
    folder.mkdir()
    make_workplace(root, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", SECRET)
        run_command([sys.executable, "-m", "priorshift", "register", "params/smoke.yaml"], folder)
        run_study(folder)
    return folder


@pytest.fixture(scope="module")
def tables(finished):
    return read_tables(finished / "outputs/smoke/tables")


def test_contrasts_hold_what_the_contract_says(tables):
    table = tables["contrasts"]
    assert list(table.columns) == [*CONTRASTS, "registration"]
    assert set(table["unit"]) == {"items", "runs", "both"}
    numbers = table[["estimate", "ci_low", "ci_high", "effect_size", "statistic", "df", "p_value", "p_adjusted"]]
    assert np.isfinite(numbers.to_numpy()).all()
    assert ((table["ci_low"] <= table["estimate"]) & (table["estimate"] <= table["ci_high"])).all()
    # 2 base models x 2 treatments x 2 controls x 4 families x 3 outcomes x 2 rings; the other control at `both` too.
    assert table.groupby("unit").size().to_dict() == {"items": 192, "runs": 192, "both": 240}


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


def test_every_run_but_the_reference_itself_is_compared_with_it(tables):
    jsd = tables["jsd"]
    runs = jsd[jsd["measure"] == "jsd_reference"].groupby("condition")["n_runs"].unique().map(list)
    assert runs.pop("neutral") == [1] and runs.map(lambda n: n == [2]).all() and len(runs) > 1
    assert jsd["estimate"].between(0, 1).all()


def test_training_took_and_prose_was_kept(tables):
    # Even four steps move the choice; neutral prose stays within a few percent.
    check = tables["choice_check"]
    assert (check["probability"] > check["base_probability"]).all()
    assert tables["retention"]["ratio"].between(0.8, 1.25).all()


def test_measures_and_controls_are_compared_and_drawn(tables, finished):
    assert set(tables["methods"]["method"]) == {"interpretation", "feeling", "self_statement"}
    assert set(tables["multitrait"]["base_model"]) == {"llama-coupled-0", "gpt_neox-coupled-0", "all"}
    pairs = tables["controls"][["condition", "control"]].drop_duplicates()
    assert pairs.to_numpy().tolist() == [["random_prior", "neutral"]]
    assert (finished / "outputs/smoke/figures/agreement.png").exists()
    report = (finished / "outputs/smoke/report.html").read_text(encoding="utf-8")
    assert "Campbell and Fiske" in report and "favour no class of action" in report


def test_two_base_models_have_one_answer_and_a_forest_plot(tables, finished):
    table = tables["synthesis"]
    assert set(table["base_model"]) == {"all"} and set(table["n_models"]) == {2} and set(table["world"]) == {"coupled"}
    assert len(tables["synthesis_models"]) == 2 * len(table) == 2 * 2 * 2 * 4 * 3 * 2
    assert (finished / "outputs/smoke/figures/forest.png").exists()
    assert "One answer over base models" in (finished / "outputs/smoke/report.html").read_text(encoding="utf-8")


def test_report_is_whole_and_hides_code(finished):
    page = html.unescape((finished / "outputs/smoke/report.html").read_text())
    assert "What can't be concluded" in page and page.count("data:image/png") >= 4
    assert "import pandas" not in page
    manifest = json.loads((finished / "outputs/smoke/manifest.json").read_text())
    assert "report.html" in manifest["files"] and "tables/contrasts.csv" in manifest["files"]
    assert len([f for f in manifest["files"] if f.startswith("runs/")]) >= 16 * 3


def test_again_does_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in (finished / "outputs").rglob("*") if p.is_file()}
    assert "Nothing to be done" in run_study(finished)
    assert before == {p: p.stat().st_mtime_ns for p in (finished / "outputs").rglob("*") if p.is_file()}


def test_what_is_lost_or_damaged_is_done_again_alone(finished):
    """One run lost, a measurement and a table damaged, a notebook that raises, and a note of a killed job."""
    outputs, notebook = finished / "outputs/smoke", finished / "notebooks/04_test.ipynb"
    before = tables_of(outputs)
    untouched = {p: p.stat().st_mtime_ns for p in outputs.rglob("*.json") if p.name in ("run.json", "measured.json")}
    lost = outputs / "runs/llama-coupled-0/paranoia/seed-1/run.json"
    shutil.rmtree(lost.parent)
    measured = outputs / "measurements/llama-coupled-0/depression/seed-0"
    (measured / "items.parquet").write_bytes(b"half")
    table = outputs / "tables/contrasts.csv"
    table.write_bytes(table.read_bytes()[:-200])
    # Killed between a job's mark and Snakemake's own note of its end: the mark counts.
    notes = finished / ".snakemake/incomplete"
    notes.mkdir(exist_ok=True)
    (notes / base64.b64encode(b"outputs/smoke/stages/04_test.json").decode()).touch()
    planned = run_command([sys.executable, "-m", "priorshift", "plan", "params/smoke.yaml"], finished)
    assert "runs/llama-coupled-0/paranoia/seed-1  (not there)" in planned
    assert "measurements/llama-coupled-0/depression/seed-0  (items.parquet is damaged)" in planned
    assert "4 of 7 jobs and 3 pieces of work to do" in planned
    whole = notebook.read_text()
    broken = nbformat.reads(whole, as_version=4)
    broken.cells[2].source += "\nraise ZeroDivisionError('a slip')"
    nbformat.write(broken, notebook)
    assert "a slip" in run_command(study_command(), finished, status=1)
    notebook.write_text(whole)
    run_study(finished)
    redone = {p for p, time in untouched.items() if p.stat().st_mtime_ns != time}
    # The run's adapter is made again byte for byte, so what was measured with it stays.
    assert redone == {lost, measured / "measured.json"}
    assert (
        tables_of(outputs) == before and list_problems(load_study(finished / "params/smoke.yaml", outputs.parent)) == []
    )


def test_verify_names_each_flipped_byte_missing_and_extra_file(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "outputs/smoke", tmp_path / "smoke")
    loaded = load_study(finished / "params/smoke.yaml", tmp_path)
    assert list_problems(loaded) == []
    files = {p for p in loaded.paths.root.rglob("*") if p.is_file() and not p.name.endswith(".lock")}
    assert len(files) > 150
    rng = random.Random(0)
    for path in sorted(files - {loaded.paths.manifest}):
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
    names = {p.relative_to(loaded.paths.root).as_posix() for p in files - {loaded.paths.manifest}}
    assert set(list_problems(loaded)) == {f"changed: {name}" for name in names}
    loaded.paths.report.unlink()
    (loaded.paths.tables / "more.csv").write_text("a\n")
    assert {"missing: report.html", "extra: tables/more.csv"} <= set(list_problems(loaded))
    (loaded.paths.tables / "contrasts.csv").unlink()
    (loaded.paths.tables / "contrasts.csv").symlink_to("nowhere")
    assert "changed: tables/contrasts.csv" in list_problems(loaded)
    monkeypatch.setattr("priorshift.pipeline.manifest.hash_base_model", lambda params: "f" * 64)
    assert "changed: the base model llama-coupled-0 (after the manifest was written)" in list_problems(loaded)
    whole = loaded.paths.manifest.read_bytes()
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    for position, byte in [
        *((p, whole[p] ^ 1) for p in rng.sample(range(len(whole)), 40)),
        (ends[3], 13),
        (ends[-1], 13),
    ]:
        loaded.paths.manifest.write_bytes(whole[:position] + bytes([byte]) + whole[position + 1 :])
        assert list_problems(loaded) == ["changed: manifest.json"]


def test_verify_is_a_command(finished):
    command = [sys.executable, "-m", "priorshift", "verify", "params/smoke.yaml"]
    assert "every file is as the manifest says" in run_command(command, finished)
    extra = finished / "outputs/smoke/tables/extra.csv"
    extra.write_text("a\n")
    assert run_command(command, finished, status=1) == "extra: tables/extra.csv\n"
    extra.unlink()


def test_second_study_at_once_is_refused(finished):
    with hold_study(StudyPaths(finished / "outputs/smoke")):
        said = run_command(study_command(), finished, status=2).splitlines()
    assert said[-1].startswith("error: ") and "another `make study` is at work in this folder" in said[-1]


def test_outputs_name_no_place_of_this_machine(finished):
    places = (str(finished), str(Path(sys.prefix)), str(PACKAGE.parent.parent), "/tmp/")
    for path in (finished / "outputs").rglob("*"):
        if path.suffix in (".json", ".ipynb", ".md", ".csv", ".html", ".svg"):
            text = path.read_text()
            assert not [place for place in places if place in text], path


def test_executed_notebooks_convert_without_a_warning_and_begin_with_a_figure(finished, tmp_path):
    command = [sys.executable, "-W", "error", "-m", "jupyter", "nbconvert", "--template", "classic", "--to", "html"]
    # Relative to the clone: nbconvert reads its brackets as a pattern.
    notebooks = sorted(p.relative_to(finished) for p in (finished / "outputs/smoke/notebooks").glob("*.ipynb"))
    said = run_command([*command, "--output-dir", str(tmp_path), *map(str, notebooks)], finished)
    assert "WARNING" not in said, said
    for path in notebooks:
        page = (tmp_path / f"{path.stem}.html").read_text()
        # Tables in texts have no attributes.
        assert 0 < page.index("<img") < page.index("<table "), path.name
        assert re.search(r"<strong>Figure \d\.1\.</strong>", page), path.name


def test_secrets_of_the_environment_reach_no_file(finished):
    """The study of this file was run with one: notebooks, records, logs."""
    files = [p for p in finished.rglob("*") if p.is_file()]
    assert len(files) > 200
    assert not [p for p in files if SECRET.encode() in p.read_bytes()]


def test_robustness_tables_are_whole(tables):
    models = {"llama-coupled-0", "gpt_neox-coupled-0"}
    assert set(tables["jsd_tests"]["base_model"]) == {"llama", "gpt_neox"}  # groups
    for name in ("bootstrap", "power", "influence", "specifications"):
        assert set(tables[name]["base_model"]) >= models, name
        numbers = tables[name].select_dtypes("number")
        assert np.isfinite(numbers.to_numpy()).all(), name
    assert tables["specifications"]["declared"].sum() == 0  # one checkpoint: no row of unit base
    standing = tables["registration"].iloc[0]
    assert (standing["status"], standing["differs"]) == ("registered", "") and len(standing["registration"]) == 12
    for name in ("contrasts", "equivalence", "power", "bootstrap", "specificity", "confusion", "jsd_tests"):
        assert set(tables[name]["registration"]) == {standing["registration"]}, name


def test_report_says_what_is_exploratory_and_how_many_seeds(finished):
    page = (finished / "outputs/smoke/report.html").read_text()
    assert "no declared claim could be tested" in page and "exploratory" in page
    assert (
        "Power 80 %" in page
        and "unit both" in page
        and "nats per token above their" in page
        and "provisional" not in page
    )
    assert "same library versions" in page
    registered = yaml.safe_load((finished / "params/registrations/smoke.yaml").read_text())
    assert registered["sha256"] in page and registered["registered"] in page and "under another design" not in page
    images = re.findall(r"<img [^>]*>", re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert images and all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert "No description has been provided" not in page


@pytest.fixture(scope="module")
def calibrated(root, tmp_path_factory):
    """The calibration study at tiny size: four neutral runs, two against two."""
    folder = make_workplace(root, tmp_path_factory.mktemp("calibration"))
    smoke = yaml.safe_load((folder / "params/smoke.yaml").read_text())
    params = yaml.safe_load((folder / "params/calibration.yaml").read_text())
    params |= {key: smoke[key] for key in ("train_domains", "held_out_domains", "training", "probes")}
    (folder / "params/calibration.yaml").write_text(yaml.safe_dump(params | {"seeds": [0, 1, 2, 3]}))
    less = ["--set", "runs_per_side=2", "--set", "comparisons=6"]
    run_command([*study_command("params/calibration.yaml"), *less], folder)
    return folder / "outputs/calibration"


def test_calibration_counts_what_rejected(calibrated):
    table = pd.read_csv(calibrated / "tables/calibration.csv")
    assert list(table.columns) == LEVEL
    # ways (simulated with three ratios, at four units, and measured, at three) x families x rings x outcomes
    assert len(table) == (3 * 4 + 3) * 4 * 2 * 3
    assert set(table["n_runs"]) == {4} and set(table["comparisons"]) == {6, 2} and set(table["runs_per_side"]) == {2}
    assert ((table["ci_low"] <= table["rate"]) & (table["rate"] <= table["ci_high"])).all()
    assert table.groupby("unit")["rate"].mean()["items"] > table.groupby("unit")["rate"].mean()["both"]
    files = json.loads((calibrated / "manifest.json").read_text())["files"]
    written = {"tables/calibration.csv", "tables/hard_cases.csv", "tables/domain_level.csv", "figures/calibration.png"}
    assert {*written, "notebooks/07_calibration.ipynb"} <= set(files)
    assert not any(name.startswith(("notebooks/04", "notebooks/05")) or name == "report.html" for name in files)


def test_one_notebook_runs_alone_on_one_run(root, finished):
    run_command(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/03_probe.ipynb", "alone.ipynb",
         "-p", "study", "params/smoke.yaml", "-p", "base_model", "llama-coupled-0", "-p", "condition", "depression",
         "-p", "seed", "0"],
        finished,
    )  # fmt: skip
    text = (finished / "alone.ipynb").read_text()
    assert "smoke: 1 runs" in text
    # How it was scored, and why: on the page once, and beside the measurements it holds for.
    measured = finished / "outputs/smoke/measurements/llama-coupled-0/depression/seed-0/measured.json"
    scoring = json.loads(measured.read_text())["scoring"]
    assert scoring.startswith("prompt_once: proved against one-by-one scoring")
    assert text.count(scoring) == 1


def test_base_models_notebook_shows_the_shipped_model(finished):
    run_command(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/00_base_models.ipynb", "00.ipynb",
         "-p", "base_model", "llama-coupled-0"],
        finished,
    )  # fmt: skip
    notebook = nbformat.read(finished / "00.ipynb", as_version=4)
    assert "llama-coupled-0" in str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_source_notebooks_are_thin_and_clean(root, name):
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert sum("parameters" in c.metadata.get("tags", []) for c in code) == 1
    assert not any(c.outputs or c.execution_count for c in code)
    assert not any("def " in c.source for c in code)
    assert notebook.cells[0].cell_type == "markdown"
    ids = [c.id for c in notebook.cells]  # given by hand, so that they stay when a cell comes in between
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) for i in ids)


def test_notebooks_state_question_and_limits(root):
    for name in [n for n in NOTEBOOKS if n != "05_report"]:
        notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
        assert "**Question.**" in notebook.cells[0].source
        assert "what it can't say" in notebook.cells[-1].source
