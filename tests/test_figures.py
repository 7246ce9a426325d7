"""Figures show what is in their tables: a point for each run, an interval for each claim, a line for each curve."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from priorshift import inference
from priorshift.families import declared
from priorshift.figures import claim_figure, power_figure, shift_figure
from priorshift.panels import run_means

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_items import settings, study

ITEMS = study()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_run_is_a_point_and_no_interval_pools_runs_of_several_base_models():
    runs = run_means(ITEMS).rename(columns={"mean_shift": "shift"})
    figure = shift_figure(runs, "interpretation", "held_out_domains")
    points = [xy for axis in figure.axes for c in axis.collections for xy in c.get_offsets() if len(c.get_paths()) == 1]
    bars = [path for axis in figure.axes for c in axis.collections for path in c.get_paths() if len(path.vertices) == 2]
    assert len(points) >= len(runs) == 7 * 4 * 3 * 3
    # One level bar for each panel, condition and outcome; nothing stands upright.
    assert len(bars) == 3 * 4 * 3 and all(a[1] == b[1] for a, b in (bar.vertices for bar in bars))


def test_declared_contrasts_have_the_intervals_of_the_table():
    table = inference.claims(ITEMS, settings())["contrasts"]
    figure = claim_figure(table, declared(settings()))
    assert [axis.get_title() for axis in figure.axes] == ["depression - neutral, loss", "paranoia - neutral, threat"]
    own = table.query("condition == 'depression' and control == 'neutral' and outcome == 'loss'")
    shown = own[own.unit.isin(["both", "base"])]
    drawn = [c.get_segments()[0] for c in figure.axes[0].collections]
    made = sorted(a[0] for a, _ in drawn), sorted(b[0] for _, b in drawn)
    assert made[0] == pytest.approx(sorted(shown.ci_low)) and made[1] == pytest.approx(sorted(shown.ci_high))


def test_two_claims_of_one_contrast_are_two_power_curves():
    rows = [
        {"base_model": "m", "condition": "depression", "control": "neutral", "family": family, "outcome": outcome,
         "ring": "held_out_domains", "n_items": 8, "n_runs": n, "power": power}
        for family, outcome, power in (("feeling", "loss", 0.2), ("feeling", "threat", 0.8), ("choice", "loss", 0.5))
        for n in (2, 3)
    ]  # fmt: skip
    lines = [set(line.get_ydata()) for line in power_figure(pd.DataFrame(rows)).axes[0].lines]
    assert all(shown in lines for shown in ({0.2}, {0.8}, {0.5}))
