"""The words of notebook 08, from tables whose numbers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.prose import says

from priorshift.mechanism.directions import count_alarms, tabulate_directions
from priorshift.mechanism.prior_fit import compare_accounts, tabulate_prior_fit
from priorshift.report.mechanism_figures import (
    draw_directions,
    draw_mechanism,
    draw_prior_fit,
)
from priorshift.report.mechanism_text import describe_directions, describe_mechanism, describe_prior_fit

# account -> (predicted shift, log-score), of a shift of 2 nats; and of choices that moved by 4.
ACCOUNTS = {
    "policy_only": (0.0, -0.9),
    "prior": (3.0, -0.1),
    "constant_bias": (2.1, -0.01),
    "prior_and_policy": (1.9, -0.02),
}
CHOICES = {"prior": 3.0, "prior_and_policy": 1.0}


def make_runs(world="coupled", checkpoints=3):
    rows = []
    for number in range(checkpoints):
        for seed in (0, 1):
            off = 0.01 * number + 0.002 * seed
            run = {"base_model": f"llama-{number}", "group": "llama", "world": world, "condition": "depression"}
            run |= {"seed": seed, "outcome": "loss", "own_prior": 0.5}
            for account, (predicted, score) in ACCOUNTS.items():
                row = run | {"account": account, "log_score": score - off, "gain": score + 0.9}
                for family in ("feeling", "interpretation"):
                    rows.append(row | {"family": family, "predicted_shift": predicted + off, "measured_shift": 2.0})
                rows.append(row | {"family": "all", "predicted_shift": np.nan, "measured_shift": np.nan})
            for account, predicted in CHOICES.items():
                row = {"account": account, "family": "choice", "log_score": -1.0, "gain": 0.0}
                rows.append(run | row | {"predicted_shift": predicted, "measured_shift": 4.0})
    table = pd.DataFrame(rows)
    return table.assign(error=table["predicted_shift"] - table["measured_shift"])


def describe(runs):
    return describe_prior_fit(tabulate_prior_fit(runs, 0.5, 0.05), compare_accounts(runs, 0.05))


def test_what_is_right_within_the_margin_is_counted_over_checkpoints():
    told = describe(make_runs())
    assert "Llama, coupled world (unit base)" in told
    assert says(told, "prior of the choices", "0.5 nats", "0 of 2") and "+1.0" in told
    assert says(told, "prior beside a policy", "0.5 nats", "2 of 2")
    assert says(told, "nothing else", "0.5 nats", "0 of 2")


def test_the_policy_s_part_is_what_no_prior_of_the_other_families_explains():
    assert says(describe(make_runs()), "not explain", "+3.00", "75 %")


def test_one_checkpoint_speaks_of_its_own_runs():
    assert "llama-0, coupled world (unit runs)" in describe(make_runs(checkpoints=1))


def test_choices_that_hardly_moved_are_not_spoken_of():
    runs = make_runs().assign(measured_shift=lambda table: table["measured_shift"] * 0.1)
    assert "training" not in describe(runs)


def test_what_was_not_made_is_neither_told_nor_drawn():
    assert describe_mechanism({}) == "" and list(draw_mechanism({})) == []


def test_the_figure_has_a_point_for_each_run_family_and_account():
    runs = make_runs()
    picture = draw_prior_fit(runs)
    [axis] = picture.figure.axes
    points = sum(len(collection.get_offsets()) for collection in axis.collections)
    assert points == 6 * 2 * 4 and picture.name == "prior_fit"


def make_directions(shift=1.5, whole=2.0):
    rows = []
    for number in range(3):
        place = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled", "outcome": "loss"}
        for seed in (0, 1):
            run = place | {"seed": seed, "perplexity_ratio": 1.01}
            asked = {"condition": "depression", "whole_choice": whole + 0.01 * seed, "whole_expectation": whole}
            taken = {"test": "projected out", "source": "own", "layer": "all", "strength": 1.0}
            left = {"choice": 0.5, "expectation": 0.5, "base_choice": -0.5, "base_expectation": -0.5}
            rows.append(run | asked | taken | left)
            for source, share in (("own", 1.0), ("random", 0.1)):
                for layer, most in (("0", 0.5), ("1", 1.0)):
                    for strength in (1.0, 2.0) if source == "own" else (1.0,):
                        moved = strength * share * most * (shift + 0.01 * number)
                        row = run | asked | {"test": "added to the base", "source": source, "layer": layer}
                        rows.append(row | {"strength": strength, "choice": moved, "expectation": moved})
            quiet = {
                "condition": "neutral",
                "test": "added to the base",
                "source": "own",
                "layer": "1",
                "strength": 1.0,
            }
            rows.append(run | quiet | {"choice": 0.0, "expectation": 0.9 if (number, seed) == (0, 0) else 0.1})
    return pd.DataFrame(rows)


def test_the_block_where_a_direction_does_most_is_named_with_its_share():
    rows = make_directions()
    table, alarms = tabulate_directions(rows, "neutral", 0.05), count_alarms(rows, "neutral", 0.5, 0.05)
    told = describe_directions(table, alarms)
    # Shares of 1.50, 1.51 and 1.52 over 2: Student's t with 2 degrees of freedom gives 1.51 / 2 +- .012.
    assert says(told, "own", "+1.51 nats", "block 1", "75 %", "95 % interval 74 to 77 %")
    assert says(told, "strength 2", "+3.02") and says(told, "random", "+0.15 nats", "block 1")
    assert "0 of 7 changes raise" in told
    # The fine-tune is left at +.5 and the base at -.5: of 2 nats the projection took 1, and not 1.5.
    taken = told.split("projected out")[1]
    assert says(taken, "fine-tune", "+2.00 nats") and says(taken, "own", "+1.00 nats", "all blocks")
    assert says(taken, "base itself", "-0.50")
    assert says(told, "coupled world", "after any block 1 of 6", "17 %")
    # A real model is of no world, and must not be called one of a world.
    outside = describe_directions(table, alarms.assign(world=None))
    assert says(outside, "models outside the worlds", "after any block 1 of 6") and "world:" not in outside
    broken = table.assign(perplexity_ratio=table["perplexity_ratio"].where(table["layer"] != "1", 150.0))
    spoken = describe_directions(broken, alarms)
    assert "3 of 7 changes raise" in spoken and "+0.75 nats at block 0" in spoken and "at block 1," not in spoken
    assert len(_list_points(draw_directions(table))) == 21 and len(_list_points(draw_directions(broken))) == 12
    assert "9 of 21 points" in draw_directions(broken).description


def _list_points(picture):
    return [p for axis in picture.figure.axes for each in axis.collections for p in each.get_offsets()]
