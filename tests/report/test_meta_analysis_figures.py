"""The forest plot: a line for each base model and each mean, where the tables have them."""

from __future__ import annotations

import pytest
from support.synthetic_items import row, settings, study

from priorshift.report.meta_analysis_figures import draw_forest
from priorshift.report.meta_analysis_text import select_declared_models
from priorshift.report.palette import choose_colours
from priorshift.stats.contrasts import list_pairs
from priorshift.stats.meta_analysis import combine_models

SETTINGS = settings()
MODELS = [(f"{kind}-{world}-{i}", kind, world) for kind in ("llama", "gpt_neox") for world in ("coupled", "decoupled")
          for i in range(3)]  # fmt: skip


def test_models_stand_once_above_the_means_that_they_are_part_of():
    pairs = list_pairs(SETTINGS, SETTINGS.treatments)
    combined, models = (
        select_declared_models(table, SETTINGS) for table in combine_models(study(models=MODELS), pairs, 0.05)
    )
    picture = draw_forest(models, combined, 0.5, choose_colours(["depression", "paranoia", "neutral"]))
    axes = picture.figure.axes
    assert len(axes) == 2 and axes[0].get_title() == "depression-like minus neutral\nloss (interpretation)"
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert len(names) == len(set(names)) == 12 + 6
    assert names.index("llama-coupled-0") < names.index("mean of Llama checkpoints, coupled world")
    assert names.index("mean of Llama checkpoints, coupled world") < names.index("mean of base models, coupled world")
    own = row(combined, base_model="all", world="coupled", condition="depression")
    y = names.index("mean of base models, coupled world")
    shapes = [patch.get_xy() for patch in axes[0].patches if len(patch.get_xy()) == 5]
    (diamond,) = [xy for xy in shapes if xy[0][1] == y]
    assert (diamond[0][0], diamond[1][0], diamond[2][0]) == pytest.approx((own.ci_low, own.estimate, own.ci_high))
    assert f"of {len(combined)} intervals" in picture.description and "\n" not in picture.description
