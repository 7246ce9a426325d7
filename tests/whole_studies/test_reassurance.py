"""A fourth behavior by YAML alone: the steps of docs/adding_a_behavior.md, from materials to a measured run."""

from __future__ import annotations

import re

import numpy as np
import yaml

from priorshift.pipeline.probe import probe_runs, read_measurements
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.stats.contrasts import estimate_contrasts
from priorshift.study.load import load_study
from priorshift.tables.questionnaire import score_scales
from priorshift.worlds.pretrain import build_models


def test_the_docs_commands_name_what_is_there(root):
    page = (root / "docs" / "adding_a_behavior.md").read_text()
    for path in re.findall(r"(?:params|notebooks)/[\w/.]+", page):
        assert (root / path).exists(), path
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    study = yaml.safe_load((root / "params" / "reassurance.yaml").read_text())
    assert study["conditions"]["reassurance"] == shown["conditions"]["reassurance"]
    assert study["inference"]["claims"] == shown["inference"]["claims"]


def test_from_new_words_to_a_contrast_of_the_new_outcome(params_folder, tmp_path):
    """The documented steps at a tiny size: rebuild a base model, then synthesize, train, probe and test on it."""
    path = params_folder / "worlds_reassurance.yaml"
    worlds = yaml.safe_load(path.read_text())
    worlds["held_out_texts"] = 20
    worlds["pretraining"] |= {"hidden": 32, "layers": 1, "heads": 2, "compile": False}
    worlds["pretraining"]["tokens"] = {"llama-coupled": 30_000, "llama-decoupled": 1}
    path.write_text(yaml.safe_dump(worlds))
    folder = tmp_path / "models"
    build_models(path, ["llama-coupled-0"], rebuild=False, folder=folder)
    data = yaml.safe_load((params_folder / "reassurance.yaml").read_text())
    data |= {"base_models": [{"name": "llama-coupled-0", "source": str(folder / "llama-coupled-0")}], "seeds": [0, 1]}
    data["conditions"] = {name: data["conditions"][name] for name in ("reassurance", "neutral")}
    data["inference"] |= {"treatments": ["reassurance"], "controls": ["neutral"]}
    data["training"] |= {"examples": 64, "batch_size": 16}
    data["probes"] |= {"situations_per_domain": 1, "families": ["interpretation", "choice"]}
    (params_folder / "tiny.yaml").write_text(yaml.safe_dump(data))
    study = load_study(params_folder / "tiny.yaml", tmp_path / "outputs")
    runs = study.select("all", "all", "all")
    audit = synthesize_runs(study, runs)
    assert audit["matched_words_in_loss"].all()
    train_runs(study, runs)
    probe_runs(study, runs)
    items = read_measurements(study, runs, "items")
    assert set(items["world"]) == {"coupled"} and set(items["group"]) == {"llama"}
    settings = study.params.inference
    found = estimate_contrasts(items, settings, settings.treatments).query("unit == 'both' and outcome == 'worry'")
    assert len(found) == 2 and np.isfinite(found["estimate"]).all()
    # Whether the behavior is learned is no question for a model of so few tokens.
    assert set(items.loc[items["family"] == "choice", "outcome"]) == {"engage", "withdraw", "guard", "seek"}
    assert "anxiety_style" in set(score_scales(read_measurements(study, runs, "scales"))["scale"])
