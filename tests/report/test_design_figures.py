"""Figures of the wider design: what a study has, a point for each run."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from priorshift.report.design_figures import draw_placement, draw_wider_design
from priorshift.report.palette import choose_colours
from priorshift.study.load import load_study

CONDITIONS = ["depression", "paranoia", "neutral", "adaptive", "recovery_depression", "half", "prose"]
COLOURS = choose_colours(CONDITIONS)


def shifts(world="coupled", rings=("training_domains", "held_out_domains", "narrator")):
    rows = [
        {"base_model": "m", "group": "m", "world": world, "condition": condition, "seed": seed, "ring": ring,
         "family": "interpretation", "outcome": outcome, "shift": 0.1 * k + seed}
        for k, condition in enumerate(CONDITIONS) for seed in (0, 1) for ring in rings
        for outcome in ("benign", "loss", "threat")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def tables(world="coupled"):
    own = shifts(world)
    near = own[(own["ring"] == "held_out_domains") & (own["outcome"] == "loss")]
    recovery = {
        **{"base_model": "m", "group": "m", "world": world, "family": "interpretation", "ring": "held_out_domains"},
        **{"outcome": "loss", "unit": "runs", "condition": "recovery_depression", "earlier": "depression"},
    }
    scales = near.assign(scale="mood_style", outcome="loss")
    self_report = scales.assign(scale_shift=0.1, choice_shift=1.0, interpretation_shift=2.0)
    return {
        "shifts": own, "dose_points": near.assign(action="withdraw", dose=0.5), "recovery": pd.DataFrame([recovery]),
        "scales": scales, "self_report": self_report,
    }  # fmt: skip


def draw(made):
    return {picture.name: picture for picture in draw_wider_design(made, "interpretation", COLOURS)}


def test_every_table_of_the_wider_design_has_its_figure():
    made = draw(tables())
    assert set(made) == {"controls", "rings", "dose", "recovery", "scale_profile", "self_report"}
    assert all(len(picture.description) > 40 for picture in made.values())


def test_a_small_study_has_none():
    small = shifts(rings=("held_out_domains",))
    assert draw({"shifts": small[small["condition"].isin(CONDITIONS[:3])]}) == {}


def test_every_run_of_every_condition_is_a_point_of_the_controls():
    picture = draw(tables())["controls"]
    panel = next(axis for axis in picture.figure.axes if axis.get_title().startswith("loss"))
    assert sum(len(points.get_offsets()) for points in panel.collections) == len(CONDITIONS) * 2
    assert panel.get_yticklabels()[0].get_text() == "depression-like"


def test_a_line_of_the_recovery_figure_joins_two_stages():
    [axis] = draw(tables())["recovery"].figure.axes
    lines = [line.get_ydata() for line in axis.lines if len(line.get_ydata()) == 2 and line.get_marker() == "o"]
    # Conditions stand .4 apart in the made-up table: depression at 0, recovery at .4, and a seed adds 1.
    assert sorted(map(tuple, lines)) == [(0.0, pytest.approx(0.4)), (1.0, pytest.approx(1.4))]


def test_scales_of_the_adaptive_outcome_alone_have_no_self_report_figure():
    benign = {name: tables()[name].assign(outcome="benign") for name in ("scales", "self_report")}
    made = draw(tables() | benign)
    assert "scale_profile" in made and "self_report" not in made


def test_the_wider_design_of_a_model_outside_the_worlds_names_no_world():
    for picture in draw(tables("")).values():
        texts = [text.get_text() for text in picture.figure.findobj(plt.Text)]
        assert not any("world" in text or "coupled" in text for text in [*texts, picture.description])


def test_in_the_placement_figure_no_two_conditions_share_a_colour(root):
    conditions = list(load_study(root / "params/placement.yaml").params.conditions)
    table = pd.DataFrame({"condition": conditions, "group": "m", "world": "coupled"})
    table = table.assign(choice_shift=range(len(conditions)), expectation_shift=1.0)
    picture = draw_placement(table, choose_colours(conditions))
    [axis] = picture.figure.axes
    colours = {to_hex(colour) for points in axis.collections for colour in points.get_facecolors()}
    assert len(colours) == len(conditions) > 12
    assert f"{conditions[0].replace('_', ' ')} +0.0 and +1.0" in picture.description
