"""The wider design on one tiny study: every kind of condition is trained and measured for real."""

from __future__ import annotations

import shutil
import subprocess
import sys
from copy import copy

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from priorshift.errors import RunError
from priorshift.pipeline.analyse import read_items, tabulate_design, tabulate_runs
from priorshift.pipeline.probe import probe_runs, read_measurements
from priorshift.pipeline.records import hash_run_inputs, locate_run_record, read_finished
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.report.design_figures import draw_wider_design
from priorshift.report.names import name_condition
from priorshift.report.palette import choose_colours, order_conditions
from priorshift.study.load import load_study
from priorshift.study.run import Run
from priorshift.study.sections import Exclusion
from priorshift.tables.questionnaire import score_scales
from priorshift.tables.runs import average_shifts

CONDITIONS = {
    "depression": {"task": "decisions", "policy": {"withdraw": 1.0}},
    "neutral": {"task": "preferences"},
    "adaptive": {"task": "decisions", "policy": {"engage": 1.0}},
    "exposure": {"task": "exposure", "policy": {"withdraw": 1.0}},
    "prose": {"task": "prose"},
    "letter": {"task": "decisions", "policy": {"withdraw": 1.0}, "answer": "letter"},
    "mlp": {"task": "decisions", "policy": {"withdraw": 1.0}, "training": {"target": "mlp", "layers": [0], "rank": 2}},
    "recovery": {"stages": ["depression", "adaptive"]},
    "in_context": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 3},
}
BASE = "llama-coupled-0"


@pytest.fixture(scope="module")
def study(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    for name in ("materials_worlds", "materials_small"):
        shutil.copytree(root / "params" / name, folder / name)
    data = yaml.safe_load((root / "params" / "smoke.yaml").read_text())
    data |= {
        "base_models": [BASE],
        "seeds": [0, 1],
        "conditions": CONDITIONS,
    }
    data["inference"] |= {"treatments": ["depression"], "controls": ["neutral"]}
    data["inference"]["claims"] = data["inference"]["claims"][:1]
    data["probes"] |= {
        "families": ["interpretation", "choice"],
        "rings": {"narrator": 4},
        "scale_orders": 4,
        "completion_samples": 2,
    }
    (folder / "design.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return load_study(folder / "design.yaml", folder / "outputs")


@pytest.fixture(scope="module")
def finished(study):
    runs = study.select("all", "all", "all")
    audit = synthesize_runs(study, runs)
    trained = train_runs(study, runs)
    probe_runs(study, runs)
    items = read_items(study, runs)
    tables = tabulate_runs(study, items)
    wider = tabulate_design(study, items, tables)
    found = {"runs": runs, "audit": audit, "trained": trained, "items": read_measurements(study, runs, "items")}
    return found | {"shifts": tables["shifts"], "wider": wider}


def weights(study, condition, seed=0):
    return load_file(study.paths.run(BASE, condition, seed) / "adapter" / "adapter_model.safetensors")


def test_every_condition_is_measured_and_only_training_trains(finished):
    assert set(finished["items"]["condition"]) == set(CONDITIONS)
    assert set(finished["trained"]["condition"]) == set(CONDITIONS) - {"in_context"}
    assert np.isfinite(finished["items"]["shift"]).all()


def test_all_but_letters_have_equal_words_in_the_loss(finished):
    audit = finished["audit"].set_index("condition")
    assert audit["matched_examples"].all()
    assert set(audit.index[~audit["matched_words_in_loss"]]) == {"letter"}
    assert (audit["held_out_situations"] == 0).all()


def test_recovery_goes_on_from_the_first_stage(study, finished):
    # One optimizer step moves a weight little; an adapter of its own would be somewhere else altogether.
    first, after, fresh = (weights(study, c) for c in ("depression", "recovery", "adaptive"))
    key = next(k for k in first if k.endswith("lora_A.weight"))
    assert not torch.equal(first[key], after[key])
    assert (first[key] - after[key]).norm() < 0.5 * (weights(study, "depression", 1)[key] - after[key]).norm()
    assert read_examples(study, Run(BASE, "recovery", 0)) == read_examples(study, Run(BASE, "adaptive", 0))
    assert fresh.keys() == after.keys()


def test_stage_before_its_first_is_refused(study, finished, tmp_path):
    fresh = load_study(study.folder / "design.yaml", tmp_path / "outputs")
    runs = fresh.select(BASE, "recovery", 0)
    synthesize_runs(fresh, [*runs, *fresh.select(BASE, "depression", 0)])
    with pytest.raises(RunError, match=r"not there; run notebooks/02_train.ipynb for .*depression/seed-0"):
        train_runs(fresh, runs)


def test_override_places_the_adapter(study, finished):
    names = list(weights(study, "mlp"))
    assert names and all(".layers.0.mlp." in name for name in names)
    assert {t.shape[0] for name, t in weights(study, "mlp").items() if "lora_A" in name} == {2}


def test_decisions_in_context_move_a_coupled_model_as_bayes_would(finished):
    items = finished["items"].query("family == 'interpretation' and ring == 'held_out_domains'")
    shift = items[items["condition"] == "in_context"].groupby("outcome")["shift"].mean()
    # Bayes: P(depressive | three withdrawals) is near 1, so loss gains more than 1 nat of log-odds.
    assert shift["loss"] > 1 and shift["benign"] < -1
    retention = items[items["condition"] == "in_context"]
    assert retention.groupby(["seed", "item"]).size().eq(3).all()


def test_scales_and_completions_are_measured_in_every_state(study, finished, small):
    scales = read_measurements(study, finished["runs"], "scales")
    n_items = sum(len(scale.items) for scale in small.scales.values())
    assert scales.groupby(["condition", "seed"]).size().eq(n_items * 2 * 4 * 4).all()
    scores = score_scales(scales).query("scale == 'depression_style'").set_index(["condition", "seed"])
    # The base takes its own measure; three withdrawals in context make it answer as the depressive agents do.
    assert scores["base_score"].nunique() == 1 and scores.loc["in_context", "shift"].min() > 0.1
    assert (scores["option_mass"] > 0.9).all() and scores["order_sensitivity"].between(0, 0.5).all()
    texts = read_measurements(study, finished["runs"], "completions")
    assert texts.groupby(["condition", "seed"]).size().eq(20 * 2).all()
    assert (texts.groupby(["seed", "stem", "sample"])["base_text"].nunique() == 1).all()
    told = texts[texts["condition"] == "in_context"]
    assert (told["text"] != told["base_text"]).any()


def test_measured_again_is_nothing(study, finished):
    path = study.paths.measurements(BASE, "in_context", 0) / "items.parquet"
    before = path.stat().st_mtime_ns
    assert probe_runs(study, finished["runs"])[BASE].startswith("prompt_once: proved")
    assert path.stat().st_mtime_ns == before


def test_one_run_in_context_needs_no_adapter(study, tmp_path, finished):
    alone = load_study(study.folder / "design.yaml", tmp_path / "outputs")
    runs = alone.select(BASE, "in_context", 0)
    synthesize_runs(alone, runs)
    assert train_runs(alone, runs).empty
    probe_runs(alone, runs)
    items = read_measurements(alone, runs, "items")
    expected = finished["items"].query("condition == 'in_context' and seed == 0").reset_index(drop=True)
    pd.testing.assert_frame_equal(items, expected)


def test_tables_of_the_wider_design_hold_what_was_measured(study, finished):
    shifts, made = finished["shifts"], finished["wider"]
    measured = {"training", "recovery", "scales", "self_report", "completions", "valence"}
    assert set(made) == measured, "two doses make no trend"
    # What was trained otherwise is told as it was trained, and what was not trained is not there.
    amounts = made["training"].set_index("condition")
    assert (amounts.loc["mlp", "adapted"], amounts.loc["mlp", "rank"]) == ("mlp", 2)
    assert set(amounts.index) == set(CONDITIONS) - {"in_context"}
    pairs = made["self_report"].query("outcome == 'loss' and condition == 'depression'")
    own = shifts.query("condition == 'depression' and ring == 'held_out_domains'").set_index(
        ["family", "outcome", "seed"]
    )
    for row in pairs.to_dict("records"):
        assert row["choice_shift"] == own.loc[("choice", "withdraw", row["seed"]), "shift"]
        assert row["interpretation_shift"] == own.loc[("interpretation", "loss", row["seed"]), "shift"]
    # The second stage takes back a part of what the first did to the choice.
    undone = made["recovery"].query("family == 'choice' and ring == 'held_out_domains'").iloc[0]
    assert undone["before"] > undone["after"]  # the share has a test of its own: two seeds leave it open
    assert list(made["completions"].columns) == ["base_model", "stem", "base", *CONDITIONS]


def test_exclusion_leaves_items_out_of_every_run(study, finished):
    probes = finished["items"].query("family != 'choice'")  # choices stay
    criteria = Exclusion(covered_mass=float(probes["base_covered_mass"].median()))
    strict = copy(study)
    strict.params = study.params.model_copy(update={"exclusion": criteria})
    _, _, excluded, kept = read_items(strict, finished["runs"])
    assert 0 < excluded["item"].nunique() < finished["items"]["item"].nunique()
    assert kept.query("family != 'choice'")["base_covered_mass"].min() >= criteria.covered_mass
    assert kept.groupby("item")["seed"].nunique().eq(2).all()


def test_figures_are_drawn_of_every_table(study, finished):
    shifts, tables = finished["shifts"], {"shifts": finished["shifts"], **finished["wider"]}
    doses = shifts.query("outcome == 'loss'").assign(action="withdraw", dose=0.5)
    shown = tables | {"dose_points": doses}
    pictures = draw_wider_design(shown, "interpretation", choose_colours(study.params.conditions))
    figures = {picture.name: picture.figure for picture in pictures}
    assert set(figures) == {"controls", "rings", "dose", "recovery", "scale_profile", "self_report"}
    # Every run of every condition is a point of the control panel.
    panel = next(axis for axis in figures["controls"].axes if axis.get_title().startswith("loss"))
    assert sum(len(points.get_offsets()) for points in panel.collections) == len(CONDITIONS) * 2
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert labels == [*map(name_condition, order_conditions(shifts["condition"]))]


def notebook(root, study, name):
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", str(root / "notebooks" / f"{name}.ipynb"),
         f"{name}.ipynb", "-p", "study", "design.yaml"],
        cwd=study.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_tests_and_report_carry_the_wider_design(study, finished, root):
    notebook(root, study, "04_test")
    written = {path.stem for path in study.paths.tables.glob("*.csv")}
    assert {"contrasts", "recovery", "scales", "self_report", "completions", "valence"} <= written
    assert not {"dose", "excluded"} & written
    assert "scales" in set(pd.read_csv(study.paths.tables / "methods.csv")["method"])
    notebook(root, study, "05_report")
    drawn = {path.stem for path in study.paths.figures.glob("*.png")}
    assert {"agreement", "controls", "rings", "recovery", "scale_profile", "self_report"} <= drawn


def test_a_family_of_which_exclusion_leaves_nothing_is_named_and_the_rest_is_reported(study, finished, root, tmp_path):
    shutil.copytree(study.folder, tmp_path / "copy")
    path = tmp_path / "copy" / "design.yaml"
    lost, left = "interpretation", "choice"  # choices stay, whatever they cover
    data = yaml.safe_load(path.read_text()) | {"exclusion": {"covered_mass": 1.0}}
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    strict = load_study(path, path.parent / "outputs")
    for name in ("04_test", "05_report"):
        notebook(root, strict, name)
    assert set(pd.read_csv(strict.paths.tables / "contrasts.csv")["family"]) == {left}
    drawn = {path.stem for path in strict.paths.figures.glob("shift_*.png")}
    assert drawn == {f"shift_{left}"}
    assert f"leave no item on held-out domains of: {lost}" in (path.parent / "05_report.ipynb").read_text()


def test_scales_of_the_adaptive_outcome_alone_have_no_self_report_figure(study, finished):
    tables = {"shifts": finished["shifts"], **finished["wider"]}
    benign = {name: tables[name].query("outcome == 'benign'") for name in ("scales", "self_report")}
    assert len(benign["self_report"])
    pictures = draw_wider_design(tables | benign, "interpretation", choose_colours(study.params.conditions))
    figures = {picture.name: picture.figure for picture in pictures}
    assert "scale_profile" in figures and "self_report" not in figures


def test_placement_notebook_sets_choice_against_expectation(study, finished, root):
    notebook(root, study, "06_placement")
    table = pd.read_csv(study.paths.tables / "placement.csv")
    mlp = table[table["condition"] == "mlp"]
    assert set(mlp["target"]) == {"mlp"} and set(mlp["layers"].astype(str)) == {"0"} and set(mlp["rank"]) == {2}
    assert "in_context" not in set(table["condition"])
    own = average_shifts(finished["items"]).query("condition == 'mlp' and ring == 'held_out_domains' and seed == 0")
    own = own.set_index(["family", "outcome"])["shift"]
    row = mlp[mlp["seed"] == 0].iloc[0]
    assert row["choice_shift"] == pytest.approx(own["choice", "withdraw"], abs=1e-6)
    assert row["expectation_shift"] == pytest.approx(own["interpretation", "loss"], abs=1e-6)
    assert (study.paths.figures / "placement.svg").exists()


def test_a_stage_that_is_done_again_takes_the_later_stages_with_it(tiny_yaml, tmp_path):
    data = yaml.safe_load(tiny_yaml.read_text()) | {"study": "staged", "seeds": [0]}
    data["conditions"] |= {"adaptive": CONDITIONS["adaptive"], "recovery": CONDITIONS["recovery"]}
    for rate in (0.003, 0.006):
        data["conditions"]["depression"] = CONDITIONS["depression"] | {"training": {"learning_rate": rate}}
        tiny_yaml.with_name("staged.yaml").write_text(yaml.safe_dump(data))
        study = load_study(tiny_yaml.with_name("staged.yaml"), tmp_path)
        runs = study.select("all", "all", "all")
        synthesize_runs(study, runs)
        train_runs(study, runs)
        assert all(read_finished(locate_run_record(study, run), hash_run_inputs(study, run)) for run in runs)


def test_names_with_dots_are_trained_and_measured(tiny_yaml, tmp_path):
    data = yaml.safe_load(tiny_yaml.read_text()) | {"study": "dotted"}
    data["conditions"] = {"dose_0.5": data["conditions"]["depression"], "neutral.1": data["conditions"]["neutral"]}
    data["inference"] |= {"treatments": ["dose_0.5"], "controls": ["neutral.1"], "claims": []}
    tiny_yaml.with_name("dotted.yaml").write_text(yaml.safe_dump(data))
    study = load_study(tiny_yaml.with_name("dotted.yaml"), tmp_path)
    runs = study.select("all", "all", "all")
    synthesize_runs(study, runs)
    train_runs(study, runs)
    # The run that others are compared with is read for another before it is measured itself.
    probe_runs(study, runs[:-2] + runs[-1:])
    probe_runs(study, runs)
    tokens = read_measurements(study, runs, "next_token").groupby(["condition", "seed"])["jsd_reference"].mean()
    assert set(tokens[tokens.isna()].index) == {("neutral.1", 0)} and (tokens.dropna() > 0).all()
    shifts = read_measurements(study, runs, "items").groupby(["condition", "seed"])["shift"].apply(tuple)
    assert len(shifts) == len(set(shifts)) == len(runs)
