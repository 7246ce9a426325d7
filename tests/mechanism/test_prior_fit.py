"""Fits of a prior: a planted one is found, rivals win where they are true, and nothing is found where nothing is."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from priorshift.errors import ParamsError
from priorshift.mechanism.prior_fit import compare_accounts, fit_prior, fit_runs, tabulate_prior_fit
from priorshift.stats.panels import RUN
from priorshift.worlds.generator import World

OUTCOMES = {"depression": "loss", "neutral": "benign"}
FAMILIES = ("interpretation", "feeling", "self_statement", "choice")


@pytest.fixture(scope="module")
def worlds(materials, world_params):
    return {name: World(materials, world_params, coupled=name == "coupled") for name in ("coupled", "decoupled")}


@pytest.mark.parametrize("prior", [(0.3, 0.5, 0.2), (0.05, 0.15, 0.8), (1 / 3, 1 / 3, 1 / 3)])
def test_the_prior_behind_sampled_texts_is_recovered(materials, world_params, prior):
    world = World(materials, world_params, coupled=True)
    world.prior = np.array(prior)
    texts = list(islice(world.sample(seed=1), 4000))
    for evidence in ([t.actions for t in texts], [t.actions + t.expectations for t in texts]):
        seen = np.exp(evidence)
        assert np.abs(fit_prior(seen, np.ones(len(seen))) - prior).max() < 0.05


def test_in_the_decoupled_world_choices_tell_of_their_own_disposition_alone(materials, world_params):
    world = World(materials, world_params, coupled=False)
    texts = list(islice(world.sample(seed=2), 4000))
    withdrawn = [t for t in texts if t.actions.argmax() == 1 and np.ptp(t.actions) > 0]
    expected = np.exp([t.expectations for t in withdrawn])
    assert np.abs(fit_prior(expected, np.ones(len(expected))) - world.prior).max() < 0.1


def test_a_choice_beyond_every_disposition_s_rate_puts_the_fit_on_the_boundary():
    own, other = 0.9, 0.05
    likelihoods = np.full((3, 3), other) + (own - other) * np.eye(3)
    fitted = fit_prior(likelihoods.T, np.array([0.02, 0.96, 0.02]))
    assert fitted == pytest.approx([0, 1, 0], abs=1e-4)
    within = np.array([0.2, 0.5, 0.3])
    assert fit_prior(likelihoods.T, within @ likelihoods) == pytest.approx(within, abs=1e-4)


def make_items(world, name, expect, choose, condition="depression", seeds=2, noise=0.02):
    """Items of a run: the world's own expectations, moved; with a little noise of each item."""
    rows, rng = [], np.random.default_rng(0)
    for seed in range(seeds):
        for family in FAMILIES:
            for k, (domain, _) in enumerate(world.situations[::9]):
                tinted = world.tinted[domain] if family in ("interpretation", "feeling") else world.class_probabilities
                before = softmax(np.log(world.prior @ tinted) + rng.normal(0, noise, 3))
                after = (choose if family == "choice" else expect)(before, tinted, world)
                after = softmax(np.log(after) + rng.normal(0, noise, 3))
                classes = world.classes if family == "choice" else world.outcomes
                key = {"base_model": "m-0", "group": "m", "world": name, "condition": condition, "seed": seed}
                key |= {"family": family, "ring": "held_out_domains", "domain": domain, "item": f"{family} {k}"}
                for outcome, b, a in zip(classes, before, after, strict=True):
                    rows.append(key | {"outcome": outcome, "base_probability": b, "probability": a})
    return pd.DataFrame(rows)


MOVED = np.array([0.25, 0.6, 0.15])


def stay(before, likelihood, world):
    return before


def move_prior(before, likelihood, world):
    after = before * (MOVED @ likelihood) / (world.prior @ likelihood)
    return after / after.sum()


def move_words(before, likelihood, world):
    return softmax(np.log(before) + np.array([0.0, 2.0, -0.5]))


def choose_always(before, likelihood, world):
    return softmax(np.log(before) + np.array([0.0, 5.0, 0.0]))


def scores(runs, family="all"):
    return runs[runs["family"] == family].groupby("account")["log_score"].mean()


def test_a_pure_prior_is_found_from_choices_alone_and_predicts_the_rest(worlds):
    runs = fit_runs(
        make_items(worlds["coupled"], "coupled", move_prior, move_prior), worlds, OUTCOMES, "held_out_domains"
    )
    prior = runs[(runs["account"] == "prior") & (runs["family"] != "all")]
    assert prior["error"].abs().max() < 0.1 and prior["own_prior"].to_numpy() == pytest.approx(0.6, abs=0.03)
    found = scores(runs)
    assert found["prior"] > -0.002 and found["policy_only"] < -0.05 and found["prior"] > found["constant_bias"]
    table = tabulate_prior_fit(runs, margin=0.5, alpha=0.05)
    held_out = table[(table["account"] == "prior") & ~table["family"].isin(["all", "choice"])]
    assert held_out["equivalent"][held_out["unit"] == "runs"].all()
    # One checkpoint: nothing is claimed about others.
    assert not held_out["equivalent"][held_out["unit"] == "base"].any()


def test_what_a_policy_adds_to_the_choice_is_not_taken_for_a_prior(worlds):
    items = make_items(worlds["coupled"], "coupled", move_prior, choose_always)
    runs = fit_runs(items, worlds, OUTCOMES, "held_out_domains")
    found = scores(runs)
    assert found["prior_and_policy"] > -0.002 and found["prior"] < found["prior_and_policy"] - 0.05
    choice = runs[(runs["family"] == "choice") & (runs["account"] == "prior_and_policy")]
    assert choice["own_prior"].to_numpy() == pytest.approx(0.6, abs=0.03)
    # The prior explains what it would without a policy, and no more: 5 nats were planted.
    own = np.array([w @ worlds["coupled"].class_probabilities[:, 1] for w in (worlds["coupled"].prior, MOVED)])
    odds = np.log(own / (1 - own))
    assert choice["predicted_shift"].to_numpy() == pytest.approx(odds[1] - odds[0], abs=0.15)
    assert choice["measured_shift"].min() > 4.9


def test_where_acting_says_nothing_of_expecting_the_prior_of_the_choices_is_refuted(worlds):
    items = make_items(worlds["decoupled"], "decoupled", stay, choose_always)
    runs = fit_runs(items, worlds, OUTCOMES, "held_out_domains")
    found = scores(runs)
    assert found["policy_only"] > -0.002 and found["prior"] < -1
    table = tabulate_prior_fit(runs, margin=0.5, alpha=0.05)
    own = table[(table["unit"] == "runs") & ~table["family"].isin(["all", "choice"])].set_index("account")["equivalent"]
    assert own["policy_only"].all() and not own["prior"].any()


def test_a_bias_on_words_is_told_from_a_prior(worlds):
    items = make_items(worlds["coupled"], "coupled", move_words, choose_always)
    runs = fit_runs(items, worlds, OUTCOMES, "held_out_domains")
    found = scores(runs)
    assert found["constant_bias"] > -0.002 and found["constant_bias"] > found["prior_and_policy"]
    pairs = compare_accounts(runs, 0.05).query("unit == 'runs' and family == 'all'").set_index(["account", "rival"])
    assert pairs.loc[("prior_and_policy", "constant_bias"), "better"] < 0


def test_shuffled_labels_come_out_null(worlds):
    rng = np.random.default_rng(3)

    def shuffle(before, likelihood, world):
        return rng.permutation(move_prior(before, likelihood, world))

    runs = fit_runs(make_items(worlds["coupled"], "coupled", shuffle, move_prior), worlds, OUTCOMES, "held_out_domains")
    found = scores(runs)
    assert found["prior"] < found["policy_only"]
    assert found["prior_and_policy"] < -0.1 and found["constant_bias"] < -0.1


def test_a_run_that_did_not_move_has_the_base_model_s_prior(worlds):
    items = make_items(worlds["coupled"], "coupled", stay, stay, condition="neutral")
    runs = fit_runs(items, worlds, OUTCOMES, "held_out_domains")
    assert runs["gain"].abs().max() < 0.002 and set(runs["outcome"]) == {"benign"}
    assert runs.loc[runs["account"] == "prior", "own_prior"].dropna().to_numpy() == pytest.approx(0.6, abs=0.03)
    assert list(runs.columns[: len(RUN)]) == RUN


def test_a_model_of_no_world_is_refused(worlds):
    items = make_items(worlds["coupled"], "", stay, stay)
    with pytest.raises(ParamsError, match=r"prior_fit: m-0 comes from no calibration world"):
        fit_runs(items, worlds, OUTCOMES, "held_out_domains")
