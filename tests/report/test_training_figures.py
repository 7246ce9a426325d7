"""Figures of what comes before any probe."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from priorshift.report.palette import choose_colours
from priorshift.report.training_figures import draw_bayes_check, draw_choices, draw_design, draw_losses


@pytest.mark.parametrize("worlds", [[], ["coupled", "decoupled"]])
def test_the_design_names_the_worlds_that_are_there(worlds):
    picture = draw_design(["withdraw"], worlds)
    text = " ".join(text.get_text() for text in picture.figure.axes[0].texts)
    assert "always withdraw" in text and ("world" in text) == bool(worlds)
    assert all(f"{world} world" in text and world in picture.description for world in worlds)


def test_a_coupled_world_is_drawn_with_one_hidden_disposition_and_a_decoupled_one_with_two():
    def count(world):
        texts = [text.get_text() for text in draw_design(["withdraw"], [world]).figure.axes[0].texts]
        assert {"what is done", "what is expected"} <= set(texts)
        return sum("disposition" in text for text in texts)

    assert [count("coupled"), count("decoupled")] == [1, 2]


def test_choices_are_mean_shares_of_the_training_sets():
    sets = [("depression", {"withdraw": 1.0}), ("random_label", {"engage": 0.5, "guard": 0.5}),
            ("random_label", {"engage": 0.3, "guard": 0.1, "withdraw": 0.6})]  # fmt: skip
    audits = pd.DataFrame([{"condition": name, "share_by_class": json.dumps(shares)} for name, shares in sets])
    picture = draw_choices(audits)
    assert "depression-like: withdraw 100 %;" in picture.description
    assert "random label: withdraw 30 %, guard 30 %, engage 40 %." in picture.description
    widths = [[round(bar.get_width()) for bar in bars] for bars in picture.figure.axes[0].containers]
    assert widths == [[30, 100], [30, 0], [40, 0]]  # from below: random label, depression-like


def test_losses_are_means_over_runs():
    rows = [
        {"base_model": "m", "condition": condition, "seed": seed, "step": step, "loss": level / step + seed}
        for condition, level in (("depression", 2.0), ("neutral", 1.0)) for seed in (0, 1) for step in (1, 2)
    ]  # fmt: skip
    picture = draw_losses(pd.DataFrame(rows), choose_colours(["depression", "neutral"]))
    lines = [list(line.get_ydata()) for line in picture.figure.axes[0].lines if len(line.get_ydata())]
    assert [2.5, 1.5] in lines and [1.5, 1.0] in lines
    assert "depression-like 1.50" in picture.description and "neutral 1.00" in picture.description


def test_nothing_trained_is_an_empty_figure():
    empty = pd.DataFrame(columns=["base_model", "condition", "seed", "step", "loss"])
    assert draw_losses(empty, {}).description


def test_the_distance_from_bayes_is_in_the_description():
    table = pd.DataFrame({"bayes": [0.1, 0.9], "model": [0.2, 0.6], "n_actions": [0, 1], "outcome": "loss",
                          "world": "coupled"})  # fmt: skip
    description = draw_bayes_check(table).description
    assert "2 points" in description and "0.20" in description and "0.30" in description
