"""Adapters: trained once each; a full disk leaves no half run."""

from __future__ import annotations

import shutil

import pytest
import torch
from support.tiny_study import FAULTS, REFERENCE, RUN, at, changed

from priorshift.errors import ParamsError, RunError
from priorshift.files import read_record
from priorshift.models.backends import Backend
from priorshift.pipeline.environment import collect_settings, describe_differences
from priorshift.pipeline.probe import probe_runs
from priorshift.pipeline.records import locate_measurement_record, locate_run_record
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import read_losses, train_runs


def test_each_run_has_a_row_and_a_loss_for_each_step(study):
    runs = study.select("all", "all", "all")
    before = locate_run_record(study, RUN).stat().st_mtime_ns
    table, losses = train_runs(study, runs), read_losses(study, runs)
    steps = study.params.training.examples // study.params.training.batch_size
    assert list(zip(table["base_model"], table["condition"], table["seed"], strict=True)) == runs
    assert set(table["steps"]) == {steps} and len(losses) == steps * len(runs)
    own = losses[(losses["condition"] == RUN.condition) & (losses["seed"] == RUN.seed)]
    assert list(own["step"]) == list(range(1, steps + 1))
    assert list(own["loss"]) == read_record(locate_run_record(study, RUN))["losses"]
    assert locate_run_record(study, RUN).stat().st_mtime_ns == before  # nothing was trained again


def test_unsloth_that_auto_finds_is_refused_for_an_anchor_before_anything_is_trained(study, monkeypatch):
    monkeypatch.setattr("priorshift.pipeline.train.choose_backend", lambda declared: Backend("unsloth", "it is there"))
    anchored = changed(study, training={"anchor_weight": 1.0})
    with pytest.raises(ParamsError, match=r"which is Unsloth here; conditions.depression has an anchor_weight") as said:
        train_runs(anchored, [RUN])
    assert "set backend: peft" in str(said.value) and "\n" not in str(said.value)


def test_adapters_trained_on_bfloat16_are_probed_on_the_models_own_type(study, monkeypatch, capsys):
    study = changed(study, training={"base_dtype": "bfloat16"})
    runs = [REFERENCE, RUN]
    synthesize_runs(study, runs)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    train_runs(study, [REFERENCE])
    assert "training.base_dtype: found 'bfloat16'" in capsys.readouterr().out
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    train_runs(study, runs)
    assert "training.base_dtype" not in capsys.readouterr().out
    probe_runs(study, runs)
    assert [read_record(locate_run_record(study, run))["dtype"] for run in runs] == ["float32", "bfloat16"]
    assert {read_record(locate_measurement_record(study, run))["dtype"] for run in runs} == {"float32"}
    # One was trained otherwise, on a processor without bfloat16, and the study says so.
    assert "dtype in training bfloat16 (1) and float32 (1)" in describe_differences(collect_settings(study))


@pytest.mark.parametrize("fault", FAULTS)
def test_losses_of_a_damaged_run_are_refused(study, fault):
    FAULTS[fault](locate_run_record(study, RUN))
    with pytest.raises(RunError, match=r"neutral/seed-1: .*run notebooks/02_train.ipynb"):
        read_losses(study, [RUN])


def test_full_disk_in_a_study_and_room_again(smoke, full_disk, tmp_path):
    """A training set fits, an adapter does not: nothing half is left, and where there is room the study goes on."""
    study = at(smoke, full_disk)
    [run] = study.select("llama-coupled-0", "depression", 0)
    synthesize_runs(study, [run])
    with pytest.raises(RunError, match="cannot be written") as caught:
        train_runs(study, [run])
    assert "\n" not in str(caught.value)
    assert not list(full_disk.rglob("*.tmp")) and not list(full_disk.rglob("run.json"))
    shutil.copytree(full_disk, tmp_path / "roomy")
    roomy = at(smoke, tmp_path / "roomy")
    before = {path: path.stat().st_mtime_ns for path in roomy.paths.root.rglob("*") if path.is_file()}
    assert len(train_runs(roomy, [run])) == 1
    assert before and all(path.stat().st_mtime_ns == time for path, time in before.items())
