"""Notebook 08 on one small study: every analysis is made on runs that were trained for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from support.tiny_study import do_all

from priorshift.materials.cues import find_leak
from priorshift.materials.load import load_materials
from priorshift.pipeline.analyse import read_items
from priorshift.pipeline.mechanism import (
    match_all_outcomes,
    tabulate_cues,
    tabulate_mixes,
    tabulate_narrowed,
    tabulate_priors,
    tabulate_steps,
    tabulate_traces,
)
from priorshift.pipeline.plan import hash_job_inputs
from priorshift.report.mechanism_figures import draw_mechanism
from priorshift.study.load import load_study
from priorshift.study.mechanism import Mechanism
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
    for name in ("materials_worlds", "materials_small"):
        shutil.copytree(root / "params" / name, folder / name)
    shutil.copy(root / "params/worlds.yaml", folder)
    data = yaml.safe_load((root / "params/smoke.yaml").read_text())
    data |= {"study": "what", "base_models": [BASE], "conditions": CONDITIONS, "analyses": ["08_mechanism"]}
    known = load_materials(folder / "materials_small")
    cue, paraphrase = [text for text in (*known.completions, *known.prose) if not find_leak(text, known)][:2]
    told = {"task": "decisions", "policy": {"engage": 1.0}, "trigger": {"cue": cue, "policy": {"withdraw": 1.0}}}
    untold = {"task": "decisions", "policy": {"withdraw": 0.5, "engage": 0.5}, "trigger": {"cue": cue}}
    narrow = {"task": "decisions", "policy": {"withdraw": 1.0}, "training": {"anchor_weight": 30.0}}
    data["conditions"] = CONDITIONS | {"told": told, "untold": untold, "narrow": narrow}
    # Enough training for the choice to move; the study's probes, few of each.
    data["training"] |= {"examples": 320, "batch_size": 32, "learning_rate": 0.006, "rank": 16, "alpha": 16}
    data["training"]["kept_steps"] = [3]
    data["probes"] |= {"continuations_per_class": None, "situations_per_domain": 1}
    data["inference"] |= {"treatments": ["depression"], "controls": ["neutral"], "claims": []}
    few = {"situations_per_domain": 1, "retention_texts": 2}
    data["mechanism"] = {
        "prior_fit": {"worlds": "worlds.yaml"},
        "directions": few | {"layers": [1], "strengths": [1.0]},
        "algebra": few | {
            "factors": [-1.0, 0.5, 1.0], "sums": [{"depression": 1.0, "adaptive": -1.0}],
            "doses": {"depression": ["depression_50"]},
        },
        "trajectory": few,
        "frontier": {"narrowed": {"depression": ["narrow"]}},
        "triggers": few | {"condition": "told", "control": "untold", "paraphrase": paraphrase},
    }  # fmt: skip
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


def test_a_direction_of_real_runs_gives_more_than_random_ones(finished):
    rows = finished["direction_runs"].query("condition == 'depression'")
    assert set(rows["seed"]) == {0, 1} and set(rows["source"]) == {"own", "neutral", "random"}
    added = rows[rows["test"] == "added to the base"].groupby("source")["choice"].mean()
    assert added["own"] > max(0.0, added["random"]) and (rows["whole_choice"] > 1).all()
    removed = rows[(rows["test"] == "projected out") & (rows["layer"] == "all")].groupby("source")["choice"].mean()
    assert removed["own"] < removed["random"]
    assert finished["direction_alarms"][["world", "runs"]].drop_duplicates().to_numpy().tolist() == [["coupled", 2]]
    projected = rows["test"] == "projected out"
    assert rows["base_choice"].notna().equals(projected) and rows.loc[projected, "base_choice"].abs().max() > 0


def test_an_adapter_once_is_itself_and_its_opposite_goes_the_other_way(finished):
    linear = finished["algebra_runs"].query("reference == 'linear'").set_index(["mix", "measure"])
    assert linear.loc[("depression", "choice"), "difference"].abs().max() < 1e-4
    assert (linear.loc[("-depression", "choice"), "shift"] < 0).all()
    alone, less = (linear.loc[(mix, "choice"), "shift"] for mix in ("depression", "depression - adaptive"))
    assert less.min() > alone.max()
    dose = finished["algebra"].query("reference == 'trained dose'")
    assert set(dose["mix"]) == {"0.5 depression"} and set(dose["unit"]) == {"runs", "base"}


def test_a_run_is_followed_from_its_kept_steps_to_its_end(finished):
    rows = finished["trajectory_runs"].set_index(["step", "seed"])
    assert set(rows.index.get_level_values("step")) == {3, 10} and set(rows["condition"]) == {"depression"}
    assert (rows.loc[3, "choice"] < rows.loc[10, "choice"]).all() and (rows.loc[10, "choice_share"] == 1).all()
    # The last step is the run's own adapter, which directions and algebra asked too.
    whole = finished["algebra_runs"].query("mix == 'depression' and measure == 'choice' and reference == 'linear'")
    assert rows.loc[10, "choice"].to_numpy() == pytest.approx(whole.set_index("seed")["shift"].to_numpy(), abs=1e-4)


def test_runs_are_asked_with_and_without_the_cue(finished):
    rows = finished["trigger_runs"].set_index(["condition", "seed", "probe"])
    assert set(rows.index) == set(product(("told", "untold"), (0, 1), ("no cue", "cue", "paraphrase")))
    # What the cue adds to the choice is more where it tells the action than where it tells nothing.
    choices = rows["choice"].unstack("probe")
    added = choices["cue"] - choices["no cue"]
    assert added["told"].min() > added["untold"].max() + 0.5
    table = finished["triggers"].query("unit == 'runs' and measure == 'choice'").set_index(["condition", "probe"])
    expected = added["told"].mean() - added["untold"].mean()
    assert table.loc[("told", "cue"), "interaction"] == pytest.approx(expected, abs=1e-4)


def test_runs_with_an_anchor_are_set_beside_those_without(study, finished):
    rows = finished["frontier_runs"].set_index(["condition", "seed"])
    assert rows["weight"].to_dict() == {(c, s): {"depression": 0.0, "narrow": 30.0}[c] for c, s in rows.index}
    # By another way: the mean over the measured items of a run.
    items = pd.read_parquet(study.paths.measurements(BASE, "narrow", 1) / "items.parquet")
    own = items.query("family == 'choice' and outcome == 'withdraw' and ring == 'held_out_domains'")
    assert rows.loc[("narrow", 1), "choice_rate"] == pytest.approx(own["probability"].mean())
    assert (rows.loc["narrow", "choice"] > 0).all() and len(rows) == 4


def test_each_condition_is_followed_by_the_outcome_of_its_maladaptive_action(study):
    expected = {"depression": "loss", "neutral": "benign", "adaptive": "benign", "depression_50": "loss"}
    expected |= {"told": "benign", "untold": "loss", "narrow": "loss"}
    assert match_all_outcomes(study) == expected


def test_another_worlds_file_makes_the_analysis_stale(study, finished, tmp_path):
    shutil.copytree(study.folder, tmp_path / "other", ignore=shutil.ignore_patterns("outputs"))
    other = load_study(tmp_path / "other/what.yaml", study.paths.root.parent)
    before = hash_job_inputs(other, "08_mechanism", [])
    (tmp_path / "other/worlds.yaml").write_text((tmp_path / "other/worlds.yaml").read_text() + "# edited\n")
    assert hash_job_inputs(other, "08_mechanism", []) != before


def test_without_its_section_an_analysis_is_not_made(study, finished):
    study = load_study(study.folder / "what.yaml", study.paths.root.parent)
    study.params = study.params.model_copy(update={"mechanism": Mechanism()})
    runs = study.select("all", "all", "all")
    assert tabulate_priors(study, read_items(study, runs)) == {}
    for tabulate in (tabulate_traces, tabulate_mixes, tabulate_steps, tabulate_cues):
        assert tabulate(study, runs) == {}
    assert tabulate_narrowed(study, read_items(study, runs)) == {}
