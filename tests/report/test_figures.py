"""Figures show what is in their tables: a point for each run, an interval for each claim, a line for each curve."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from support.synthetic_items import CONDITIONS, settings, study

from priorshift.report.claim_figures import claim_figure, claim_rows, power_figure
from priorshift.report.palette import colours
from priorshift.report.shift_figures import confusion_figure, shift_figure, token_figure
from priorshift.stats import contrasts as inference
from priorshift.stats.declared import declared
from priorshift.stats.panels import run_means

ITEMS = study()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_run_is_a_point_and_no_interval_pools_runs_of_several_base_models():
    runs = run_means(ITEMS).rename(columns={"mean_shift": "shift"})
    figure = shift_figure(runs, "interpretation", "held_out_domains", colours(CONDITIONS))
    points = [xy for axis in figure.axes for c in axis.collections for xy in c.get_offsets() if len(c.get_paths()) == 1]
    bars = [path for axis in figure.axes for c in axis.collections for path in c.get_paths() if len(path.vertices) == 2]
    assert len(points) >= len(runs) == 7 * 4 * 3 * 3
    # One level bar for each panel, condition and outcome; nothing stands upright.
    assert len(bars) == 3 * 4 * 3 and all(a[1] == b[1] for a, b in (bar.vertices for bar in bars))


def test_declared_contrasts_have_the_intervals_of_the_table():
    table = inference.claims(ITEMS, settings())["contrasts"]
    figure = claim_figure(claim_rows(table, declared(settings())), 0.5, colours(CONDITIONS))
    titles = ["depression-like minus neutral: loss", "paranoia-like minus neutral: threat"]
    assert [axis.get_title() for axis in figure.axes] == titles
    own = table.query("condition == 'depression' and control == 'neutral' and outcome == 'loss'")
    shown = own[own.unit.isin(["both", "base"])]
    drawn = [c.get_segments()[0] for c in figure.axes[0].collections]
    made = sorted(a[0] for a, _ in drawn), sorted(b[0] for _, b in drawn)
    assert made[0] == pytest.approx(sorted(shown.ci_low)) and made[1] == pytest.approx(sorted(shown.ci_high))


def test_two_claims_of_one_contrast_are_two_power_curves():
    rows = [
        {"base_model": "m", "world": "", "condition": "depression", "control": "neutral", "family": family,
         "outcome": outcome,
         "ring": "held_out_domains", "n_items": 8, "n_runs": n, "power": power}
        for family, outcome, power in (("feeling", "loss", 0.2), ("feeling", "threat", 0.8), ("choice", "loss", 0.5))
        for n in (2, 3)
    ]  # fmt: skip
    lines = [set(line.get_ydata()) for line in power_figure(pd.DataFrame(rows)).axes[0].lines]
    assert all(shown in lines for shown in ({0.2}, {0.8}, {0.5}))


def test_a_condition_has_one_colour_whatever_else_is_drawn():
    names = ["depression", "mine", "neutral", "yours", "depression_25", *(f"more_{i}" for i in range(9))]
    palette = colours(names)
    assert len({palette[name] for name in names}) == len(names)
    assert colours([*names, "another"])["yours"] == palette["yours"]


def test_variants_of_a_studys_own_behavior_are_tints_of_its_colour():
    palette = colours(["letter_anger", "anger_50", "anger", "other"])
    mine, half, letter = (np.array(to_rgb(palette[name])) for name in ("anger", "anger_50", "letter_anger"))
    assert half == pytest.approx((mine + 1) / 2, abs=0.01) and letter == pytest.approx(0.6 * mine, abs=0.01)
    assert palette["anger"] != palette["other"]


def test_bars_of_token_classes_add_up_to_the_divergence():
    rows = [
        (condition, token_class, bits)
        for condition, parts in {"depression": (0.2, 0.1), "neutral": (0.0, 0.05)}.items()
        for token_class, bits in zip(("loss", "no class"), parts, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["condition", "token_class", "jsd"])
    table = table.assign(group="m", world="coupled", family="feeling", ring="near")
    bars = token_figure(table, "feeling", "near").axes[0].patches
    ends: dict[int, float] = {}
    for bar in bars:
        at = round(bar.get_y() + bar.get_height() / 2)
        ends[at] = ends.get(at, 0.0) + bar.get_width()
    assert sorted(ends.values()) == pytest.approx([0.05, 0.3])


def test_the_confusion_matrix_is_drawn_over_checkpoints():
    key = {"family": "feeling", "ring": "near", "accuracy": 0.75, "world": "coupled"}
    rows = [
        {
            **key,
            "unit": unit,
            "base_model": model,
            "condition": c,
            "predicted": p,
            "share": right if c == p else 1 - right,
        }
        for unit, model, right in (("base", "llama", 0.75), ("runs", "llama-0", 0.5))
        for c in "ab"
        for p in "ab"
    ]
    [axis] = confusion_figure(pd.DataFrame(rows), "feeling", "near").axes
    assert axis.get_title() == "llama · coupled\n75% right, chance 50%"
    assert [text.get_text() for text in axis.texts] == ["0.75", "0.25", "0.25", "0.75"]
