"""docs/what_moved.md is what its template and the tables of notebook 08 make of it."""

from __future__ import annotations

import pandas as pd

from priorshift.report.mechanism_page import fill_alarms, fill_algebra, fill_directions, fill_prior, fill_steps

PLACE = {"unit": "base", "n": 3, "base_model": "llama", "group": "llama", "world": "coupled"}


def lay_out(*rows, **shared):
    return pd.DataFrame([PLACE | shared | row for row in rows])


def read_cells(table, row):
    return [cell.strip() for cell in table.splitlines()[row + 2].split("|")[2:-1]]


def test_predictions_of_held_out_families_are_counted_for_the_behaviors_alone():
    rows = [
        {"condition": condition, "family": family, "account": account, "equivalent": account == "prior_and_policy"}
        for condition in ("depression", "paranoia", "adaptive")
        for family in ("interpretation", "feeling", "choice", "all")
        for account in ("policy_only", "prior", "constant_bias", "prior_and_policy")
    ]
    fit = pd.concat([lay_out(*rows, world=world) for world in ("coupled", "decoupled")], ignore_index=True)
    fit = fit.assign(margin=0.5, log_score=-0.25, predicted_shift=2.0, measured_shift=5.0)
    fit.loc[fit["condition"] == "paranoia", "predicted_shift"] = 1.0
    fit = pd.concat([fit, fit.assign(unit="runs", n=2, base_model="llama-coupled-0", predicted_shift=9.0)])
    fields = fill_prior(fit)
    assert read_cells(fields["prior_table"], 0) == ["0 of 4", "-0.250", "0 of 4", "-0.250"]
    assert read_cells(fields["prior_table"], 1) == ["4 of 4", "-0.250", "4 of 4", "-0.250"]
    assert (fields["choice_left"], fields["choice_explained"]) == ("60 to 80", "+1.00 to +2.00")
    assert (fields["choice_moved"], fields["n_checkpoints"], fields["n_seeds"]) == ("+5.00", "3", "2")


def test_the_block_is_the_one_where_the_own_direction_gives_most_of_those_that_keep_prose():
    shared = {"condition": "depression", "measure": "expectation", "strength": 1.0, "whole": 2.0}
    table = lay_out(
        {"layer": "0", "part": 0.4, "perplexity_ratio": 1.01, "source": "own", "test": "added to the base"},
        {"layer": "1", "part": 0.9, "perplexity_ratio": 1.04, "source": "own", "test": "added to the base"},
        {"layer": "2", "part": 1.9, "perplexity_ratio": 1.06, "source": "own", "test": "added to the base"},
        {"layer": "1", "part": 0.1, "perplexity_ratio": 1.00, "source": "random", "test": "added to the base"},
        {"layer": "1", "part": 0.2, "perplexity_ratio": 1.30, "source": "neutral", "test": "added to the base"},
        {"layer": "1", "part": 0.7, "perplexity_ratio": 1.00, "source": "own", "test": "projected out"},
        {"layer": "all", "part": 2.0, "perplexity_ratio": 1.00, "source": "own", "test": "projected out"},
        **shared,
    )
    fields = fill_directions(table)
    cells = ["+2.00", "block 1", "+0.90", "not sound", "+0.10", "+0.70"]
    assert read_cells(fields["direction_table"], 0) == cells
    assert (fields["unsound"], fields["direction_share"]) == ("2 of 6", "45")


def test_alarms_are_those_after_any_block():
    row = {"world": "coupled", "runs": 24, "n": 23, "ci_low": 0.0107, "ci_high": 0.2804, "uncounted_alarms": 5}
    alarms = pd.DataFrame([row | {"layer": "0", "alarms": 1}, row | {"layer": "all", "alarms": 2}])
    assert read_cells(fill_alarms(alarms)["alarm_table"], 0) == ["2 of 23", "1 % to 28 %", "5 of 24"]


def test_an_adapter_at_its_own_strength_is_no_test_of_a_line():
    rows = [
        {"factor": 0.5, "reference": "linear", "equivalent": True, "difference": 0.1},
        {"factor": 1.0, "reference": "linear", "equivalent": True, "difference": 0.0},
        {"factor": -1.0, "reference": "linear", "equivalent": False, "difference": -1.5},
        {"factor": float("nan"), "reference": "trained dose", "equivalent": False, "difference": 0.6},
    ]
    table = pd.concat([lay_out(*rows, world=world, measure="expectation") for world in ("coupled", "decoupled")])
    text = fill_algebra(table)["algebra_table"]
    assert read_cells(text, 0) == ["linear", "1 of 2", "1 of 2", "1.50"]
    assert read_cells(text, 1) == ["trained dose", "0 of 1", "0 of 1", "0.60"]


def test_steps_are_shares_of_the_last_one_in_the_coupled_world():
    lag = {"lag_low": -0.2, "lag_high": 0.1}
    rows = [{"step": step, "choice_share": step / 80, "expectation_share": 0.5, **lag} for step in (5, 40, 80)]
    rows[1]["lag_high"] = -0.1
    table = pd.concat(
        [lay_out(*rows), lay_out(*rows, world="decoupled"), lay_out(*rows, unit="runs", base_model="llama-coupled-0")]
    )
    fields = fill_steps(table.assign(condition="depression"))
    assert (fields["last_step"], fields["sure_lags"]) == ("80", "1 of 2")
    assert read_cells(fields["step_table"], 0) == ["6 %, 50 %", "50 %, 50 %"]
    assert len(fields["step_table"].splitlines()) == 3
