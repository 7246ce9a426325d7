"""What can't be concluded, from the tables alone."""

from __future__ import annotations

import pandas as pd
import pytest
from support.prose import sentences_of
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import base_models, settings, study

from priorshift.report.limits_text import (
    describe_checkpoints,
    describe_convergence,
    describe_influence,
    describe_level,
    describe_losses,
    describe_retention,
    list_limits,
)
from priorshift.stats.influence import leave_one_out

RUNS = pd.DataFrame({"base_model": "m", "condition": ["a", "a", "b"], "seed": [0, 1, 0]})
RETENTION = RUNS.assign(ratio=[1.01, 1.18, 1.06])
LOSSES = RUNS.assign(condition=["neutral", "paranoia", "paranoia"], last_loss=[0.8, 1.5, 2.5])
CARDS = [{"name": "llama-coupled-0", "gap": 0.006}, {"name": "llama-decoupled-0", "gap": 0.0136}]


def contrasts(checkpoints):
    return make_tables(study(models=base_models(checkpoints=checkpoints, hub=False)))["contrasts"]


def test_checkpoints_and_degrees_of_freedom_come_from_the_table():
    three, two = contrasts(3), contrasts(2)
    assert "3 checkpoints" in describe_checkpoints(three) and "2 degrees of freedom" in describe_checkpoints(three)
    assert "2 checkpoints" in describe_checkpoints(two) and "1 degree of freedom" in describe_checkpoints(two)
    assert "2 to 3 checkpoints" in describe_checkpoints(pd.concat([two, three]))
    alone = describe_checkpoints(three[three["unit"] != "base"])
    assert "No claim is about new pretrainings" in alone and not any(digit in alone for digit in "0123456789")


def test_retention_counts_the_runs_that_lost_prose_and_names_the_worst():
    text = describe_retention(RETENTION)
    assert text.startswith("2 of 3 runs") and "1.18 (m, a, seed 1)" in text and "5 %" in text
    assert describe_retention(RETENTION[:0]) == ""


def test_losses_are_means_by_condition_from_least_to_most():
    assert "neutral 0.800, paranoia-like 2.000" in describe_losses(LOSSES)
    assert "trained nothing" in describe_losses(LOSSES[:0])


def test_a_gap_above_the_limit_makes_a_null_provisional():
    text = describe_convergence(CARDS)
    assert "0.0060 to 0.0136" in text and "0.008: llama-decoupled-0 (0.0136)." in text and "provisional" in text
    assert "provisional" not in describe_convergence(CARDS[:1]) and describe_convergence([]) == ""


def test_the_level_is_told_for_each_way_and_each_unit_that_counts_runs():
    rows = [
        {"runs_per_side": 3, "source": source, "run_sd_ratio": 1.0, "unit": unit, "alpha": 0.05, "rate": rate,
         "ci_low": rate - 0.01, "ci_high": rate + 0.01}
        for source in ("measured", "simulated") for unit in ("items", "runs", "both") for rate in (0.02, 0.05, 0.1)
    ]  # fmt: skip
    text = describe_level(pd.DataFrame(rows))
    assert text.count("3 runs a side") == 2 and "items" not in text and text.count("both") == 2
    # Rates .02, .05 and .1: mean .0567; one interval lies below .05 and one above.
    assert text.count("5.7 % (a panel at most 10.0 %)") == 4
    assert text.count("Of 3 intervals 1 lie below 5 % and 1 above") == 4


def test_the_part_that_moves_a_declared_claim_most_is_named():
    table = leave_one_out(study(), SETTINGS)
    text = describe_influence(table, SETTINGS)
    own = table[((table["unit"] == "base") == (table["world"] != "")) & (table["kind"] == "run")]
    most = own.loc[own["change"].abs().idxmax()]
    assert f"one run: {most['change']:+.2f} nats ({most['left_out']}." in text
    assert text.count("* one ") == 3  # item, run, base checkpoint: there is one domain
    assert describe_influence(table[:0], SETTINGS) == ""
    assert describe_influence(table, settings(claims=[])) == ""


def limits(smoke, models=None):
    tables = make_tables(study(models=models)) | {"retention": RETENTION, "last_losses": LOSSES}
    return list_limits(smoke.params, tables)


def test_limits_are_a_list_that_holds_the_measured_ones(smoke):
    text = limits(smoke)
    assert all(line.startswith("* ") for line in text.splitlines())
    assert "2 of 3 runs" in text and "neutral 0.800" in text and "degrees of freedom" in text
    assert "coupled" in text and "disorder" in text


def test_a_model_outside_the_worlds_is_not_limited_by_them(smoke):
    hub = smoke.params.model_copy(update={"base_models": []})
    tables = make_tables(study(models=HUB)) | {"retention": RETENTION, "last_losses": LOSSES}
    text = list_limits(hub, tables)
    assert "coupled" not in text and "world" not in text and "disorder" in text


@pytest.mark.parametrize("models", [None, HUB])
def test_sentences_are_short(smoke, models):
    told = [s for s in sentences_of(limits(smoke, models)) if not any(digit in s for digit in "0123456789")]
    assert max(len(sentence.split()) for sentence in told) <= 25
