"""Leave one out, and the specification curve."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.synthetic_items import panel, row, settings, study

from priorshift.errors import UserError
from priorshift.report.limits_text import hangs_on
from priorshift.stats import estimates as est
from priorshift.stats.contrasts import contrasts
from priorshift.stats.influence import INFLUENCE, SCORINGS, SPECIFICATIONS, leave_one_out, specification_curve

ITEMS = study(n_items=6)
ITEMS["domain"] = np.where(ITEMS["item"] < "item-003", "work", "school")
SETTINGS = settings()
ADAPTIVE = ("benign", "engage")
LOSS = {"base_model": "hub/model", "condition": "depression", "control": "neutral", "outcome": "loss"}
TABLE = leave_one_out(ITEMS, SETTINGS)


def test_each_item_run_domain_and_checkpoint_is_left_out_once():
    assert list(TABLE.columns) == INFLUENCE and np.isfinite(TABLE.select_dtypes("number").to_numpy()).all()
    mine = TABLE[(TABLE.base_model == "hub/model") & (TABLE.condition == "depression")]
    assert mine.kind.value_counts().to_dict() == {"none": 1, "item": 6, "domain": 2, "run": 6}
    base = TABLE[(TABLE.unit == "base") & (TABLE.world == "coupled") & (TABLE.condition == "depression")]
    # Three checkpoints of three runs a side each.
    assert base.kind.value_counts().to_dict() == {"none": 1, "item": 6, "domain": 2, "run": 18, "base_model": 3}


def test_a_row_is_the_contrast_without_that_part():
    a, b = (panel(ITEMS, "hub/model", name, "loss") for name in ("depression", "neutral"))
    whole = row(TABLE, kind="none", **LOSS)
    without = {
        ("item", "item-002"): (np.delete(a, 2, axis=1), np.delete(b, 2, axis=1)),
        ("domain", "work"): (a[:, 3:], b[:, 3:]),
        ("run", "neutral seed 1"): (a, np.delete(b, 1, axis=0)),
    }
    for (kind, left_out), sides in without.items():
        made, expected = row(TABLE, kind=kind, left_out=left_out, **LOSS), est.crossed(*sides)
        assert made.estimate == pytest.approx(expected.estimate)
        assert made.change == pytest.approx(expected.estimate - whole.estimate)


def test_a_row_of_unit_base_is_the_contrast_of_all_checkpoints_without_that_part():
    pairs = [
        tuple(panel(ITEMS, f"llama-coupled-{i}", name, "loss") for name in ("depression", "neutral")) for i in range(3)
    ]
    item = [tuple(np.delete(side, 2, axis=1) for side in pair) for pair in pairs]
    run = [pairs[0], (np.delete(pairs[1][0], 2, axis=0), pairs[1][1]), pairs[2]]
    claim = {**LOSS, "base_model": "llama", "world": "coupled", "unit": "base"}
    for kind, left_out, rest in (("item", "item-002", item), ("run", "llama-coupled-1 depression seed 2", run)):
        made, expected = row(TABLE, kind=kind, left_out=left_out, **claim), est.over_checkpoints(rest, 6)
        assert made.estimate == pytest.approx(expected.estimate)


def test_the_part_that_moves_a_declared_claim_most_is_named():
    line = hangs_on(TABLE, SETTINGS)
    own = TABLE[((TABLE.unit == "base") == (TABLE.world != "")) & (TABLE.kind == "domain")]
    most = own.loc[own.change.abs().idxmax()]
    assert f"one domain by {most.change:+.2f} ({most.left_out}; " in line and "one base checkpoint by" in line
    assert hangs_on(TABLE.iloc[:0], SETTINGS) == ""


def test_an_outlying_item_stands_out():
    moved = ITEMS.assign(
        shift=ITEMS["shift"] + 5.0 * ((ITEMS["item"] == "item-004") & (ITEMS.condition == "depression"))
    )
    table = leave_one_out(moved, SETTINGS)
    mine = table[(table.base_model == "hub/model") & (table.condition == "depression") & (table.kind == "item")]
    assert mine.loc[mine.change.abs().idxmax(), "left_out"] == "item-004"


def test_a_table_without_domains_is_one_clear_error():
    with pytest.raises(UserError, match="lacks the column domain"):
        leave_one_out(ITEMS.drop(columns="domain"), SETTINGS)


def scored():
    rng = np.random.default_rng(0)
    items = ITEMS.assign(base_logprob=rng.normal(-3, 1, len(ITEMS)))
    scores = ["logprob", *(f"{which}logprob_{way}" for way in ("mean", "first") for which in ("", "base_"))]
    return items.assign(**{name: items["base_logprob"] + rng.normal(0, 1, len(items)) for name in scores})


def test_curve_holds_every_choice_and_marks_the_declared_ones():
    items = scored()
    curve = specification_curve(items, SETTINGS, ADAPTIVE)
    assert list(curve.columns) == SPECIFICATIONS and not curve.isna().any().any()
    assert set(curve.scoring) == set(SCORINGS)
    assert set(zip(curve.condition, curve.outcome, strict=True)) == {("depression", "loss"), ("paranoia", "threat")}
    # scorings x controls x (7 base models x 3 units + 2 groups), for each of two claims
    assert len(curve) == 5 * 2 * (7 * 3 + 2) * 2 and set(curve.exclusion) == {"applied"}
    told = curve[curve.declared]
    assert len(told) == 3 * 2 and set(told.scoring) == {"log_odds"} and set(told.control) == {"neutral"}
    mine = row(curve, scoring="log_odds", unit="both", **LOSS)
    plain = contrasts(items, SETTINGS, SETTINGS.treatments)
    assert mine.estimate == pytest.approx(row(plain, unit="both", **LOSS).estimate)
    for _, part in curve.groupby(["condition", "family", "outcome"]):
        assert part.estimate.is_monotonic_increasing


def test_scorings_by_hand():
    items = scored()
    change = items.assign(change=items["logprob"] - items["base_logprob"])
    wide = change.pivot_table(index=["base_model", "condition", "seed", "item"], columns="outcome", values="change")
    hub = wide.loc["hub/model"]
    curve = specification_curve(items, SETTINGS, ADAPTIVE)
    for scoring, score in (("logprob", hub["loss"]), ("log_odds_against_adaptive", hub["loss"] - hub["benign"])):
        means = score.groupby(level="condition").mean()
        made = row(curve, scoring=scoring, unit="runs", **LOSS)
        assert made.estimate == pytest.approx(means["depression"] - means["neutral"])


def test_other_scores_by_hand():
    """Log-odds by the mean per token: the outcome's own against what the two others hold together."""
    items = scored()
    curve, at = specification_curve(items, SETTINGS, ADAPTIVE), ["base_model", "condition", "seed", "item"]
    odds = {}
    for which in ("", "base_"):
        wide = items.pivot(index=at, columns="outcome", values=f"{which}logprob_mean").loc["hub/model"]
        odds[which] = wide["loss"] - np.logaddexp(wide["benign"], wide["threat"])
    means = (odds[""] - odds["base_"]).groupby(level="condition").mean()
    made = row(curve, scoring="log_odds_of_means", unit="runs", **LOSS)
    assert made.estimate == pytest.approx(means["depression"] - means["neutral"])


def test_an_outcome_measured_alone_has_no_other_log_odds():
    """Where a run lost all other outcomes of an item, its row counts for nothing, as if it were lost too."""
    items, at = scored(), ["base_model", "condition", "seed", "item"]
    same = (items[at] == items.loc[0, at]).all(axis=1)
    alone = items[~same | (items["outcome"] == items.loc[0, "outcome"])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves = [specification_curve(table, SETTINGS, ADAPTIVE) for table in (alone, alone.drop(index=0))]
    made, expected = (curve[curve.scoring == "log_odds_of_means"].estimate.tolist() for curve in curves)
    assert len(made) and made == pytest.approx(expected)


def test_a_curve_with_and_without_exclusions():
    items = scored()
    kept = items[items["item"] != "item-001"]
    both = specification_curve(kept, SETTINGS, ADAPTIVE, items)
    assert both.exclusion.value_counts().nunique() == 1 and set(both[both.declared].exclusion) == {"applied"}
    for exclusion, table in (("applied", kept), ("none", items)):
        made = row(both, scoring="log_odds", exclusion=exclusion, unit="both", **LOSS)
        assert made.estimate == pytest.approx(
            row(specification_curve(table, SETTINGS, ADAPTIVE), scoring="log_odds", unit="both", **LOSS).estimate
        )


def test_a_declared_family_without_items_has_a_curve_of_what_was_measured():
    """The study's exclusion may leave nothing of it: the items left out are there for comparison, or nothing is."""
    items = scored()
    gone = items[items["family"] == "none"]
    curve = specification_curve(gone, SETTINGS, ADAPTIVE, items)
    assert set(curve.exclusion) == {"none"} and not curve.declared.any()
    assert list(specification_curve(gone, SETTINGS, ADAPTIVE).columns) == SPECIFICATIONS


def test_a_study_that_declares_nothing_has_empty_tables():
    nothing = settings(confirmatory=[])
    assert specification_curve(scored(), nothing, ADAPTIVE).empty and leave_one_out(ITEMS, nothing).empty
    assert list(specification_curve(scored(), nothing, ADAPTIVE).columns) == SPECIFICATIONS


def test_a_study_without_the_adaptive_class_has_the_other_scorings():
    curve = specification_curve(scored(), SETTINGS, ("calm", "answer"))
    assert set(curve.scoring) == set(SCORINGS) - {"log_odds_against_adaptive"} and curve["declared"].any()
