"""What all runs are set beside is measured once, however the grid is cut, and never taken for what it is not."""

from __future__ import annotations

import multiprocessing
import shutil

import pytest
from support.tiny_study import BASE, FAULTS, REFERENCE, RUN, changed, forget_measurements

from priorshift.files import hash_file, read_record, write_record
from priorshift.pipeline import kept
from priorshift.pipeline.probe import probe_runs
from priorshift.pipeline.records import hash_kept_inputs
from priorshift.probing.probe import Prober

OTHER = RUN._replace(condition="depression")


@pytest.fixture
def counts(monkeypatch):
    """How often the base model, a whole run and the reference's items were measured."""
    found = {"base": 0, "runs": 0, "items": 0}

    def count(owner, name, key):
        original = getattr(owner, name)

        def counted(*args, **options):
            found[key] += 1
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(Prober, "measure_base", "base")
    count(Prober, "measure", "runs")
    count(kept, "measure_model", "items")
    return found


def test_jobs_of_one_run_eachmeasure_base_and_reference_once(study, counts):
    """And every table is, byte for byte, that of one job for all runs."""
    before = forget_measurements(study)
    for name in ("base", "reference"):
        shutil.rmtree(study.paths.kept(BASE, name))
    runs = study.select("all", "all", "all")
    for run in runs[::-1]:
        probe_runs(study, [run])
    assert counts == {"base": 1, "runs": 1 + len(runs), "items": 1}
    assert {path: hash_file(path) for path in before} == before


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "name", ["base/next_token.npy", "base/prose.parquet", "base/kept.json", "reference/scores.npz"]
)
def test_damaged_measurements_are_made_again(study, counts, fault, name):
    before = forget_measurements(study)
    kind, _, file = name.partition("/")
    FAULTS[fault](study.paths.kept(BASE, kind) / file)
    probe_runs(study, [RUN])
    assert (counts["base"], counts["items"]) == ((1, 0) if kind == "base" else (0, 1))
    assert all(hash_file(path) == digest for path, digest in before.items() if path.exists())


def test_another_machine_or_another_study_measures_again(study, counts, monkeypatch):
    forget_measurements(study)
    monkeypatch.setattr(kept, "describe_loaded", lambda base: {"device": "cuda", "dtype": "bfloat16", "versions": {}})
    probe_runs(study, [RUN])
    assert (counts["base"], counts["items"]) == (1, 1)
    monkeypatch.undo()
    inputs = [hash_kept_inputs(each, BASE, None, 0) for each in (study, changed(study, probes={"retention_texts": 3}))]
    assert [key for key in inputs[0] if inputs[0][key] != inputs[1][key]] == ["probes"]
    # Without completions a further seed asks for nothing new of the base model.
    assert hash_kept_inputs(changed(study, seeds=[0, 1, 2]), BASE, None, 0) == inputs[0]
    record = study.paths.run(*REFERENCE) / "run.json"
    write_record(record, read_record(record) | {"hashes": {"adapter/other": "1"}})
    assert hash_kept_inputs(study, BASE, None, 0) == inputs[0]
    assert hash_kept_inputs(study, BASE, REFERENCE, 0)["adapter"] != hash_kept_inputs(study, BASE, RUN, 0)["adapter"]


def probe_and_tell(study, run, told):
    """In a process of its own: probe a run, and tell how often the base model was measured for it."""
    measured, original = [], Prober.measure_base
    Prober.measure_base = lambda self: measured.append(1) or original(self)
    probe_runs(study, [run])
    told.put(len(measured))


def test_two_jobs_at_once_measure_the_base_model_once(study):
    before = forget_measurements(study)
    for name in ("base", "reference"):
        shutil.rmtree(study.paths.kept(BASE, name))
    apart = multiprocessing.get_context("spawn")
    told = apart.Queue()
    jobs = [apart.Process(target=probe_and_tell, args=(study, run, told)) for run in (RUN, OTHER)]
    for job in jobs:
        job.start()
    assert sorted(told.get(timeout=120) for _ in jobs) == [0, 1]
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    found = {path for path in before if path.exists()}
    assert len(found) == 8 and all(hash_file(path) == before[path] for path in found)
