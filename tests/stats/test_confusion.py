"""The cross-probe confusion matrix and its permutation test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from support.synthetic_items import base_models, row, settings, study

from priorshift.stats.confusion import PERMUTATIONS, classify_runs

ITEMS = study()
SETTINGS = settings()
OUTCOMES = ("loss", "threat")


def test_confusion_by_hand():
    """Two conditions on a line at 0, 1, 9 and 8, 10, 11: the 9 is taken for the other."""
    items = study(n_items=1, seeds=3, models=[("m", "m", "")], conditions=("a", "b"))
    at = dict(zip([("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)], [0, 1, 9, 8, 10, 11], strict=True))
    items["shift"] = [
        float(at[c, s]) if o == "loss" else 0.0
        for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    table = classify_runs(items, SETTINGS, OUTCOMES)[0]
    counts = {(r.condition, r.predicted): r["count"] for _, r in table.iterrows()}
    assert counts == {("a", "a"): 2, ("a", "b"): 1, ("b", "a"): 0, ("b", "b"): 3}
    assert set(table.n) == {3}


def test_held_out_run_takes_no_part_in_its_centroid():
    """A lone outlier would be its own nearest centroid's half; left out, it is lost to the other condition."""
    items = study(n_items=1, seeds=2, models=[("m", "m", "")], conditions=("a", "b"))
    at = {("a", 0): 0.0, ("a", 1): 10.0, ("b", 0): 11.0, ("b", 1): 12.0}
    items["shift"] = [
        at[c, s] if o == "loss" else 0.0 for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    made = row(classify_runs(items, SETTINGS, OUTCOMES)[0], condition="a", predicted="a")
    assert made["count"] == 1  # 0 is nearer to 10 than to 11.5; 10 is nearer to 11.5 than to 0


def test_confusion_tells_trained_conditions_apart_in_the_coupled_world():
    table = classify_runs(ITEMS, SETTINGS, OUTCOMES, ("depression", "paranoia", "neutral"))[0]
    hits = table[table.condition == table.predicted]
    assert (hits[hits.world == "coupled"].share == 1).all()
    assert hits[hits.world == "decoupled"].share.mean() < 0.9
    assert set(table.unit) == {"runs", "base"} and set(table[table.unit == "base"].n) == {9}
    rows = table.groupby(["base_model", "world", "unit", "condition"])
    assert (rows["count"].sum() == rows["n"].first()).all()


def test_a_condition_with_one_run_cannot_be_left_out():
    items = ITEMS[(ITEMS.condition != "random_label") | (ITEMS.seed == 0)]
    table, refused = classify_runs(items, SETTINGS, OUTCOMES)
    assert "random_label" not in set(table[table.unit == "runs"].condition)
    assert "random_label" in set(table[table.unit == "base"].condition)
    assert set(refused.condition) == {"random_label"} and len(refused) == 7
    assert set(refused.table) == {"confusion"}


def count_accuracy(points, labels):
    """Leave one out, nearest centroid, in plain loops."""
    hits = 0
    for i, point in enumerate(points):
        rest = [j for j in range(len(points)) if j != i]
        centroids = {c: np.mean([points[j] for j in rest if labels[j] == c]) for c in sorted(set(labels))}
        hits += min(centroids, key=lambda c: abs(centroids[c] - point)) == labels[i]
    return hits / len(points)


def test_permutation_p_is_that_of_all_arrangements_where_they_are_few():
    """3 + 3 runs: 20 arrangements, which plain loops can enumerate."""
    items = study(n_items=1, seeds=3, models=[("m", "m", "")], conditions=("a", "b"))
    points = np.array([0.0, 1.1, 2.3, 2.0, 3.7, 5.0])
    at = dict(zip([(c, s) for c in "ab" for s in range(3)], points, strict=True))
    items["shift"] = [
        at[c, s] if o == "loss" else 0.0 for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    observed = count_accuracy(points, list("aaabbb"))
    ways = [["a" if i in chosen else "b" for i in range(6)] for chosen in itertools.combinations(range(6), 3)]
    exact = np.mean([count_accuracy(points, way) >= observed for way in ways])
    table = classify_runs(items, SETTINGS, OUTCOMES)[0]
    assert set(table.accuracy) == {observed} and 0 < observed < 1
    # SciPy permutes the six labels in 6! ways: each arrangement 3! x 3! times.
    assert set(table.n_permutations) == {720} and table.p_value.iloc[0] == pytest.approx(exact)


def test_permutation_p_is_small_where_training_works_and_not_where_conditions_are_alike():
    table = classify_runs(ITEMS, SETTINGS, OUTCOMES, ("depression", "paranoia", "neutral"))[0]
    base = table[table.unit == "base"].groupby("world").p_value.first()
    # Nine training sets can be named in 1680 ways; the six that only change the names tell them apart as well.
    assert base["coupled"] == pytest.approx(6 / 1680, abs=0.003)
    alike = ITEMS[ITEMS.condition == "neutral"]
    twins = alike.assign(condition="twin", shift=alike["shift"] + np.random.default_rng(0).normal(0, 0.1, len(alike)))
    both = np.concatenate([alike.to_numpy(object), twins.to_numpy(object)])
    assert (classify_runs(type(ITEMS)(both, columns=ITEMS.columns), SETTINGS, OUTCOMES)[0].p_value > 0.05).all()


def test_labels_are_dealt_out_to_training_sets_that_checkpoints_share():
    """Two conditions that another seed tells apart as well: three checkpoints moved alike know no more than one."""
    models = [(f"m{i}", "m", "coupled") for i in range(3)]
    items = study(n_items=1, seeds=3, models=models, conditions=("a", "b"))
    at = dict(zip([(c, s) for c in "ab" for s in range(3)], [0.0, 1, 2, 2.5, 3.5, 4.5], strict=True))
    items["shift"] = [
        at[c, s] if o == "loss" else 0.0 for c, s, o in zip(items.condition, items.seed, items.outcome, strict=True)
    ]
    base = classify_runs(items, SETTINGS, OUTCOMES)[0].query("unit == 'base'")
    # All are told apart. So are the same six sets with the labels changed: 2 of 20 arrangements.
    assert set(base.accuracy) == {1.0}
    assert base.p_value.iloc[0] == pytest.approx(2 / 20)


def test_checkpoints_without_an_item_in_common_are_refused():
    items = study(models=base_models(hub=False))
    halves = (items.base_model == "llama-coupled-1") == (items["item"] < "item-004")
    table, refused = classify_runs(items[halves | (items.world != "coupled")], SETTINGS, ("loss", "threat"))
    assert set(table[table.unit == "base"].world) == {"decoupled"} and set(refused.unit) == {"base"}
    [reason] = refused.reason
    assert "no item" in reason and "all base checkpoints" in reason


def test_shares_have_exact_intervals():
    table = classify_runs(ITEMS, SETTINGS, OUTCOMES)[0]
    assert (table.n_permutations == PERMUTATIONS).all()
    for made in table.drop_duplicates(["count", "n"]).to_dict("records"):
        expected = proportion_confint(made["count"], made["n"], SETTINGS.alpha, method="beta")
        assert (made["ci_low"], made["ci_high"]) == pytest.approx(expected, abs=1e-8)


def test_families_without_the_outcomes_have_no_rows():
    choice = ITEMS.assign(outcome=ITEMS["outcome"].map({"benign": "engage", "loss": "withdraw", "threat": "guard"}))
    assert classify_runs(choice, SETTINGS, OUTCOMES)[0].empty


def test_row_order_of_the_input_changes_no_byte():
    shuffled = ITEMS.sample(frac=1, random_state=1)
    made, again = (classify_runs(items, SETTINGS, OUTCOMES)[0].to_csv() for items in (ITEMS, shuffled))
    assert made == again
