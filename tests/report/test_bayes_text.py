"""Bayesian fits in one table, and nothing where a study has none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.synthetic_items import settings

from priorshift.report.bayes_text import describe_bayes, describe_bayes_level
from priorshift.stats.bayes import describe_posterior
from priorshift.stats.bayes_model import Posterior

SHARED = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss", "t_low": -1.0,
    "t_high": 3.0, "prior_sd": 0.5, "prior_effect": 5.0,
}  # fmt: skip


def make_row(base_model, world, unit, divergences=0):
    draws = {"effect[0]": np.random.default_rng(0).normal(1.0, 0.1, (4, 500))}
    made = describe_posterior(Posterior(draws, 1.0, 2000.0, divergences), settings(), "increase")
    return SHARED | {"base_model": base_model, "world": world, "unit": unit} | made


def make_tables():
    rows = [make_row("llama-0", "coupled", "both"), make_row("llama", "coupled", "base", divergences=2)]
    return {"bayes": pd.DataFrame([*rows, make_row("hub/model", "", "both")])}


def test_the_unit_of_the_claim_is_shown_and_an_unsound_fit_has_no_numbers():
    text, table = describe_bayes(make_tables())
    assert "1 of 3 fits are not sound" in text and "scale 0.5 nats" in text and "exploratory" in text
    assert table[["base_model", "unit"]].to_numpy().tolist() == [["llama", "base"], ["hub/model", "both"]]
    assert table["t interval"].tolist() == ["-1.00 to +3.00"] * 2
    unsound, sound = table.iloc[0], table.iloc[1]
    assert unsound["Bayesian interval"] == "" and unsound["verdict"] == "none, not sound: 2 divergences"
    assert sound["verdict"] == "above 0" and sound["p_direction"] == 1.0


def test_without_fits_there_is_no_text():
    assert describe_bayes({})[0] == describe_bayes_level({}) == "" and describe_bayes({})[1].empty


def test_the_check_is_told_by_its_own_numbers():
    level = pd.DataFrame([
        {"unit": "base", "domains": 0, "quantity": quantity, "level": level, "simulations": 200, "coverage": coverage,
         "p_uniform": p, "unsound": 3, "median_width": 1.0, "t_median_width": 2.5}
        for quantity, p in (("effect", 0.4), ("SD of base checkpoints", 0.01))
        for level, coverage in ((0.5, 0.52), (0.95, 0.945))
    ])  # fmt: skip
    text = describe_bayes_level({"bayes_level": level})
    assert "94.5% of the true values" in text and "1 of 2 quantities" in text and "3 of 200 fits are not sound" in text
    assert "0.40 times as wide" in text
