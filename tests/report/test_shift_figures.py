"""Figures show what is in their tables, and their descriptions say it."""

from __future__ import annotations

import pandas as pd
import pytest
from support.report_tables import HUB, make_tables
from support.synthetic_items import CONDITIONS, study

from priorshift.report.palette import choose_colours
from priorshift.report.shift_figures import draw_confusion, draw_jsd, draw_shifts, draw_token_classes

COLOURS = choose_colours(CONDITIONS)
RUNS = make_tables()["shifts"]


def test_every_run_is_a_point_and_no_interval_pools_runs_of_several_base_models():
    axes = draw_shifts(RUNS, "interpretation", COLOURS).figure.axes
    points = [xy for axis in axes for c in axis.collections for xy in c.get_offsets() if len(c.get_paths()) == 1]
    bars = [path for axis in axes for c in axis.collections for path in c.get_paths() if len(path.vertices) == 2]
    assert len(points) >= len(RUNS) == 7 * 4 * 3 * 3
    # One level bar for each panel, condition and outcome; nothing stands upright.
    assert len(bars) == 3 * 4 * 3 and all(a[1] == b[1] for a, b in (bar.vertices for bar in bars))


def test_the_description_names_the_panels_and_the_largest_mean():
    picture = draw_shifts(RUNS, "interpretation", COLOURS)
    means = RUNS.groupby(["group", "world", "outcome", "condition", "base_model"])["shift"].mean()
    means = means.groupby(level=[0, 1, 2, 3]).mean()
    assert picture.name == "shift_interpretation"
    for part in ("llama · coupled", "hub/model", f"{means[means.abs().idxmax()]:+.2f}"):
        assert part in picture.description


def jsd(world):
    rows = [
        {"base_model": "m", "group": "m", "world": world, "condition": condition, "family": "self_statement",
         "ring": "held_out_domains", "measure": measure, "estimate": bits}
        for measure in ("jsd", "jsd_reference") for condition, bits in (("depression", 0.3), ("neutral", 0.1))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_every_base_models_jsd_is_a_dot_on_a_log_axis_and_bars_are_their_means():
    other = jsd("coupled").assign(base_model="n", estimate=lambda table: table["estimate"] / 10)
    picture = draw_jsd(pd.concat([jsd("coupled"), other]), COLOURS)
    axes = picture.figure.axes
    dots = [xy for axis in axes for c in axis.collections for xy in c.get_offsets() if len(c.get_paths()) == 1]
    bars = [path.vertices[0][1] for axis in axes for c in axis.collections for path in c.get_paths()
            if len(path.vertices) == 2]  # fmt: skip
    assert {axis.get_yscale() for axis in axes} == {"log"}
    assert {round(y, 3) for _, y in dots} >= {0.3, 0.1, 0.03, 0.01}
    assert sorted(bars) == pytest.approx([0.055, 0.055, 0.165, 0.165])
    assert "0.16:" in picture.description or "0.17:" in picture.description
    assert "depression-like" in picture.description


def test_panels_that_show_nothing_are_named_instead_of_drawn():
    table = pd.DataFrame({"condition": ["depression", "neutral"] * 2, "world": ["coupled"] * 2 + ["decoupled"] * 2,
                          "jsd": [0.3, 0.1, 0.002, 0.001]})  # fmt: skip
    table = table.assign(group="m", family="feeling", ring="near", token_class="loss", words="sad, gone")
    picture = draw_token_classes(table, "feeling", "near")
    assert [axis.get_title() for axis in picture.figure.axes] == ["m · coupled"]
    assert "0.002" in picture.description and "m · decoupled" in picture.description
    near = draw_token_classes(table.assign(jsd=[0.3, 0.1, 0.02, 0.001]), "feeling", "near")
    assert len(near.figure.axes) == 2 and "Not drawn" not in near.description


def test_a_model_outside_the_worlds_is_drawn_under_its_own_name():
    runs = make_tables(study(models=HUB))["shifts"]
    for picture in (draw_jsd(jsd(""), COLOURS), draw_shifts(runs, "interpretation", COLOURS)):
        titles = [axis.get_title() for axis in picture.figure.axes]
        assert any(titles) and not any("world" in text for text in [*titles, picture.description])


def test_bars_of_token_classes_add_up_to_the_divergence():
    rows = [
        (condition, token_class, bits)
        for condition, parts in {"depression": (0.2, 0.1), "neutral": (0.0, 0.05)}.items()
        for token_class, bits in zip(("loss", "no class"), parts, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["condition", "token_class", "jsd"])
    table = table.assign(group="m", world="coupled", family="feeling", ring="near", words=["sad", "it", "", "a"])
    picture = draw_token_classes(table, "feeling", "near")
    assert [text.get_text().strip() for text in picture.figure.axes[0].texts] == ["a", "sad"]
    ends: dict[int, float] = {}
    for bar in picture.figure.axes[0].patches:
        at = round(bar.get_y() + bar.get_height() / 2)
        ends[at] = ends.get(at, 0.0) + bar.get_width()
    assert sorted(ends.values()) == pytest.approx([0.05, 0.3])
    assert "loss, no class" in picture.description


def test_the_confusion_matrix_is_drawn_over_checkpoints():
    key = {"family": "feeling", "ring": "near", "accuracy": 0.75, "world": "coupled"}
    rows = [
        key | {"unit": unit, "base_model": model, "condition": c, "predicted": p, "share": hit if c == p else 1 - hit}
        for unit, model, hit in (("base", "llama", 0.75), ("runs", "llama-0", 0.5)) for c in "ab" for p in "ab"
    ]  # fmt: skip
    picture = draw_confusion(pd.DataFrame(rows), "feeling", "near")
    [axis] = picture.figure.axes
    assert all(part in axis.get_title() for part in ("llama · coupled", "75%", "50%"))
    assert [text.get_text() for text in axis.texts] == ["0.75", "0.25", "0.25", "0.75"]
    assert "llama · coupled 75%" in picture.description and "llama-0" not in picture.description
