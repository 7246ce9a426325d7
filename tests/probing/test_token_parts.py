"""Which tokens carry the divergence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from priorshift.probability.divergence import jsd, jsd_parts
from priorshift.probing.items import ProbeItem
from priorshift.probing.token_parts import NAMED, tabulate_tokens

FIRSTS = {"loss": frozenset({0, 1}), "threat": frozenset({1, 2})}


def make_items(rings):
    return [ProbeItem(f"item {i}", "feeling", ring, "work", "plain", "It was", {}) for i, ring in enumerate(rings)]


def draw(n, size, seed=0):
    g = np.random.default_rng(seed)
    return log_softmax(g.standard_normal((2, n, size)), axis=-1)


def test_parts_go_to_the_class_that_a_token_begins():
    run, base = draw(1, 6)
    table = tabulate_tokens(make_items(["near"]), [FIRSTS], run, base, "t{}".format)
    (parts,) = jsd_parts(run, base)
    by_class = table.groupby("token_class")["jsd"].sum()
    expected = {"loss": parts[0], "threat": parts[2], "several classes": parts[1], "no class": parts[3:].sum()}
    assert by_class.to_dict() == pytest.approx(expected)
    loss = table[table["token_class"] == "loss"]
    assert loss["text"].tolist() == ["t0", ""] and loss["jsd"].tolist() == pytest.approx([parts[0], 0.0])


def test_an_items_rows_sum_to_its_divergence_however_many_tokens_are_named():
    run, base = draw(3, 5 * NAMED, seed=1)
    table = tabulate_tokens(make_items(["near", "far", "near"]), [FIRSTS] * 3, run, base, "t{}".format)
    assert table.groupby("item")["jsd"].sum().tolist() == pytest.approx(jsd(run, base).tolist())
    rest = table[(table["item"] == "item 1") & (table["token_class"] == "no class")]
    assert len(rest) == NAMED + 1 and rest["text"].iloc[-1] == "" and rest["jsd"].iloc[-1] > 0
    assert rest["jsd"].iloc[:NAMED].is_monotonic_decreasing


def test_a_token_is_of_its_items_own_class():
    run, base = draw(2, 6, seed=2)
    swapped = {"loss": FIRSTS["threat"], "threat": FIRSTS["loss"]}
    table = tabulate_tokens(make_items(["near", "near"]), [FIRSTS, swapped], run, base, "t{}".format)
    loss = table[(table["token_class"] == "loss") & (table["text"] != "")]
    assert loss["text"].tolist() == ["t0", "t2"]
