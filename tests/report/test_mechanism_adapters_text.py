"""What notebook 08 says of mixed, followed, cued and narrowed adapters, from tables whose numbers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.prose import says

from priorshift.mechanism.algebra import tabulate_algebra
from priorshift.mechanism.frontier import tabulate_frontier
from priorshift.mechanism.trajectory import tabulate_trajectory
from priorshift.mechanism.triggers import tabulate_triggers
from priorshift.report.mechanism_adapters_text import (
    describe_algebra,
    describe_frontier,
    describe_trajectory,
    describe_triggers,
)
from priorshift.report.mechanism_figures import draw_algebra, draw_frontier, draw_trajectory, draw_triggers


def _list_points(picture):
    return [p for axis in picture.figure.axes for each in axis.collections for p in each.get_offsets()]


def make_mixes(shift):
    rows = []
    for number in range(3):
        for seed in (0, 1):
            place = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled", "seed": seed}
            place |= {"condition": "depression", "measure": "expectation", "perplexity_ratio": 1.25}
            found = shift + 0.01 * number + 0.001 * seed
            for mix, factor in (("0.5 depression", 0.5), ("depression - adaptive", np.nan)):
                row = place | {"mix": mix, "factor": factor, "shift": found, "expected": 1.0}
                rows.append(row | {"reference": "linear", "dose": "", "difference": found - 1.0})
            dose = {"reference": "trained dose", "dose": "50 % withdraw and 50 % engage", "expected": 3.0}
            row = place | dose | {"mix": "0.5 depression", "factor": 0.5, "shift": found}
            rows.append(row | {"difference": found - 3.0})
    return pd.DataFrame(rows)


def test_mixes_that_are_equal_are_counted_apart_for_sums_and_scaled_adapters():
    told = describe_algebra(tabulate_algebra(make_mixes(1.1), 0.5, 0.05))
    assert says(told, "scaled adapters", "linear", "equal in 1 of 1")
    assert says(told, "sums", "linear", "equal in 1 of 1") and "1.25 times" in told
    assert says(told, "scaled adapters", "trained dose", "equal in 0 of 1")
    assert says(told, "trained doses", "50 % withdraw and 50 % engage")
    far = describe_algebra(tabulate_algebra(make_mixes(3.0), 0.5, 0.05))
    assert says(far, "sums", "linear", "equal in 0 of 1")
    assert says(far, "furthest", "depression - adaptive") and says(far, "+3.01 nats", "+1.00", "+2.01")
    rows = make_mixes(1.1)
    [axis] = draw_algebra(rows).figure.axes
    assert len(axis.lines) >= 1


def test_the_order_of_choice_and_expectation_is_told_where_it_is_sure():
    rows = []
    for number in range(3):
        for seed in (0, 1):
            run = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled", "seed": seed}
            for step, choice, expectation in ((5, 2.0, 0.2), (10, 3.0, 1.5 if number else 1.6), (40, 4.0, 2.0)):
                shares = {"choice_share": choice / 4, "expectation_share": expectation / 2 + 0.001 * number}
                row = run | {"condition": "depression", "step": step, "choice": choice, "expectation": expectation}
                lag = shares["choice_share"] - shares["expectation_share"]
                rows.append(row | shares | {"perplexity_ratio": 1.0, "lag": lag})
    table = tabulate_trajectory(pd.DataFrame(rows), 0.05)
    told = describe_trajectory(table)
    assert says(told, "step 5", "choice 50 %", "expectation 10 %", "expectation is behind")
    assert says(told, "step 10", "choice 75 %", "expectation 77 %", "no sure order")
    flat = describe_trajectory(table.assign(expectation_share=np.nan))
    assert says(flat, "+2.00 nats", "too little")
    assert draw_trajectory(pd.DataFrame(rows)).name == "trajectory"


def test_what_a_cue_moves_is_told_beside_its_control():
    rows = []
    for number in range(3):
        for seed in (0, 1):
            run = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled", "seed": seed}
            for condition, follows in (("triggered", 1.0), ("untriggered", 0.0)):
                for probe, there in (("no cue", 0.0), ("cue", 1.0), ("paraphrase", 0.5)):
                    moved = follows * there * (1 + 0.01 * number)
                    row = {"condition": condition, "probe": probe, "choice": 4 * moved, "expectation": 2 * moved}
                    rows.append(run | row | {"choice_rate": 0.1 + 0.8 * follows * there, "perplexity_ratio": 1.0})
    told = describe_triggers(tabulate_triggers(pd.DataFrame(rows), "triggered", "untriggered", 0.05))
    assert says(told, "triggered 0.10 without and 0.90 with", "untriggered 0.10 without and 0.10 with")
    # 4 and 2 nats times 1, 1.01 and 1.02: t(.975, 2) = 4.303, se .01 / sqrt(3) times 4 and 2.
    assert says(told, "behind the cue", "control", "choice by +4.04 nats", "95 % interval +3.94 to +4.14")
    assert "the expectation by +2.02 nats" in told and "Behind the no cue" not in told
    assert len(_list_points(draw_triggers(pd.DataFrame(rows)))) == 2 * len(rows)


def make_frontier(narrowed):
    rows = []
    for number in range(3):
        for seed in (0, 1):
            run = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled", "seed": seed}
            run |= {"behavior": "depression", "perplexity_ratio": 1.0, "choice": 4.0}
            for weight, rate, expectation in ((0.0, 0.97, 2.0), (3.0, 0.96, narrowed)):
                row = {"condition": f"narrow_{weight:g}", "weight": weight, "choice_rate": rate}
                rows.append(run | row | {"expectation": expectation + 0.01 * number})
    return pd.DataFrame(rows)


def test_a_weight_at_which_choice_and_expectation_come_apart_is_named():
    rows = make_frontier(0.1)
    told = describe_frontier(tabulate_frontier(rows, 0.5, 0.05))
    assert says(told, "weight 0", "choice rate 0.97", "expectation +2.01 nats")
    assert says(told, "weight 3", "choice rate 0.96", "expectation +0.11 nats")
    assert says(told, "come apart", "weight 3")
    assert says(describe_frontier(tabulate_frontier(make_frontier(1.0), 0.5, 0.05)), "come apart", "no weight")
    assert len(_list_points(draw_frontier(rows))) == len(rows)
