"""Shifts, masses and divergences of whole models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from priorshift.models.base import load_base
from priorshift.probability.divergence import jsd
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import (
    compute_log_odds,
    measure_choice_rates,
    measure_model,
    measure_retention,
    tabulate_items,
    tabulate_next_tokens,
)


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


@pytest.fixture(scope="module")
def scorer(base):
    return Scorer(base.model, base.tokenizer)


def test_log_odds_by_hand():
    odds = compute_log_odds(np.log([[0.2, 0.1, 0.1], [0.01, 0.01, 0.04]]))
    assert odds == pytest.approx(np.log([[1, 1 / 3, 1 / 3], [1 / 5, 1 / 5, 2]]))


def test_a_model_against_itself_has_no_shift(smoke, scorer):
    items = make_probe_items(smoke.params, smoke.materials)
    state = measure_model(scorer, items)
    table, tokens = tabulate_items(items, state, state), tabulate_next_tokens(items, state, state, None)
    assert (table["shift"] == 0).all() and np.allclose(tokens["jsd"], 0) and np.allclose(tokens["jsd_candidates"], 0)
    assert len(table) == 3 * len(items) and table["covered_mass"].between(0, 1).all()
    shares = table.groupby("item")["probability"].sum()
    assert np.allclose(shares, 1)


def test_choice_rates_are_the_bases_own(smoke, scorer, materials):
    rates = measure_choice_rates(scorer, smoke.params, smoke.materials)
    assert sum(rates.values()) == pytest.approx(1) and list(rates) == materials.classes
    # The worlds' prior: secure agents, who mostly engage, are the most.
    assert rates["engage"] > 0.4


def test_divergence_from_another_run_stands_beside_that_from_the_base_model(smoke, scorer):
    items = make_probe_items(smoke.params, smoke.materials)[:3]
    before = measure_model(scorer, items)
    rng = np.random.default_rng(0)
    noisy = [before.next_token + rng.normal(0, 0.5, before.next_token.shape) for _ in range(2)]
    run, other = (replace(before, next_token=log_softmax(logits, axis=1)) for logits in noisy)
    table = tabulate_next_tokens(items, run, before, other)
    expected = jsd(run.next_token, other.next_token)
    assert np.allclose(table["jsd_reference"], expected) and (table["jsd_reference"] > 0.01).all()
    assert np.allclose(table["jsd"], jsd(run.next_token, before.next_token))
    assert not np.allclose(table["jsd"], table["jsd_reference"])


def test_retention_counts_tokens(smoke, scorer, base):
    table = measure_retention(scorer, smoke.materials, 5)
    assert len(table) == 5 and (table["logprob"] < 0).all() and (table["tokens"] > 3).all()


def test_other_scores_by_hand(smoke, scorer):
    """The mean over tokens and the first token, of one item, from one-by-one scoring."""
    item = make_probe_items(smoke.params, smoke.materials)[0]
    state = measure_model(scorer, [item])
    for k, group in enumerate(item.candidates.values()):
        (tokens,) = scorer.token_logprobs([item.stem], [list(group)])
        assert state.class_logprobs[0, k] == pytest.approx(np.log(sum(np.exp(t.sum()) for t in tokens)))
        assert state.other_scores["logprob_mean"][0, k] == pytest.approx(np.log(sum(np.exp(t.mean()) for t in tokens)))
        # Continuations that begin alike are one next word.
        firsts = [tokens[0] for tokens in scorer.find_tokens([item.stem], [list(group)])[0]]
        once = {token: np.exp(t[0]) for token, t in zip(firsts, tokens, strict=True)}
        assert state.other_scores["logprob_first"][0, k] == pytest.approx(np.log(sum(once.values())), abs=1e-5)
    ones = {name: np.full_like(scores, -1.0) for name, scores in state.other_scores.items()}
    table = tabulate_items([item], state, replace(state, other_scores=ones))
    assert (table["base_logprob_mean"] == -1).all() and (table["logprob_first"] != -1).all()
