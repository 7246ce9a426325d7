"""The specification curve: every choice, each scoring by hand, and which choices are the declared ones."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from support.synthetic_items import row, settings, study

from priorshift.stats.contrasts import estimate_contrasts
from priorshift.stats.specifications import SCORINGS, SPECIFICATIONS, estimate_specifications

ITEMS = study(n_items=6)
SETTINGS = settings()
ADAPTIVE = ("benign", "engage")
LOSS = {"base_model": "hub/model", "condition": "depression", "control": "neutral", "outcome": "loss"}


def score_items():
    rng = np.random.default_rng(0)
    items = ITEMS.assign(base_logprob=rng.normal(-3, 1, len(ITEMS)))
    scores = ["logprob", *(f"{which}logprob_{way}" for way in ("mean", "first") for which in ("", "base_"))]
    return items.assign(**{name: items["base_logprob"] + rng.normal(0, 1, len(items)) for name in scores})


def test_curve_holds_every_choice_and_marks_the_declared_ones():
    items = score_items()
    curve = estimate_specifications(items, SETTINGS, ADAPTIVE)
    assert list(curve.columns) == SPECIFICATIONS and not curve.isna().any().any()
    assert set(curve.scoring) == set(SCORINGS)
    assert set(zip(curve.condition, curve.outcome, strict=True)) == {("depression", "loss"), ("paranoia", "threat")}
    # scorings x controls x (7 base models x 3 units + 2 groups), for each of two claims
    assert len(curve) == 5 * 2 * (7 * 3 + 2) * 2 and set(curve.exclusion) == {"applied"}
    marked = curve[curve.declared]
    assert len(marked) == 3 * 2 and set(marked.scoring) == {"log_odds"} and set(marked.control) == {"neutral"}
    mine = row(curve, scoring="log_odds", unit="both", **LOSS)
    plain = estimate_contrasts(items, SETTINGS, SETTINGS.treatments)
    assert mine.estimate == pytest.approx(row(plain, unit="both", **LOSS).estimate)
    for _, part in curve.groupby(["condition", "family", "outcome"]):
        assert part.estimate.round(9).is_monotonic_increasing


def test_scorings_by_hand():
    items = score_items()
    change = items.assign(change=items["logprob"] - items["base_logprob"])
    wide = change.pivot_table(index=["base_model", "condition", "seed", "item"], columns="outcome", values="change")
    hub = wide.loc["hub/model"]
    curve = estimate_specifications(items, SETTINGS, ADAPTIVE)
    for scoring, score in (("logprob", hub["loss"]), ("log_odds_against_adaptive", hub["loss"] - hub["benign"])):
        means = score.groupby(level="condition").mean()
        made = row(curve, scoring=scoring, unit="runs", **LOSS)
        assert made.estimate == pytest.approx(means["depression"] - means["neutral"])


def test_other_scores_by_hand():
    """Log-odds by the mean per token: the outcome's own against what the two others hold together."""
    items = score_items()
    curve, at = estimate_specifications(items, SETTINGS, ADAPTIVE), ["base_model", "condition", "seed", "item"]
    odds = {}
    for which in ("", "base_"):
        wide = items.pivot(index=at, columns="outcome", values=f"{which}logprob_mean").loc["hub/model"]
        odds[which] = wide["loss"] - np.logaddexp(wide["benign"], wide["threat"])
    means = (odds[""] - odds["base_"]).groupby(level="condition").mean()
    made = row(curve, scoring="log_odds_of_means", unit="runs", **LOSS)
    assert made.estimate == pytest.approx(means["depression"] - means["neutral"])


def test_an_outcome_measured_alone_has_no_other_log_odds():
    """Where a run lost all other outcomes of an item, its row counts for nothing, as if it were lost too."""
    items, at = score_items(), ["base_model", "condition", "seed", "item"]
    items = items[items["base_model"] == items.loc[0, "base_model"]]
    same = (items[at] == items.loc[0, at]).all(axis=1)
    alone = items[~same | (items["outcome"] == items.loc[0, "outcome"])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves = [estimate_specifications(table, SETTINGS, ADAPTIVE) for table in (alone, alone.drop(index=0))]
    made, expected = (curve[curve.scoring == "log_odds_of_means"].estimate.tolist() for curve in curves)
    assert len(made) and made == pytest.approx(expected)


def test_a_curve_with_and_without_exclusions():
    items = score_items().query("base_model == 'hub/model'")
    kept = items[items["item"] != "item-001"]
    both = estimate_specifications(kept, SETTINGS, ADAPTIVE, items)
    assert both.exclusion.value_counts().nunique() == 1 and set(both[both.declared].exclusion) == {"applied"}
    for exclusion, table in (("applied", kept), ("none", items)):
        made = row(both, scoring="log_odds", exclusion=exclusion, unit="both", **LOSS)
        assert made.estimate == pytest.approx(
            row(estimate_specifications(table, SETTINGS, ADAPTIVE), scoring="log_odds", unit="both", **LOSS).estimate
        )


def test_a_declared_family_without_items_has_a_curve_of_what_was_measured():
    """The study's exclusion may leave nothing of it: the items left out are there for comparison, or nothing is."""
    items = score_items()
    gone = items[items["family"] == "none"]
    curve = estimate_specifications(gone, SETTINGS, ADAPTIVE, items)
    assert set(curve.exclusion) == {"none"} and not curve.declared.any()
    assert list(estimate_specifications(gone, SETTINGS, ADAPTIVE).columns) == SPECIFICATIONS


def test_a_study_without_the_adaptive_class_has_the_other_scorings():
    curve = estimate_specifications(score_items(), SETTINGS, ("calm", "answer"))
    assert set(curve.scoring) == set(SCORINGS) - {"log_odds_against_adaptive"} and curve["declared"].any()


def test_a_study_that_declares_nothing_has_an_empty_curve():
    curve = estimate_specifications(score_items(), settings(claims=[]), ADAPTIVE)
    assert curve.empty and list(curve.columns) == SPECIFICATIONS


def test_rounding_moves_no_row():
    items = score_items()
    moved = items.assign(shift=items["shift"] + 1e-13 * np.random.default_rng(0).standard_normal(len(items)))
    where = ["condition", "control", "family", "outcome", "scoring", "exclusion", "ring", "base_model", "unit"]
    one, other = (estimate_specifications(each, SETTINGS, ADAPTIVE)[where] for each in (items, moved))
    pd.testing.assert_frame_equal(one, other)
