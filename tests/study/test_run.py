"""A run is a triple, named as its folders are."""

from __future__ import annotations

from priorshift.stats.panels import RUN_KEY
from priorshift.study.run import Run


def test_a_run_is_its_three_names_in_order():
    run = Run("llama-coupled-0", "neutral", 2)
    assert run == ("llama-coupled-0", "neutral", 2) and str(run) == "llama-coupled-0/neutral/seed-2"
    assert run._replace(seed=3).seed == 3 and len({run, Run(*run)}) == 1


def test_the_tables_of_stats_have_a_runs_fields_as_their_key():
    assert list(Run._fields) == RUN_KEY
