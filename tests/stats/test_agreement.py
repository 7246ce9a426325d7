"""The multitrait-multimethod matrix: correlations by hand, worlds that agree and worlds that only share methods."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from support.synthetic_items import row

from priorshift.stats.agreement import (
    CONVERGENT,
    METHODS,
    MULTITRAIT,
    NEITHER,
    OVER,
    RELIABILITY,
    SAME_METHOD,
    correlate_measures,
    summarize_methods,
)

ALL, WITHIN, BETWEEN = OVER
KINDS = (CONVERGENT, SAME_METHOD, NEITHER)


def tabulate(values, base_model="m", world="", seeds=2, **halves):
    """The tidy table of `values`: (method, outcome) -> one number a run, `seeds` runs of each condition in turn."""
    rows = []
    for (method, outcome), numbers in values.items():
        for k, value in enumerate(numbers):
            run = {"base_model": base_model, "group": base_model, "world": world}
            run |= {"condition": f"condition {k // seeds}", "seed": k % seeds, "method": method, "outcome": outcome}
            rows.append(run | {"value": value} | {name: half[method, outcome][k] for name, half in halves.items()})
    return pd.DataFrame(rows)


def simulate(trait, method, base_model="m", world="", seed=0, conditions=6, seeds=5):
    """Two outcomes by three methods over runs: variance of an outcome's own factor, and of a method's."""
    rng = np.random.default_rng(seed)
    n = conditions * seeds
    traits = {outcome: np.sqrt(trait) * rng.normal(size=n) for outcome in ("loss", "threat")}
    values = {}
    for name in ("phrases", "scales", "words"):
        shared = np.sqrt(method) * rng.normal(size=n)
        for outcome, factor in traits.items():
            values[name, outcome] = factor + shared + 0.4 * rng.normal(size=n)
    return tabulate(values, base_model, world, seeds)


HAND = tabulate({("a", "loss"): [1, 2, 4, 5], ("b", "loss"): [1, 3, 3, 7], ("a", "threat"): [2, 1, 1, 0]})


def pick(table, over, one, other, base_model="m"):
    names = {"method": one[0], "outcome": one[1], "other_method": other[0], "other_outcome": other[1]}
    return row(table, base_model=base_model, over=over, **names)


def test_correlations_are_those_by_hand():
    made = correlate_measures(HAND, 0.05)
    one, other = ("a", "loss"), ("b", "loss")
    # Deviations from 3: -2 -1 1 2; from 3.5: -2.5 -.5 -.5 3.5. Products sum to 12, squares to 10 and 19.
    found = pick(made, ALL, one, other)
    assert found["correlation"] == pytest.approx(12 / np.sqrt(10 * 19)) and found["kind"] == CONVERGENT
    # Within two conditions: -.5 .5 -.5 .5 and -1 1 -2 2: products 3, squares 1 and 10.
    assert pick(made, WITHIN, one, other)["correlation"] == pytest.approx(3 / np.sqrt(10))
    # Two conditions lie on a line.
    assert pick(made, BETWEEN, one, other)["correlation"] == pytest.approx(1.0)
    # -2 -1 1 2 and 1 0 0 -1: products -4, squares 10 and 2.
    found = pick(made, ALL, one, ("a", "threat"))
    assert found["correlation"] == pytest.approx(-4 / np.sqrt(20)) and found["kind"] == SAME_METHOD
    assert pick(made, ALL, ("a", "threat"), other)["kind"] == NEITHER
    assert list(made.columns) == MULTITRAIT and set(made["n_runs"]) == {4} and set(made["n_conditions"]) == {2}


def test_numpy_gives_the_same_correlations_over_all_runs():
    measures = simulate(1.0, 0.5)
    wide = measures.pivot(index=["condition", "seed"], columns=["method", "outcome"], values="value").sort_index(axis=1)
    expected, made, names = np.corrcoef(wide.to_numpy().T), correlate_measures(measures, 0.05), list(wide)
    for i, j in combinations(range(len(names)), 2):
        assert pick(made, ALL, names[i], names[j])["correlation"] == pytest.approx(expected[i, j])


def test_limits_within_conditions_count_what_is_left():
    made = pick(correlate_measures(simulate(1.0, 0.0), 0.05), WITHIN, ("phrases", "loss"), ("words", "loss"))
    # 30 runs less 6 conditions leave 24 degrees of freedom: those of 25 runs about one mean.
    z = np.arctanh(made["correlation"]) + np.array([-1, 1]) * 1.959964 / np.sqrt(25 - 3)
    assert (made["ci_low"], made["ci_high"]) == pytest.approx(tuple(np.tanh(z)), abs=1e-6)


def test_a_world_of_traits_is_told_from_a_world_of_methods():
    agree, share = (summarize_methods(simulate(*factors, seeds=20), 0.05) for factors in ((1.0, 0.0), (0.0, 1.0)))
    for over in (ALL, WITHIN):
        own, other = (made[(made["over"] == over) & (made["base_model"] == "m")] for made in (agree, share))
        assert (own["convergent"] > 0.7).all() and (own["same_method"].abs() < 0.3).all()
        assert (own["margin_low"] > 0).all() and (own["met"] == own["comparisons"]).all()
        assert (other["same_method"] > 0.7).all() and (other["convergent"].abs() < 0.3).all()
        assert (other["margin_high"] < 0).all() and (other["met"] < other["comparisons"]).all()


def test_between_conditions_alone_everything_can_correlate():
    # Each run is noise of its own; conditions move all measures alike.
    rng = np.random.default_rng(3)
    moved = np.repeat(np.arange(6) * 3.0, 5)
    values = {(m, o): moved + rng.normal(size=30) for m in ("a", "b") for o in ("loss", "threat")}
    made = correlate_measures(tabulate(values, seeds=5), 0.05).query("base_model == 'm'")
    means = made.groupby("over")["correlation"].mean()
    assert means[ALL] > 0.9 and means[BETWEEN] > 0.95 and abs(means[WITHIN]) < 0.2


def test_means_of_a_method_are_those_of_the_matrix():
    measures = simulate(1.0, 0.5)
    matrix, methods = correlate_measures(measures, 0.05), summarize_methods(measures, 0.05)
    assert list(methods.columns) == METHODS
    own = matrix[(matrix["base_model"] == "m") & (matrix["over"] == WITHIN)]
    mine = own[(own["method"] == "scales") | (own["other_method"] == "scales")]
    found = row(methods, base_model="m", over=WITHIN, method="scales")
    for name, kind in zip(("convergent", "same_method", "neither"), KINDS, strict=True):
        assert found[name] == pytest.approx(mine.loc[mine["kind"] == kind, "correlation"].mean())
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found["margin"] == pytest.approx(found["convergent"] - found["same_method"])
    # 2 outcomes x 2 other methods, each against 2 of another outcome in its row and 2 in its column.
    assert found["comparisons"] == 2 * 2 * 4


def test_reliability_is_the_correlation_of_halves_stepped_up():
    halves = {"half_1": {("a", "loss"): [1, 2, 4, 5], ("b", "loss"): [np.nan] * 4},
              "half_2": {("a", "loss"): [1, 3, 3, 7], ("b", "loss"): [np.nan] * 4}}  # fmt: skip
    values = {("a", "loss"): [1, 2.5, 3.5, 6], ("b", "loss"): [1, 3, 3, 7]}
    made = correlate_measures(tabulate(values, **halves), 0.05)
    found = row(made, base_model="m", over=ALL, kind=RELIABILITY)
    half = 12 / np.sqrt(10 * 19)
    assert found["method"] == "a" and found["correlation"] == pytest.approx(2 * half / (1 + half))


def test_pooled_models_are_each_about_their_own_mean():
    first, second = (HAND.assign(base_model=name, world="coupled") for name in ("one", "two"))
    far = second.assign(value=second["value"] + 100)
    made = correlate_measures(pd.concat([first, far]), 0.05)
    one, other = ("a", "loss"), ("b", "loss")
    pooled = pick(made, ALL, one, other, "all")
    assert pooled["correlation"] == pytest.approx(12 / np.sqrt(10 * 19))
    assert pooled["n_runs"] == 8 and pooled["n_conditions"] == 4
    # Two more runs' worth of knowledge: limits are narrower than those of either.
    assert np.isnan(pick(made, WITHIN, one, other, "one")["ci_low"])
    assert set(made["base_model"]) == {"one", "two", "all"}


def test_worlds_are_pooled_apart_and_on_the_measures_that_all_their_models_have():
    coupled, decoupled = simulate(1.0, 0.0, "x", "coupled"), simulate(1.0, 0.0, "y", "decoupled", seed=1)
    other = simulate(1.0, 0.0, "z", "coupled", seed=2).query("method != 'scales'")
    made = correlate_measures(pd.concat([coupled, decoupled, other]), 0.05).query("base_model == 'all'")
    assert set(made.query("world == 'coupled'")["method"]) == {"phrases", "words"}
    assert set(made.query("world == 'decoupled'")["method"]) == {"phrases", "scales", "words"}


@pytest.mark.parametrize("make", [correlate_measures, summarize_methods])
def test_the_order_of_rows_does_not_matter(make):
    measures = pd.concat([simulate(1.0, 0.5, "x", "coupled"), simulate(1.0, 0.5, "y", "coupled", seed=4)])
    shuffled = measures.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(make(measures, 0.05), make(shuffled, 0.05), check_exact=True)


def test_a_run_that_lacks_a_measure_has_no_part():
    measures = simulate(1.0, 0.0)
    lacking = (measures["method"] == "scales") & (measures["condition"] == "condition 0") & (measures["seed"] == 0)
    assert set(correlate_measures(measures[~lacking], 0.05)["n_runs"]) == {29}


def test_what_does_not_vary_has_no_correlation_and_no_part_in_means():
    still = HAND.assign(value=HAND["value"].where(HAND["outcome"] == "loss", 0.1))
    made = correlate_measures(still, 0.05).query("base_model == 'm'")
    assert made.loc[made["other_outcome"] == "threat", "correlation"].isna().all()
    found = row(summarize_methods(still, 0.05), base_model="m", over=ALL, method="a")
    assert np.isnan(found["same_method"]) and np.isnan(found["margin"])
    assert found["convergent"] == pytest.approx(12 / np.sqrt(190)) and found["comparisons"] == 0


@pytest.mark.parametrize("few", [HAND.query("outcome == 'loss' and method == 'a'"), HAND.query("condition == 'x'"),
                                 HAND.query("condition == 'condition 0'")])  # fmt: skip
def test_one_measure_or_two_runs_make_no_row(few):
    assert correlate_measures(few, 0.05).empty and summarize_methods(few, 0.05).empty


def test_one_method_has_nothing_to_agree_with():
    made = summarize_methods(simulate(1.0, 0.0).query("method == 'words'"), 0.05)
    assert made["convergent"].isna().all() and made["margin"].isna().all() and (made["comparisons"] == 0).all()
    assert made["same_method"].notna().all()
