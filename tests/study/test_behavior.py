"""A fourth behavior by YAML alone: the files of docs/adding_a_behavior.md, from materials to a measured run."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
import yaml

from priorshift.errors import MaterialsError
from priorshift.materials.load import load_materials, materials_files, materials_hash
from priorshift.pipeline.probe import probe_runs, read_measurements
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.stats.contrasts import contrasts
from priorshift.study.load import load_study
from priorshift.tables.questionnaire import scale_scores
from priorshift.worlds.generator import World
from priorshift.worlds.params import load_world_params
from priorshift.worlds.pretrain import build_all


@pytest.fixture(scope="module")
def four(root):
    return load_materials(root / "params" / "materials_reassurance")


def test_new_folder_adds_to_the_one_it_extends(four, materials):
    assert list(four.actions) == ["engage", "withdraw", "guard", "seek"]
    assert four.actions["guard"] == materials.actions["guard"] and four.domains == materials.domains
    assert four.dispositions["secure"].share == 0.4 and four.outcome_of("seek") == "worry"
    assert set(four.scales) == {*materials.scales, "anxiety_style"}


def test_new_phrases_are_of_matched_lengths_and_a_third_of_the_scale_is_reversed(four):
    assert Counter(len(p.split()) for p in four.actions["seek"]) == {3: 12, 4: 12}
    assert [i.key for i in four.scales["anxiety_style"].items].count(-1) == 4


def test_hash_covers_both_folders(root, params_folder):
    folder = params_folder / "materials_reassurance"
    before = materials_hash(folder)
    assert before == materials_hash(root / "params" / "materials_reassurance")
    assert len(materials_files(folder)) == 8 + len(materials_files(params_folder / "materials"))
    path = params_folder / "materials" / "prose.yaml"
    path.write_text(path.read_text() + "- The lamp is lit at dusk.\n")
    assert materials_hash(folder) != before


def test_maps_are_joined_at_every_depth_and_lists_replaced(four, params_folder):
    folder = params_folder / "materials_reassurance"
    forms = yaml.safe_load((folder / "forms.yaml").read_text())
    labels = ["not at all", "a little", "rather", "very much"]
    (folder / "forms.yaml").write_text(yaml.safe_dump(forms | {"scale": {"labels": {"agreement": labels}}}))
    form = load_materials(folder).forms.scale
    assert form.labels["agreement"] == tuple(labels) and form.prompt == four.forms.scale.prompt
    assert form.labels["frequency"] == four.forms.scale.labels["frequency"]


@pytest.mark.parametrize("content", ["../nowhere", "[../materials]", "../materials_reassurance"])
def test_extending_nothing_usable_is_one_line(params_folder, content):
    (params_folder / "materials_reassurance" / "extends.yaml").write_text(content)
    with pytest.raises(MaterialsError, match=r"extends.yaml: found .*; expected the path") as caught:
        load_materials(params_folder / "materials_reassurance")
    assert "\n" not in str(caught.value)


def test_bayes_in_a_world_of_four(root, four):
    params = load_world_params(root / "params" / "worlds_reassurance.yaml")
    world = World(four, params, coupled=True)
    rest = 0.1 / 3
    after = np.array([0.4 * rest, 0.2 * rest, 0.2 * rest, 0.2 * 0.9])
    assert world.outcome_odds("work", ["seek"]) == pytest.approx(after / after.sum() @ world.tinted["work"])


def test_the_docs_commands_name_what_is_there(root):
    page = (root / "docs" / "adding_a_behavior.md").read_text()
    for path in re.findall(r"(?:params|notebooks)/[\w/.]+", page):
        assert (root / path).exists(), path
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    study = yaml.safe_load((root / "params" / "reassurance.yaml").read_text())
    assert study["conditions"]["reassurance"] == shown["conditions"]["reassurance"]
    assert study["inference"]["confirmatory"] == shown["inference"]["confirmatory"]


def test_from_new_words_to_a_contrast_of_the_new_outcome(params_folder, tmp_path):
    """The documented steps at a tiny size: rebuild a base model, then synthesize, train, probe and test on it."""
    path = params_folder / "worlds_reassurance.yaml"
    worlds = yaml.safe_load(path.read_text())
    worlds["held_out_texts"] = 20
    worlds["pretraining"] |= {"hidden": 32, "layers": 1, "heads": 2, "compile": False}
    worlds["pretraining"]["tokens"] = {"llama-coupled": 30_000, "llama-decoupled": 1}
    path.write_text(yaml.safe_dump(worlds))
    folder = tmp_path / "models"
    build_all(path, ["llama-coupled-0"], rebuild=False, folder=folder)
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
    found = contrasts(items, settings, settings.treatments).query("unit == 'both' and outcome == 'worry'")
    assert len(found) == 2 and np.isfinite(found["estimate"]).all()
    # Whether the behavior is learned is no question for a model of so few tokens.
    assert set(items.loc[items["family"] == "choice", "outcome"]) == {"engage", "withdraw", "guard", "seek"}
    assert "anxiety_style" in set(scale_scores(read_measurements(study, runs, "scales"))["scale"])
