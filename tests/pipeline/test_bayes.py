"""Bayesian fits are made where a study asks for them, and nowhere else."""

from __future__ import annotations

import pandas as pd
import pytest
from support.synthetic_items import study as make_items
from support.tiny_study import changed

from priorshift.errors import UserError
from priorshift.pipeline.analyse import Items
from priorshift.pipeline.bayes import tabulate_bayes, tabulate_bayes_level
from priorshift.stats import bayes


def test_a_study_that_asks_for_none_has_none(done):
    assert done.params.inference.bayes is None
    items = Items([], pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    assert tabulate_bayes(done, items) == tabulate_bayes_level(done) == {}


def test_a_study_that_asks_for_one_needs_the_extra(done, monkeypatch):
    def refuse():
        raise UserError("the package numpyro is missing")

    monkeypatch.setattr(bayes, "load_sampler", refuse)
    asked = changed(done, inference=done.params.inference.model_dump() | {"bayes": {}})
    measured = make_items(models=[("m", "m", "")])
    with pytest.raises(UserError, match="numpyro"):
        tabulate_bayes(asked, Items([], measured, pd.DataFrame(), measured))
