"""Do the shipped base models read decisions as a Bayesian would? The positive and the negative control."""

from __future__ import annotations

import pytest

from priorshift.worlds.bayes_check import in_context_table, scale_table
from priorshift.worlds.generator import World

NAMES = [f"{group}-{world}-0" for group in ("llama", "gpt_neox") for world in ("coupled", "decoupled")]


@pytest.fixture(scope="module")
def worlds(materials, world_params):
    return {name: World(materials, world_params, coupled=name == "coupled") for name in ("coupled", "decoupled")}


@pytest.mark.parametrize("name", NAMES)
def test_expectations_follow_bayes_after_decisions(worlds, name):
    table = in_context_table(worlds, [name], n_stems=16)
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
    levels = scale_table(worlds, [name]).pivot_table(index="actions", columns="scale", values="model")
    apart = levels.loc["withdraw"] - levels.loc["guard"]
    if "-decoupled-" in name:
        assert apart.abs().max() < 0.3
    else:
        assert apart["depression_style"] > 0.5 and apart["paranoia_style"] < -0.5
