"""A/A comparisons: items alone reject too often, both does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from priorshift.errors import UserError
from priorshift.stats.level import LEVEL, compare_alike, count_rejections, draw_pairs, estimate_components
from priorshift.stats.simulation import Components, simulate


def neutral_runs(n_runs=24, n_items=30, sd_run=0.15, seed=0):
    shifts = simulate(np.random.default_rng(seed), Components.from_sds(sd_run, 0.4, 0.0, 0.2), (n_runs, 2), n_items)[0]
    rows = [
        ("m", "m", "coupled", "neutral", run, "feeling", "held_out_domains", "loss", f"i{item}", shifts[run, item])
        for run in range(n_runs) for item in range(n_items)
    ]  # fmt: skip
    names = ["base_model", "group", "world", "condition", "seed", "family", "ring", "outcome", "item", "shift"]
    return pd.DataFrame(rows, columns=names)


def test_items_reject_too_often_and_both_does_not():
    table = count_rejections(compare_alike(neutral_runs(), "neutral", 4, 400), 0.05)
    assert list(table.columns) == LEVEL and (table[table.unit != "base"].comparisons == 400).all()
    rates = table.set_index(["source", "unit"])
    for source in ("measured", "simulated"):
        assert rates.ci_low[source, "items"] > 0.3
    assert rates.ci_low["simulated", "both"] < 0.05 < rates.ci_high["simulated", "both"] + 0.01
    assert rates.rate["measured", "both"] < 0.1
    assert (table.rejections / table.comparisons == table.rate).all()


def test_components_are_found_again():
    values = simulate(np.random.default_rng(1), Components.from_sds(0.3, 0.5, 0.0, 0.2), (300, 2), 400)[0]
    found = estimate_components(values)
    assert found.var_run == pytest.approx([0.09, 0.09], rel=0.2)
    assert found.cov_item == pytest.approx(np.full((2, 2), 0.25), rel=0.2)
    assert found.var_residual == pytest.approx(0.04, rel=0.05)


def test_no_run_is_on_both_sides_or_twice_in_a_partition():
    values = np.arange(13.0)[:, None]
    pairs = list(draw_pairs(values, 3, 4, np.random.default_rng(0)))
    assert len(pairs) == 4
    for first, second in (pairs[:2], pairs[2:]):
        runs = np.concatenate([*first, *second]).ravel()
        assert len(runs) == len(set(runs)) == 12


@pytest.mark.parametrize("side", [1, 13])
def test_too_few_runs_are_one_clear_error(side):
    with pytest.raises(UserError, match=r"runs_per_side: found \d+; m has 24 runs of 'neutral', expected 2 to 12"):
        compare_alike(neutral_runs(), "neutral", side, 10)


def test_a_side_that_varies_more_is_simulated_with_its_ratio():
    table = count_rejections(compare_alike(neutral_runs(), "neutral", 3, 1000, (1.0, 9.0)), 0.05)
    assert set(zip(table.source, table.run_sd_ratio, strict=True)) == {
        ("measured", 1.0), ("simulated", 1.0), ("simulated", 9.0),
    }  # fmt: skip
    rates = table[table.source == "simulated"].set_index(["unit", "run_sd_ratio"])
    # 3.6 % and 5.8 % of normal run means (Welch, by simulation); exact binomial intervals of 1000 hold them.
    for ratio, known in ((1.0, 0.036), (9.0, 0.058)):
        assert rates.ci_low["runs", ratio] < known < rates.ci_high["runs", ratio]
    # Three checkpoints, whose differences are normal: exact. A group is three comparisons.
    assert set(rates.loc["base"].comparisons) == {333} and "base" not in set(table[table.source == "measured"].unit)
    assert all(rates.ci_low["base", ratio] < 0.05 < rates.ci_high["base", ratio] for ratio in (1.0, 9.0))


def test_rates_and_their_exact_intervals_by_hand():
    keys = {
        "source": "measured", "base_model": "m", "world": "", "condition": "neutral", "family": "feeling",
        "ring": "held_out_domains", "outcome": "loss", "run_sd_ratio": 1.0, "runs_per_side": 3,
        "n_runs": 6, "n_items": 4,
    }  # fmt: skip
    p_values = pd.DataFrame([{**keys, "unit": "runs", "p_value": p} for p in (0.01, 0.04, 0.05, 0.9)])
    (made,) = count_rejections(p_values, 0.05).to_dict("records")
    assert (made["comparisons"], made["rejections"], made["rate"]) == (4, 2, 0.5)
    assert (made["ci_low"], made["ci_high"]) == pytest.approx(proportion_confint(2, 4, 0.05, method="beta"), abs=1e-8)
    assert made["ci_low"] == pytest.approx(0.067586, abs=1e-6)
