"""Measurements: made once each; a damaged or outdated one is never read."""

from __future__ import annotations

import pytest
from support.tiny_study import BASE, FAULTS, RUN, changed, to_do

from priorshift.errors import RunError
from priorshift.pipeline.code_hash import WORK
from priorshift.pipeline.probe import list_measured_tables, probe_runs, read_measurements


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["measured.json", "items.parquet", "next_token.parquet", "retention.parquet"])
def test_damaged_measurement_is_never_read(study, fault, name):
    FAULTS[fault](study.paths.measurements(*RUN) / name)
    assert to_do(study) == {f"measurements/{RUN}"}
    with pytest.raises(RunError, match=r"run notebooks/03_probe.ipynb"):
        read_measurements(study, [RUN], "items")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"probes": {"retention_texts": 3}}, r"measurements/.*: changed: probes; run notebooks/03_probe.ipynb"),
        ({"training": {"learning_rate": 0.001}}, r"data/.*: changed: training; run notebooks/01_synthesize.ipynb"),
        ({"conditions": {"neutral": {"task": "prose"}}}, r"data/.*: changed: condition; run notebooks/01"),
    ],
)
def test_outdated_measurements_are_refused_by_name(study, parts, said):
    """As by a notebook that runs alone after the study's YAML was edited."""
    assert len(read_measurements(study, [RUN], "items"))
    with pytest.raises(RunError, match=said):
        read_measurements(changed(study, **parts), [RUN], "items")


def test_measurements_of_a_run_that_is_outdated_are_refused(study, monkeypatch):
    monkeypatch.setitem(WORK, "run", ("report",))
    with pytest.raises(RunError, match=r"runs/.*: changed: code; run notebooks/02_train.ipynb"):
        read_measurements(study, [RUN], "items")


def test_each_run_leaves_every_table_and_rows_come_in_the_runs_order(study):
    runs = study.select("all", "all", "all")
    for run in runs:
        found = {path.stem for path in study.paths.measurements(*run).glob("*.parquet")}
        assert found == set(list_measured_tables(study)) == {"items", "next_token", "tokens", "retention"}
    items = read_measurements(study, runs[::-1], "items")
    assert list(items[["base_model", "condition", "seed"]].drop_duplicates().itertuples(index=False)) == runs[::-1]
    assert list_measured_tables(changed(study, probes={"scale_orders": 4}))[4:] == ["scales"]


def test_measured_runs_are_left_alone_and_say_how_they_were_scored(study):
    path = study.paths.measurements(*RUN) / "items.parquet"
    before = path.stat().st_mtime_ns
    assert probe_runs(study, [RUN])[BASE].startswith("prompt_once: proved")
    assert path.stat().st_mtime_ns == before
