"""Directions: a planted one is found, and a shift that is not there is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from support.toy_subject import CHOICE, EXPECTATION, HELD_OUT, HIDDEN, ToySubject, plant, read_toy_states

from priorshift.mechanism.directions import ADDED, REMOVED, Trial, count_alarms, tabulate_directions, trace_directions
from priorshift.mechanism.hooks import project_out
from priorshift.study.mechanism import Directions

BEHAVIORS = {"depression": ("withdraw", "loss")}
ASKED = Directions(strengths=[0.5, 1.0, 2.0])
SEEDS = range(3)


def trace(choice, expectation, neutral=0.0):
    planted = dict(plant("depression", seed, choice, expectation) for seed in SEEDS)
    planted |= dict(plant("neutral", seed, 0.0, neutral) for seed in SEEDS)
    subject = ToySubject(planted)
    rows = trace_directions(Trial(subject, read_toy_states(subject), BEHAVIORS, "neutral", ASKED))
    return rows.assign(group="toy", world="coupled")


@pytest.fixture(scope="module")
def coupled():
    return trace(choice=3.0, expectation=2.0)


def test_the_planted_direction_is_found_from_the_other_seeds():
    subject = ToySubject(dict(plant("depression", seed, 3.0, 2.0) for seed in SEEDS))
    states = read_toy_states(subject)
    found = states.find_direction([run for run in subject.names if run.seed != 0])
    planted = torch.zeros(HIDDEN)
    planted[CHOICE], planted[EXPECTATION] = 3.0, 2.0
    for vector in found:
        assert torch.cosine_similarity(vector, planted, dim=0) > 0.99


def test_added_it_gives_the_whole_shift_and_projected_out_it_takes_it(coupled):
    table = tabulate_directions(coupled, "neutral", 0.05).query("unit == 'runs' and source == 'own' and strength == 1")
    for test in (ADDED, REMOVED):
        own = table[table["test"] == test]
        assert own["share"].to_numpy() == pytest.approx(1.0, abs=0.05)
        assert ((own["share_low"] < 1) & (own["share_high"] > 1)).all()


def test_strength_is_a_straight_line_in_a_linear_network(coupled):
    added = coupled.query("condition == 'depression' and source == 'own'")
    by_strength = added[added["test"] == ADDED].groupby("strength")["expectation"].mean()
    assert by_strength[2.0] == pytest.approx(2 * by_strength[1.0]) == pytest.approx(4 * by_strength[0.5])


def test_random_and_neutral_directions_of_equal_norm_give_little(coupled):
    table = tabulate_directions(coupled, "neutral", 0.05).query("unit == 'runs' and measure == 'expectation'")
    others = table[table["source"].isin(["random", "neutral"])]
    assert len(others) and others["share"].abs().max() < 0.6
    assert others["share"].abs().mean() < 0.25


def test_where_only_the_choice_moved_no_expectation_is_found():
    table = tabulate_directions(trace(choice=3.0, expectation=0.0), "neutral", 0.05)
    own = table.query("unit == 'runs' and source == 'own' and strength == 1").set_index("measure")
    assert own.loc["choice", "share"].to_numpy() == pytest.approx(1.0, abs=0.2)
    # There is no sure shift to share in, and what is added moves none.
    assert own.loc["expectation", "share"].isna().all()
    assert own.loc["expectation", "shift"].abs().max() < 0.1


def test_neutral_runs_alarm_where_they_move_an_expectation_and_not_elsewhere(coupled):
    quiet = count_alarms(coupled, "neutral", 0.5, 0.05).set_index("layer")
    assert quiet.loc["all", "n"] == 3 and quiet["alarms"].sum() == 0 and quiet.loc["all", "ci_high"] > 0.05
    loud = count_alarms(trace(3.0, 2.0, neutral=1.0), "neutral", 0.5, 0.05)
    assert (loud["rate"] == 1).all()


def make_neutral_runs(world, moved, ratios):
    keys = {"condition": "neutral", "world": world, "layer": "0"}
    return pd.DataFrame(
        [keys | {"base_model": f"{world}-{n}", "seed": 0, "expectation": moved, "perplexity_ratio": ratio}
         for n, ratio in enumerate(ratios)]
    )  # fmt: skip


def test_alarms_are_counted_by_world_and_not_where_perplexity_rose():
    rows = pd.concat([make_neutral_runs("coupled", 0.1, [1.0] * 4), make_neutral_runs("decoupled", 2.0, [1.0, 9.0])])
    table = count_alarms(rows, "neutral", 0.5, 0.05).set_index(["world", "layer"])
    assert table["alarms"].to_dict() == {
        ("coupled", "0"): 0, ("coupled", "all"): 0, ("decoupled", "0"): 1, ("decoupled", "all"): 1,
    }  # fmt: skip
    own = table.loc["decoupled", "all"]
    assert (own["runs"], own["n"], own["rate"], own["uncounted_alarms"]) == (2, 1, 1.0, 1)
    # None of 4: the exact interval ends at 1 - .025 ** (1 / 4).
    assert table.loc[("coupled", "all"), "ci_high"] == pytest.approx(1 - 0.025**0.25)


def test_a_projection_that_only_damages_takes_no_part_of_the_shift():
    """What it does to the base model as well is no part of what the fine-tune lost."""
    run = {"base_model": "m-0", "group": "m", "world": "coupled", "condition": "depression", "outcome": "loss"}
    run |= {"test": REMOVED, "source": "own", "layer": "0", "strength": 1.0, "perplexity_ratio": 1.0}
    rows = pd.DataFrame(
        [run | {"seed": seed, "choice": 0.0, "whole_choice": 3.0, "base_choice": 0.0}
         | {"expectation": 0.5 + off, "whole_expectation": 2.0 + off, "base_expectation": -1.5}
         for seed, off in enumerate((0.0, 0.01, 0.02))]
    )  # fmt: skip
    table = tabulate_directions(rows, "neutral", 0.05).query("unit == 'runs'").set_index("measure")
    assert table.loc["expectation", "part"] == pytest.approx(0.0) and table.loc["choice", "part"] == pytest.approx(3.0)
    assert table.loc["expectation", "base_shift"] == -1.5 and table.loc["choice", "share"] == pytest.approx(1.0)


def test_what_the_base_model_loses_by_the_same_projection_is_told(coupled):
    """By hand: the odds of the toy are a component of its hidden states."""
    own = coupled[(coupled["test"] == REMOVED) & (coupled["source"] == "own")]
    subject = ToySubject(dict(plant("depression", seed, 3.0, 2.0) for seed in SEEDS))
    states = read_toy_states(subject)
    vector = states.find_direction([run for run in subject.names if run.seed != 0])[0]
    hidden = subject.base.model.embedding[list(HELD_OUT)]
    moved = project_out(vector, states.find_centre(vector, 0))(hidden) - hidden
    found = own.query("seed == 0 and layer == '0'")["base_expectation"].item()
    assert found == pytest.approx(float(moved.mean(0)[EXPECTATION]), abs=1e-5)
    assert coupled.loc[coupled["test"] == ADDED, "base_expectation"].isna().all()


def test_the_seed_that_is_tested_is_not_estimated_on():
    planted = dict(plant("depression", seed, 0.0, 0.0, noise=0.0) for seed in (0, 1))
    planted |= dict(plant("neutral", seed) for seed in SEEDS)
    planted |= dict([plant("depression", 2, 3.0, 2.0)])
    subject = ToySubject(planted)
    trial = Trial(subject, read_toy_states(subject), BEHAVIORS, "neutral", Directions(strengths=[1.0]))
    rows = trace_directions(trial)
    own = rows.query(f"condition == 'depression' and source == 'own' and test == '{ADDED}' and seed == 2")
    assert np.abs(own["expectation"]).max() < 1e-6 and own["whole_expectation"].min() > 1
