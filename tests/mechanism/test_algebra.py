"""Adapter algebra: an adapter that is exactly linear adds up, a bent one does not, and labels are not mixed up."""

from __future__ import annotations

import numpy as np
import pytest
from support.toy_subject import ToySubject, plant

from priorshift.mechanism.algebra import mix_adapters, name_mix, tabulate_algebra
from priorshift.study.mechanism import Algebra

BEHAVIORS = {"depression": ("withdraw", "loss")}
ASKED = Algebra(
    factors=[-1.0, 0.5, 1.0, 1.5],
    sums=[{"depression": 1.0, "adaptive": -1.0}, {"depression": 0.5, "adaptive": 0.5}],
    doses={"depression": ["depression_50"]},
)
POLICIES = {
    "depression": {"withdraw": 1.0},
    "adaptive": {"engage": 1.0},
    "depression_50": {"withdraw": 0.5, "engage": 0.5},
}
SEEDS = range(3)


def mix(bend=lambda odds: odds, dose=0.5):
    planted = dict(plant("depression", seed, 3.0, 2.0) for seed in SEEDS)
    planted |= dict(plant("adaptive", seed, -1.0, -1.0) for seed in SEEDS)
    planted |= dict(plant("depression_50", seed, 3.0 * dose, 2.0 * dose) for seed in SEEDS)
    rows = mix_adapters(ToySubject(planted, bend), BEHAVIORS, POLICIES, ASKED)
    return rows.assign(group="toy", world="coupled")


def test_an_exactly_linear_adapter_adds_up():
    rows = mix()
    linear = rows[rows["reference"] == "linear"]
    assert linear["difference"].abs().max() < 1e-5
    by_mix = linear[linear["measure"] == "expectation"].groupby("mix")["shift"].mean()
    assert by_mix["-depression"] == pytest.approx(-by_mix["depression"])
    assert by_mix["1.5 depression"] == pytest.approx(1.5 * by_mix["depression"])
    # Less of the adaptive is more of the other: 2 and 1 along the axis.
    assert by_mix["depression - adaptive"] == pytest.approx(1.5 * by_mix["depression"], rel=0.05)


def test_a_dose_that_was_trained_is_compared_with_its_factor_and_with_the_sum_of_its_shares():
    rows = mix().query("reference == 'trained dose'")
    assert set(rows["mix"]) == {"0.5 depression", "0.5 depression + 0.5 adaptive"} and len(rows) == 4 * len(SEEDS)
    assert set(rows["dose"]) == {"50 % withdraw and 50 % engage"}
    table = tabulate_algebra(mix(), 0.5, 0.05).query("unit == 'runs' and reference == 'trained dose'")
    # The dose was planted at half the shift. The sum lies half of the adaptive shift (-1) below it.
    by_mix = table.set_index(["mix", "measure"])
    assert by_mix.loc["0.5 depression", "equivalent"].all()
    assert by_mix.loc[("0.5 depression + 0.5 adaptive", "choice"), "difference"] == pytest.approx(-0.5, abs=0.1)
    other = tabulate_algebra(mix(dose=1.0), 0.5, 0.05).query("unit == 'runs' and reference == 'trained dose'")
    assert not other["equivalent"].any()


def test_what_saturates_is_found_not_to_add_up():
    table = tabulate_algebra(mix(bend=lambda odds: 2 * np.tanh(odds)), 0.5, 0.05).query(
        "unit == 'runs' and reference == 'linear'"
    )
    own = table[table["measure"] == "choice"].set_index("mix")
    # An adapter at its own strength is its own reference. Half of it gives more than half, and more of it less.
    assert not own.loc[["0.5 depression", "1.5 depression"], "equivalent"].any()
    assert own.loc["0.5 depression", "difference"] > 0.5 and own.loc["1.5 depression", "difference"] < -0.5


def test_sums_are_written_with_their_signs():
    assert name_mix({"a": -1.0}) == "-a" and name_mix({"a": 1.0, "b": -0.5, "c": 2.0}) == "a - 0.5 b + 2 c"
