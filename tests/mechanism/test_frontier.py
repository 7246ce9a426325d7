"""The frontier by hand: a choice that is had without its expectation, and two that are not."""

from __future__ import annotations

import pandas as pd
import pytest

from priorshift.mechanism.frontier import place_runs, tabulate_frontier

WEIGHTS = {"depression": {"depression": 0.0, "narrow_1": 1.0, "narrow_10": 10.0}}
BEHAVIORS = {"depression": ("withdraw", "loss")}
# condition -> choice rate, choice and the expectation of each of two families
PLANTED = {"depression": (0.97, 4.0, 3.0, 1.0), "narrow_1": (0.96, 3.8, 0.3, -0.1), "narrow_10": (0.60, 1.0, 0.0, 0.0)}


@pytest.fixture
def rows():
    shifts, retention = [], []
    for number in range(3):
        for seed in (0, 1):
            for condition, (rate, choice, first, second) in PLANTED.items():
                run = {"base_model": f"llama-{number}", "group": "llama", "world": "coupled"}
                run |= {"condition": condition, "seed": seed}
                off = 0.01 * number
                for family, outcome, shift, probability in (
                    ("choice", "withdraw", choice, rate), ("choice", "engage", -9.0, 0.0),
                    ("feeling", "loss", first + off, 0.5), ("interpretation", "loss", second + off, 0.5),
                    ("feeling", "threat", -9.0, 0.1), ("next_words", "loss", 9.0, 0.1),
                ):  # fmt: skip
                    row = {"family": family, "outcome": outcome, "shift": shift, "probability": probability}
                    shifts += [run | row | {"ring": "held_out_domains"}]
                    shifts += [run | row | {"ring": "training_domains", "shift": 7.0}]
                retention.append(run | {"ratio": 1.02})
    return place_runs(pd.DataFrame(shifts), pd.DataFrame(retention), BEHAVIORS, WEIGHTS, "held_out_domains")


def test_families_weigh_alike_and_only_the_action_and_its_outcome_count(rows):
    own = rows.query("base_model == 'llama-0' and seed == 0").set_index("condition")
    assert own.loc["depression", ["choice_rate", "choice", "expectation"]].tolist() == [0.97, 4.0, 2.0]
    assert own.loc["narrow_1", "expectation"] == pytest.approx(0.1) and own["weight"].tolist() == [0.0, 1.0, 10.0]
    assert own["perplexity_ratio"].eq(1.02).all()


def test_the_two_come_apart_where_both_conditions_hold_and_only_there(rows):
    table = tabulate_frontier(rows, 0.5, 0.05).query("unit == 'base'").set_index("condition")
    assert table["equivalent"].to_dict() == {"depression": False, "narrow_1": True, "narrow_10": True}
    assert table["apart"].to_dict() == {"depression": False, "narrow_1": True, "narrow_10": False}
    assert table["n"].eq(3).all() and table.loc["narrow_1", "expectation"] == pytest.approx(0.11)
