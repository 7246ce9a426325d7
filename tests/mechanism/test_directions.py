"""Directions: a planted one is found, and a shift that is not there is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.toy_subject import CHOICE, EXPECTATION, HIDDEN, ToySubject, plant, read_toy_states

from priorshift.mechanism.directions import ADDED, REMOVED, count_alarms, tabulate_directions, trace_directions
from priorshift.study.mechanism import Directions

BEHAVIORS = {"depression": ("withdraw", "loss")}
ASKED = Directions(strengths=[0.5, 1.0, 2.0])
SEEDS = range(3)


def trace(choice, expectation, neutral=0.0):
    planted = dict(plant("depression", seed, choice, expectation) for seed in SEEDS)
    planted |= dict(plant("neutral", seed, 0.0, neutral) for seed in SEEDS)
    subject = ToySubject(planted)
    rows = trace_directions(subject, read_toy_states(subject), BEHAVIORS, "neutral", ASKED)
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
        assert (own["share_low"] < 1).all() or (own["share_high"] > 1).all()


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


def test_the_seed_that_is_tested_is_not_estimated_on():
    planted = dict(plant("depression", seed, 0.0, 0.0, noise=0.0) for seed in (0, 1))
    planted |= dict(plant("neutral", seed) for seed in SEEDS)
    planted |= dict([plant("depression", 2, 3.0, 2.0)])
    subject = ToySubject(planted)
    rows = trace_directions(subject, read_toy_states(subject), BEHAVIORS, "neutral", Directions(strengths=[1.0]))
    own = rows.query(f"condition == 'depression' and source == 'own' and test == '{ADDED}' and seed == 2")
    assert np.abs(own["expectation"]).max() < 1e-6 and own["whole_expectation"].min() > 1
