"""Shifts, masses and divergences of whole models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from priorshift.divergence import jsd
from priorshift.extraction import Scorer
from priorshift.items import probe_items
from priorshift.measure import (
    choice_rates,
    item_table,
    log_odds,
    measure_model,
    next_token_table,
    retention_table,
)
from priorshift.models import load_base


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


@pytest.fixture(scope="module")
def scorer(base):
    return Scorer(base.model, base.tokenizer)


def test_log_odds_by_hand():
    odds = log_odds({"a": np.log(0.2), "b": np.log(0.1), "c": np.log(0.1)})
    assert odds["a"] == pytest.approx(0.0) and odds["b"] == pytest.approx(np.log(1 / 3))


def test_a_model_against_itself_has_no_shift(smoke, scorer):
    items = probe_items(smoke.params, smoke.materials)
    state = measure_model(scorer, items)
    table, tokens = item_table(items, state, state), next_token_table(items, state, state, None)
    assert (table["shift"] == 0).all() and np.allclose(tokens["jsd"], 0) and np.allclose(tokens["jsd_candidates"], 0)
    assert len(table) == 3 * len(items) and table["covered_mass"].between(0, 1).all()
    shares = table.groupby("item")["probability"].sum()
    assert np.allclose(shares, 1)


def test_rings_and_candidates(smoke):
    items = probe_items(smoke.params, smoke.materials)
    held_out = {i.domain for i in items if i.ring == "held_out_domains"}
    assert held_out == set(smoke.params.held_out_domains)
    assert len(items) == 4 * 7 * 2 == len({i.item for i in items})
    assert all(text.startswith(" ") for i in items for group in i.candidates.values() for text in group)


def test_choice_rates_are_the_bases_own(smoke, scorer, materials):
    rates = choice_rates(scorer, smoke.params, smoke.materials)
    assert sum(rates.values()) == pytest.approx(1) and list(rates) == list(materials.actions)
    # The worlds' prior: secure agents, who mostly engage, are the most.
    assert rates["engage"] > 0.4


def test_the_floor_is_the_divergence_from_another_run(smoke, scorer):
    items = probe_items(smoke.params, smoke.materials)[:3]
    before = measure_model(scorer, items)
    rng = np.random.default_rng(0)
    noisy = [before.next_token + rng.normal(0, 0.5, before.next_token.shape) for _ in range(2)]
    run, floor = (replace(before, next_token=log_softmax(logits, axis=1)) for logits in noisy)
    table = next_token_table(items, run, before, floor)
    assert np.allclose(table["jsd_floor"], jsd(run.next_token, floor.next_token)) and (table["jsd_floor"] > 0.01).all()
    assert np.allclose(table["jsd"], jsd(run.next_token, before.next_token))
    assert not np.allclose(table["jsd"], table["jsd_floor"])


def test_retention_counts_tokens(smoke, scorer, base):
    table = retention_table(scorer, smoke.materials, 5)
    assert len(table) == 5 and (table["logprob"] < 0).all() and (table["tokens"] > 3).all()
