"""How many runs and checkpoints a study would need."""

from __future__ import annotations

from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import claim, settings, study

from priorshift.report.power_text import describe_checkpoints_needed, describe_runs_needed
from priorshift.stats.power import count_runs_needed, estimate_checkpoint_power, estimate_power

POWER = estimate_power(study(), SETTINGS)


def test_the_runs_needed_come_from_the_power_table():
    text = describe_runs_needed(POWER, SETTINGS)
    most = count_runs_needed(POWER)["n_runs"].max()
    for part in ("80 %", "0.5 nats", "unit both", "alpha 0.05", "on 8 items", f"{most} runs of each condition"):
        assert part in text
    assert "unit base" in text and "\n" not in text


def test_a_hub_model_is_told_nothing_of_checkpoints():
    text = describe_runs_needed(estimate_power(study(models=HUB), SETTINGS), SETTINGS)
    assert "runs of each condition" in text and "unit base" not in text and "world" not in text


def test_what_would_take_more_runs_is_counted():
    small = settings(smallest_effect=0.001)
    power = estimate_power(study(), small)
    cases = len(count_runs_needed(power))
    assert f"In {cases} of {cases} cases" in describe_runs_needed(power, small)


def test_without_a_claimed_shift_or_a_measured_one_no_number_is_given():
    nulls = settings(claims=[claim("depression", "loss", claim="equivalence")])
    for text in (describe_runs_needed(POWER, nulls), describe_runs_needed(POWER[:0], SETTINGS)):
        assert not any(digit in text for digit in "0123456789")


def test_the_checkpoints_needed_come_from_the_power_table():
    tables = make_tables()
    power = estimate_checkpoint_power(tables["contrasts"], tables["equivalence"], SETTINGS)
    text = describe_checkpoints_needed(power, 0.5)
    enough = power[power["power"] >= 0.8].groupby(["base_model", "world", "condition"])["n_checkpoints"].min()
    assert f"{enough.min()} to {enough.max()} base checkpoints" in text or f"{enough.min()} base checkpoints" in text
    assert "0.5 nats" in text and "unit base" in text
    assert describe_checkpoints_needed(power[:0], 0.5) == ""


def test_a_number_of_checkpoints_beyond_those_looked_at_is_not_made_up():
    tables = make_tables()
    power = estimate_checkpoint_power(tables["contrasts"], tables["equivalence"], SETTINGS).assign(power=0.1)
    assert "no number looked at is enough" in describe_checkpoints_needed(power, 0.5)
