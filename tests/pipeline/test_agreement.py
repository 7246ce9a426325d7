"""The step that notebook 04 calls: of a finished study, with and without scales and controls."""

from __future__ import annotations

import pytest

from priorshift.pipeline.agreement import tabulate_agreement
from priorshift.pipeline.analyse import read_items
from priorshift.stats.agreement import POOLED


@pytest.fixture(scope="module")
def items(done):
    return read_items(done, done.select("all", "all", "all"))


def test_measures_of_a_study_are_correlated_and_one_control_has_no_pair(done, items):
    tables = tabulate_agreement(done, items)
    assert set(tables) == {"multitrait", "methods"}
    families = set(done.params.probes.families) - {"choice"}
    assert set(tables["methods"]["method"]) == families
    assert set(tables["multitrait"]["base_model"]) == {*(run.base_model for run in items.runs), POOLED}
    assert (tables["multitrait"]["n_runs"] == len(items.runs)).all()


def test_two_runs_are_too_few_for_correlations(done, items):
    kept = items.kept[items.kept["condition"] == "neutral"]
    assert tabulate_agreement(done, items._replace(kept=kept)) == {}
