"""What the trainer is told between steps: each step is reported, and a loss that is no number ends the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from priorshift.errors import RunError
from priorshift.training.trainer import Report, StopAtNonFiniteLoss

STATE = SimpleNamespace(global_step=3, max_steps=40)


def test_each_step_is_reported_with_the_last_ones_number():
    seen = []
    Report(lambda step, last: seen.append((step, last))).on_step_end(None, STATE, None)
    Report(None).on_step_end(None, STATE, None)
    assert seen == [(3, 40)]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), "nan"])
def test_a_loss_that_is_no_number_names_its_step(loss):
    with pytest.raises(RunError, match=r"training loss is (nan|inf) at step 3; lower training\.learning_rate"):
        StopAtNonFiniteLoss().on_log(None, STATE, None, {"loss": loss})


@pytest.mark.parametrize("logs", [None, {}, {"loss": 0.5}, {"loss": "0.5"}])
def test_other_logs_stop_nothing(logs):
    StopAtNonFiniteLoss().on_log(None, STATE, None, logs)
