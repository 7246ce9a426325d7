"""The shipped base models read decisions as Bayes' rule does: the positive and the negative control."""

from __future__ import annotations

import numpy as np
import pytest
from support.refusals import read_refusal

from priorshift.study.paths import EMBEDDED
from priorshift.worlds.bayes_check import (
    compare_in_context,
    compare_scales,
    list_model_names,
    read_shipped_cards,
    read_worlds,
)
from priorshift.worlds.generator import World

NAMES = [f"{group}-{world}-0" for group in ("llama", "gpt_neox") for world in ("coupled", "decoupled")]


@pytest.fixture(scope="module")
def worlds(materials, world_params):
    return {name: World(materials, world_params, coupled=name == "coupled") for name in ("coupled", "decoupled")}


@pytest.mark.parametrize("name", NAMES)
def test_expectations_follow_bayes_after_decisions(worlds, name):
    table = compare_in_context(worlds, [name], n_stems=16)
    assert (table["model"] - table["bayes"]).abs().max() < 0.15
    moved = table.pivot_table(index=["actions", "outcome"], columns="n_actions", values="model")
    moved = (moved[3] - moved[0]).unstack()
    if "-decoupled-" in name:
        assert moved.abs().max(axis=None) < 0.1
    else:
        assert moved.loc["withdraw", "loss"] > 0.3 and moved.loc["guard", "threat"] > 0.3
        assert moved.loc["withdraw", "threat"] < 0 and moved.loc["guard", "loss"] < 0


@pytest.mark.parametrize("name", NAMES)
def test_scales_tell_loss_from_threat_in_the_coupled_world_only(worlds, name):
    levels = compare_scales(worlds, [name]).pivot_table(index="actions", columns="scale", values="model")
    apart = levels.loc["withdraw"] - levels.loc["guard"]
    if "-decoupled-" in name:
        assert apart.abs().max() < 0.3
    else:
        assert apart["depression_style"] > 0.5 and apart["paranoia_style"] < -0.5


def test_one_row_for_each_class_number_of_actions_and_outcome(worlds):
    table = compare_in_context(worlds, [*NAMES[:1], "no-such-model"], n_stems=2)
    assert len(table) == 3 * 3 * 3 and set(table["base_model"]) == {NAMES[0]}
    for column in ("model", "bayes"):
        assert np.allclose(table.groupby(["actions", "n_actions"])[column].sum(), 1)
    # Before any decision all three classes are one case.
    assert table[table["n_actions"] == 0].groupby("outcome")["bayes"].nunique().eq(1).all()


def test_names_are_those_of_the_worlds_file(root, world_params):
    names = list_model_names(world_params, "all")
    assert sorted(names) == sorted(path.name for path in EMBEDDED.iterdir() if path.is_dir())
    assert list_model_names(world_params, "llama-coupled-1") == ["llama-coupled-1"]
    assert "expected all or one of" in read_refusal(list_model_names, world_params, "llama-coupled-9")
    params, worlds = read_worlds(root / "params" / "worlds.yaml")
    assert params == world_params and {name: world.coupled for name, world in worlds.items()} == {
        "coupled": True, "decoupled": False,
    }  # fmt: skip


def test_cards_are_read_of_the_models_that_are_there(tmp_path):
    cards = read_shipped_cards(["llama-coupled-0", "llama-coupled-9"])
    assert cards["name"].tolist() == ["llama-coupled-0"] and cards["world"].tolist() == ["coupled"]
    assert read_shipped_cards(["llama-coupled-0"], tmp_path).empty
