"""The figures of notebook 08: they show the rows that they name, and no other."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from priorshift.report.mechanism_figures import draw_algebra, draw_directions, draw_mechanism, draw_trajectory
from priorshift.tables.training_amount import RETENTION_LIMIT

RUN = {"base_model": "llama-coupled-0", "group": "llama", "world": "coupled", "condition": "depression"}


def make_mixes():
    rows = []
    for seed, factor, measure in itertools.product((0, 1), (0.5, 1.0, 1.5), ("choice", "expectation")):
        rows.append(RUN | {"seed": seed, "reference": "linear", "factor": factor, "measure": measure, "shift": factor})
    summed = RUN | {"seed": 0, "reference": "linear", "factor": float("nan"), "measure": "choice", "shift": 99.0}
    return pd.DataFrame([*rows, summed])


def list_lines(picture):
    """The lines with data; those of a legend have none."""
    return [line for axis in picture.figure.axes for line in axis.lines if len(line.get_xdata()) == 3]


def test_a_line_for_each_run_and_none_for_sums():
    lines = list_lines(draw_algebra(make_mixes()))
    assert len(lines) == 2 * 2
    assert max(max(line.get_ydata()) for line in lines) == 1.5


def test_steps_are_drawn_in_order_for_choice_and_expectation():
    rows = [
        RUN | {"seed": 0, "step": step, "choice": 2.0 * step, "expectation": 1.0 * step} for step in (40, 10, 20)
    ]  # fmt: skip
    drawn = list_lines(draw_trajectory(pd.DataFrame(rows)))
    assert {tuple(line.get_xdata()) for line in drawn} == {(10, 20, 40)}
    assert {tuple(line.get_ydata()) for line in drawn} == {(20, 40, 80), (10, 20, 40)}


def test_a_direction_that_does_damage_is_left_out_and_counted():
    row = RUN | {"unit": "runs", "measure": "expectation", "source": "own", "test": "added to the base"}
    row |= {"layer": 1, "base_shift": float("nan"), "perplexity_ratio": 1.0}
    sound = [row | {"strength": strength, "shift": strength} for strength in (1.0, 2.0)]
    damage = row | {"strength": 2.0, "shift": 50.0, "perplexity_ratio": RETENTION_LIMIT + 0.1}
    picture = draw_directions(pd.DataFrame([*sound, damage]))
    heights = [y for axis in picture.figure.axes for points in axis.collections for _, y in points.get_offsets()]
    assert sorted(heights) == pytest.approx([1.0, 2.0]) and "1 of 3 points" in picture.description


def test_what_was_not_made_is_not_drawn():
    assert [picture.name for picture in draw_mechanism({"algebra_runs": make_mixes()})] == ["algebra"]
