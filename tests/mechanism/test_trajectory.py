"""When does it come? By hand: an expectation that comes with the choice, one that comes later, one that never does."""

from __future__ import annotations

import pytest
from support.toy_subject import ToySubject, plant

from priorshift.mechanism.trajectory import follow_training, tabulate_trajectory
from priorshift.study.run import Run

BEHAVIORS = {"depression": ("withdraw", "loss")}
STEPS = (5, 10, 40)


def follow(expectations):
    """Choice reaches 1, 2 and 4 nats after these steps, expectation as given."""
    planted, steps = {}, {}
    for seed in range(3):
        for step, choice, expectation in zip(STEPS, (1.0, 2.0, 4.0), expectations, strict=True):
            key = (Run("toy", "depression", seed), step)
            planted[key], steps[key] = plant("depression", seed, choice, expectation, noise=1e-4)[1], STEPS[-1]
    rows = follow_training(ToySubject(planted), steps, BEHAVIORS, least=0.5)
    return rows.assign(group="toy", world="coupled")


def test_what_comes_with_the_choice_has_no_lag():
    table = tabulate_trajectory(follow((0.5, 1.0, 2.0)), 0.05).query("unit == 'runs'").set_index("step")
    assert table["choice_share"].tolist() == pytest.approx([0.25, 0.5, 1.0], abs=0.01)
    assert table["lag"].abs().max() < 0.01


def test_what_comes_later_lags_and_what_comes_first_leads():
    later = tabulate_trajectory(follow((0.0, 0.2, 2.0)), 0.05).query("unit == 'runs'").set_index("step")
    assert later.loc[5, "lag_low"] > 0.2 and later.loc[10, "lag_low"] > 0.35
    first = tabulate_trajectory(follow((1.5, 2.0, 2.0)), 0.05).query("unit == 'runs'").set_index("step")
    assert first.loc[5, "lag_high"] < -0.4


def test_an_expectation_that_never_moved_has_no_shares():
    rows = follow((0.0, 0.1, 0.1))
    assert rows["expectation_share"].isna().all() and rows["choice_share"].notna().all()
