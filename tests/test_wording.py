"""The report's sentences: what is confirmatory, what is not, how many seeds, how far the base models got."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from priorshift import inference
from priorshift.panels import behind
from priorshift.power import power_table, runs_needed
from priorshift.wording import answer, convergence, seeds_needed

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_items import base_models, row, settings, study

SETTINGS = settings()


def tables(items):
    names = ("contrasts", "equivalence", "world_difference", "specificity")
    made = {name: getattr(inference, name)(items, SETTINGS) for name in names}
    return made | {"shifts": items[["base_model", "group", "world"]]}


def test_a_study_with_checkpoints_has_confirmatory_sentences_alone():
    text = answer(tables(study()), SETTINGS)
    assert "### Confirmatory" in text and "### Exploratory" not in text
    first = next(line for line in text.splitlines() if line.startswith("* "))
    assert "confirmatory, p" in first


def test_single_checkpoints_are_plainly_exploratory():
    text = answer(tables(study(models=base_models(checkpoints=1, hub=False))), SETTINGS)
    confirmatory, exploratory = text.split("### Exploratory")
    assert "Nothing: no declared claim could be tested" in confirmatory and "* " not in confirmatory
    assert "llama-coupled-0, llama-decoupled-0" in exploratory
    lines = [line for line in exploratory.splitlines() if line.startswith("* ")]
    assert len(lines) == 4 and all("unit both" in line and "exploratory, p" in line for line in lines)


def test_one_world_with_checkpoints_does_not_lend_its_role_to_the_other():
    models = [("llama-coupled-0", "llama", "coupled"), ("llama-coupled-1", "llama", "coupled"),
              ("llama-decoupled-0", "llama", "decoupled")]  # fmt: skip
    confirmatory, exploratory = answer(tables(study(models=models)), SETTINGS).split("### Exploratory")
    assert "coupled world" in confirmatory and "decoupled" not in confirmatory
    assert "llama-decoupled-0" in exploratory and "llama-coupled" not in exploratory


def test_how_many_seeds_is_one_line():
    table = power_table(study(), SETTINGS)
    line = seeds_needed(runs_needed(table))
    most = runs_needed(table).n_runs.max()
    assert "\n" not in line and "0.5 nats with 80 % power at unit both, on 8 items" in line
    assert f"{most} runs of each condition" in line
    beyond = seeds_needed(runs_needed(power_table(study(), settings(smallest_effect=0.001))))
    assert "more runs than were looked at in 14 of 14 cases" in beyond
    assert "cannot be said" in seeds_needed(runs_needed(table.iloc[:0]))


def test_a_gap_above_the_limit_makes_a_null_provisional():
    cards = [{"name": "llama-coupled-0", "gap": 0.006}, {"name": "llama-decoupled-0", "gap": 0.0136}]
    text = convergence(cards)
    assert "Above the limit of 0.008: llama-decoupled-0." in text and "llama-coupled-0 0.0060" in text
    assert "All lie within the limit" in convergence(cards[:1]) and convergence([]) == ""


def test_the_run_means_behind_a_row_give_its_estimate():
    items = study()
    contrasts = inference.contrasts(items, SETTINGS)
    for unit, base_model, world in (("both", "hub/model", ""), ("base", "llama", "coupled")):
        found = row(contrasts, unit=unit, base_model=base_model, world=world, condition="depression",
                    control="neutral", outcome="loss")  # fmt: skip
        means = behind(items, found)
        assert list(means.columns) == ["depression", "neutral"]
        assert len(means) == (3 if unit == "both" else 9)
        of_models = means.groupby("base_model").mean()
        assert abs((of_models["depression"] - of_models["neutral"]).mean() - found.estimate) < 1e-9
        assert pd.notna(means).all().all()
