"""Figures of tests: an interval for each claim, a line for each curve."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import CONDITIONS, settings, study

from priorshift.report.claim_figures import (
    draw_claims,
    draw_p_values,
    draw_power,
    draw_specifications,
    select_declared,
)
from priorshift.report.palette import choose_colours

COLOURS = choose_colours(CONDITIONS)
CONTRASTS = make_tables()["contrasts"]


def test_declared_contrasts_are_those_of_two_units():
    rows = select_declared(CONTRASTS, SETTINGS)
    assert set(rows["unit"]) == {"both", "base"}
    assert set(zip(rows["condition"], rows["outcome"], strict=True)) == {("depression", "loss"), ("paranoia", "threat")}
    assert set(rows["control"]) == {"neutral"}
    assert select_declared(CONTRASTS, settings(claims=[])).empty


def test_declared_contrasts_have_the_intervals_of_the_table():
    rows = select_declared(CONTRASTS, SETTINGS)
    picture = draw_claims(rows, 0.5, COLOURS)
    titles = [axis.get_title() for axis in picture.figure.axes]
    assert [("depression-like" in title, "loss" in title) for title in titles] == [(True, True), (False, False)]
    own = rows[rows["condition"] == "depression"]
    drawn = [c.get_segments()[0] for c in picture.figure.axes[0].collections]
    assert sorted(a[0] for a, _ in drawn) == pytest.approx(sorted(own["ci_low"]))
    assert sorted(b[0] for _, b in drawn) == pytest.approx(sorted(own["ci_high"]))
    apart = ((rows["ci_low"] > 0) | (rows["ci_high"] < 0)).sum()
    assert f"{apart} of {len(rows)} intervals" in picture.description and "0.5 nats" in picture.description


def power(world="coupled"):
    rows = [
        {"base_model": "m", "world": world, "condition": "depression", "control": "neutral", "family": family,
         "outcome": outcome, "ring": "held_out_domains", "n_items": 8, "measured_items": 8, "n_runs": n,
         "power": power}
        for family, outcome, power in (("feeling", "loss", 0.2), ("feeling", "threat", 0.8), ("choice", "loss", 0.5))
        for n in (2, 3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_two_claims_of_one_contrast_are_two_power_curves():
    picture = draw_power(pd.concat([power(), power().assign(n_items=16, power=0.9)]))
    lines = [set(line.get_ydata()) for axis in picture.figure.axes for line in axis.lines]
    assert {0.9} not in lines  # of more items than were measured
    assert all(curve in lines for curve in ({0.2}, {0.8}, {0.5}))
    assert "3 runs power lies between 0.20 and 0.80" in picture.description


def curve(world):
    rows = [
        {"base_model": "m", "world": world, "condition": "depression", "outcome": "loss", "unit": unit,
         "scoring": "sum", "control": "neutral", "ring": "near", "exclusion": "none",
         "estimate": estimate, "ci_low": estimate - 1, "ci_high": estimate + 1, "declared": declared}
        for unit, estimate, declared in (("items", 0.3, False), ("both", -0.1, True), ("runs", 0.2, False))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_specifications_stand_in_order_above_their_choices_and_the_declared_one_is_ringed():
    picture = draw_specifications(curve("coupled"))
    [above, below] = picture.figure.axes
    assert above.lines[0].get_ydata().tolist() == [-0.1, 0.2, 0.3]
    [ringed] = [c for c in above.collections if isinstance(c, PathCollection)]
    assert ringed.get_offsets().tolist() == [[1.0, -0.1]]
    # Only the unit varies: items had the highest estimate, both the lowest.
    rows = [label.get_text() for label in below.get_yticklabels()]
    ticks = [c.get_positions() for c in below.collections]
    assert dict(zip(rows, ticks, strict=True)) == {"unit: items": [3.0], "unit: both": [1.0], "unit: runs": [2.0]}
    assert "2 of 3 above 0" in picture.description


@pytest.mark.parametrize(("draw", "make"), [(draw_power, power), (draw_specifications, curve)])
def test_a_model_outside_the_worlds_is_drawn_under_its_own_name(draw, make):
    picture = draw(make(""))
    texts = [text.get_text() for text in picture.figure.findobj(plt.Text)]
    assert not any("world" in text for text in [*texts, picture.description])
    assert any("world" in text.get_text() for text in draw(make("coupled")).figure.findobj(plt.Text))


def test_claims_of_a_model_outside_the_worlds_name_no_world():
    rows = select_declared(make_tables(study(models=HUB))["contrasts"], SETTINGS)
    picture = draw_claims(rows, 0.5, COLOURS)
    labels = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert labels == ["hub/model"] and "world" not in picture.description


def test_p_values_are_drawn_as_shares_below_each_p():
    rows = [
        {"runs_per_side": 3, "run_sd_ratio": 1.0, "source": "measured", "unit": unit, "p_value": p}
        for unit, values in (("items", (0.01, 0.02)), ("runs", (0.01, 0.6))) for p in values
    ]  # fmt: skip
    picture = draw_p_values(pd.DataFrame(rows))
    assert picture.name == "calibration"  # as its table
    assert "items 100.0%" in picture.description and "runs 50.0%" in picture.description
    assert len(picture.figure.axes[0].lines) == 3  # two units and the diagonal
