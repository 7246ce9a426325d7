"""Measurement tables -> tables for readers, by hand."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pandas as pd
import pytest

from priorshift.stats.panels import RUN
from priorshift.study.conditions import Condition
from priorshift.study.load import load_study
from priorshift.study.paths import EMBEDDED
from priorshift.tables.runs import (
    average_jsd,
    average_last_losses,
    average_shifts,
    check_choices,
    compute_retention,
    list_not_estimable,
    read_base_cards,
    sum_token_classes,
)

KEYS = dict(zip(RUN, ["m", "g", "coupled", "depression", 0], strict=True))


def test_retention_is_perplexity_over_the_bases(smoke):
    prose = pd.DataFrame([KEYS | {"tokens": 1, "logprob": -1.5, "base_logprob": -0.5},
                          KEYS | {"tokens": 3, "logprob": -2.5, "base_logprob": -1.5}])  # fmt: skip
    (row,) = compute_retention(prose, smoke.params).itertuples()
    # Per token over all texts: -4 / 4 and -2 / 4, not the mean of the texts' own.
    assert row.perplexity == pytest.approx(math.e) and row.base_perplexity == pytest.approx(math.exp(0.5))
    assert row.ratio == pytest.approx(math.exp(0.5))


def test_choice_check_is_of_the_trained_class_and_of_certain_policies(smoke):
    keys = KEYS | {"family": "choice", "ring": "held_out_domains"}
    rows = [
        keys | {"outcome": "withdraw", "probability": 0.9, "base_probability": 0.2},
        keys | {"outcome": "withdraw", "probability": 0.7, "base_probability": 0.4},
        keys | {"outcome": "engage", "probability": 0.1, "base_probability": 0.8},
        keys | {"family": "feeling", "outcome": "withdraw", "probability": 0.0, "base_probability": 0.0},
        keys | {"condition": "neutral", "outcome": "withdraw", "probability": 0.0, "base_probability": 0.0},
    ]
    (row,) = check_choices(pd.DataFrame(rows), smoke.params).itertuples()
    assert (row.condition, row.trained_class) == ("depression", "withdraw")
    assert row.probability == pytest.approx(0.8) and row.base_probability == pytest.approx(0.3)


def test_divergences_are_means_of_run_means_with_student_s_interval():
    keys = KEYS | {"family": "feeling", "ring": "held_out_domains", "jsd_candidates": 0.0, "jsd_reference": math.nan}
    rows = [keys | {"seed": seed, "jsd": bits} for seed, bits in [(0, 0.1), (0, 0.3), (1, 0.4), (2, 0.6)]]
    table = average_jsd(pd.DataFrame(rows), alpha=0.05).set_index("measure")
    assert list(table.index) == ["jsd", "jsd_candidates"] and (table["n_runs"] == 3).all()
    # Run means .2, .4, .6: mean .4, standard error .2 / sqrt(3), t(2) = 4.3027. The lower limit is below 0: cut there.
    row = table.loc["jsd"]
    half = 4.302652729911275 * 0.2 / math.sqrt(3)
    assert [row.estimate, row.ci_low, row.ci_high] == pytest.approx([0.4, 0, 0.4 + half])
    alike = average_jsd(pd.DataFrame(rows).assign(jsd_candidates=0.3 + 1e-3 * np.arange(4)), 0.05).set_index("measure")
    assert alike["ci_low"]["jsd_candidates"] > 0.29  # nothing to cut
    table = average_jsd(pd.DataFrame(rows).assign(jsd_reference=0.2), alpha=0.05).set_index("measure")
    assert table["estimate"]["jsd_reference"] == pytest.approx(0.2) and math.isnan(table["ci_low"]["jsd_reference"])


def test_what_is_not_trained_or_not_chosen_has_no_row(smoke):
    always = {"policy": {"withdraw": 1.0}}
    told = Condition(task="decisions", in_context=3, **always)
    study = smoke.params.model_copy(
        update={"conditions": {"mentioned": Condition(task="exposure", **always), "told": told}}
    )
    prose = pd.DataFrame([KEYS | {"condition": c, "tokens": 1, "logprob": -1.0, "base_logprob": -1.0}
                          for c in ("mentioned", "told")])  # fmt: skip
    assert compute_retention(prose, study)["condition"].tolist() == ["mentioned"]
    keys = KEYS | {"family": "choice", "ring": "held_out_domains", "outcome": "withdraw"}
    items = pd.DataFrame([keys | {"condition": c, "probability": 0.9, "base_probability": 0.2}
                          for c in ("mentioned", "told")])  # fmt: skip
    assert check_choices(items, study)["condition"].tolist() == ["told"]


def test_rebuilt_calibration_models_have_cards_too(write_study, tmp_path):
    rebuilt = shutil.copytree(EMBEDDED / "llama-decoupled-0", tmp_path / "rebuilt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.json").write_text('{"author": "someone"}')
    sources = {"mine": str(rebuilt), "other": str(tmp_path / "other"), "hub": "nobody/nothing"}
    models = ["llama-coupled-0", *({"name": name, "source": source} for name, source in sources.items())]
    cards = read_base_cards(load_study(write_study(lambda data: data.update(base_models=models))).params)
    assert [card["name"] for card in cards] == ["llama-coupled-0", "llama-decoupled-0"]
    assert all(card["gap"] > 0 for card in cards)


def test_shifts_are_means_over_the_items_of_a_run():
    keys = KEYS | {"family": "feeling", "ring": "near", "outcome": "loss"}
    masses = ["probability", "base_probability", "covered_mass", "base_covered_mass"]
    rows = [
        keys | {"item": item, "shift": shift} | dict.fromkeys(masses, shift / 10)
        for item, shift in (("a", 1.0), ("b", 4.0))
    ]
    (row,) = average_shifts(pd.DataFrame(rows)).itertuples()
    assert row.shift == 2.5 and row.probability == pytest.approx(0.25)


def test_last_losses_are_means_of_the_last_five_steps():
    losses = [9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    table = pd.DataFrame({"base_model": "m", "condition": "a", "seed": 0, "step": range(1, 8), "loss": losses})
    short = pd.DataFrame({"base_model": "m", "condition": "b", "seed": 0, "step": [1, 2], "loss": [1.0, 3.0]})
    assert average_last_losses(pd.concat([table, short]))["last_loss"].tolist() == pytest.approx([0.8, 2.0])


def test_token_classes_are_means_of_the_base_models_means():
    keys = {"group": "g", "world": "coupled", "condition": "a", "family": "feeling", "ring": "near"}
    parts = [("one", 0, " sad", 0.1), ("one", 1, " sad", 0.2), ("one", 1, "", 0.1), ("two", 0, " gone", 0.6)]
    rows = [
        keys | {"base_model": name, "seed": seed, "item": "i", "token_class": "loss", "text": text, "jsd": bits}
        for name, seed, text, bits in parts
    ]
    (row,) = sum_token_classes(pd.DataFrame(rows)).itertuples()
    assert (row.token_class, row.jsd) == ("loss", pytest.approx(0.4))
    assert row.words == "gone, sad"  # of .6 / 2 and (.1 + .2) / 2 / 2 bits; what has no text is not named


def test_a_class_of_which_no_token_moved_names_none():
    keys = {"group": "g", "world": "", "condition": "a", "family": "feeling", "ring": "near", "base_model": "m"}
    row = keys | {"seed": 0, "item": "i", "token_class": "loss", "text": "", "jsd": 0.0}
    table = sum_token_classes(pd.DataFrame([row]))
    assert table["words"].tolist() == [""] and table["jsd"].tolist() == [0.0]


def test_what_is_not_estimable_is_one_list_without_gaps():
    one = pd.DataFrame([{"table": "contrasts", "reason": "no"}])
    two = pd.DataFrame([{"table": "confusion", "unit": "base"}])
    table = list_not_estimable(one, two[:0], two)
    assert table["table"].tolist() == ["contrasts", "confusion"] and not table.isna().any().any()
    assert list_not_estimable(two[:0]).empty and list(list_not_estimable(two[:0]).columns) == list(table.columns)
