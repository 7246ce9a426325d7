"""Those who wait see where each job is; no line outlives its job, and none ends what it tells of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest
import torch
from support.causal_models import make_causal_model
from support.tiny_study import RUN, at, forget_measurements

from priorshift.pipeline import execute, progress
from priorshift.pipeline.manifest import list_problems, write_manifest
from priorshift.pipeline.plan import prepare_study
from priorshift.pipeline.probe import probe_runs
from priorshift.pipeline.progress import describe_progress, follow_reading, read_progress, show_progress
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.study.paths import StudyPaths


@pytest.fixture
def lines(monkeypatch):
    """Every line that any job writes."""
    found = []
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(progress, "write_text", lambda path, text: found.append(text))
    return found


def test_training_tells_its_run_its_step_and_the_seconds_left(study, tmp_path, lines):
    elsewhere = at(study, tmp_path / "new")
    runs = [RUN, RUN._replace(seed=0)]
    synthesize_runs(elsewhere, runs)
    train_runs(elsewhere, runs)
    steps = elsewhere.params.training.steps
    told = [line for line in lines if line.startswith(f"training {RUN} (run 1 of 2): step ")]
    assert [re.sub(r", \d+ s left", "", line.partition("): ")[2].strip()) for line in told] == [
        f"step {number} of {steps}" for number in range(1, steps + 1)
    ]
    assert told[-1].endswith(", 0 s left\n") and any("(run 2 of 2): step" in line for line in lines)


def test_probing_tells_shares_of_what_a_model_reads(study, lines):
    forget_measurements(study)
    probe_runs(study, [RUN])
    shares = [int(share) for line in lines for share in re.findall(rf"^probing {RUN} \(run 1 of 1\): (\d+)%", line)]
    assert shares == sorted(shares) and shares[-1] == 100 and len(shares) > 3


def test_a_line_is_there_while_the_job_works_and_not_after(tmp_path):
    paths, model = StudyPaths(tmp_path), make_causal_model("llama")
    with show_progress(paths) as shown:
        with follow_reading(shown, "reading", model, 8):
            assert read_progress(paths) == ["reading: begun"]
            shown.written = 0.0
            model(torch.tensor([[1, 2, 3, 4]]))
            [line] = read_progress(paths)
            assert line.startswith("reading: 50%, ")
        shown.written = 0.0
        model(torch.tensor([[1, 2, 3, 4]]))  # no longer watched
        assert read_progress(paths) == [line]
    assert read_progress(paths) == [] and not paths.progress.exists()


def test_a_killed_jobs_line_is_shown_for_a_while_and_goes_with_the_next_study(study):
    write_manifest(study)
    left = study.paths.progress / "node-1.txt"
    left.parent.mkdir()
    left.write_text("training x: step 1 of 2\n")
    assert read_progress(study.paths) == ["training x: step 1 of 2"] and list_problems(study) == []
    os.utime(left, times=(time.time() - 30,) * 2)
    assert read_progress(study.paths) == ["training x: step 1 of 2 (30 s ago)"]
    os.utime(left, times=(time.time() - 2 * progress.STALE,) * 2)
    assert read_progress(study.paths) == []


def test_the_next_study_begins_without_lines(study, root, monkeypatch):
    monkeypatch.chdir(root)
    (study.paths.progress).mkdir()
    (study.paths.progress / "node-1.txt").write_text("training x: step 1 of 2\n")
    prepare_study(study)
    assert not study.paths.progress.exists()


def test_a_line_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / "progress").write_text("a file in the folder's place")
    with pytest.raises(KeyError), show_progress(StudyPaths(tmp_path)) as shown:
        shown.begin("training", "step")
        raise KeyError


@pytest.mark.parametrize(
    ("given", "said"),
    [((0, 40, "step", 3.0), "step 0 of 40"), ((40, 40, "step", 9.0), "step 40 of 40, 0 s left"),
     ((30, 20, "", 9.0), "100%, 0 s left"), ((5, 20, "", 10.0), "25%, 30 s left"),
     ((0, None, "step", 9.0), "begun"), ((5, None, "", 9.0), "9 s so far")],
)  # fmt: skip
def test_what_is_said(given, said):
    assert describe_progress(*given) == said


def test_who_waits_for_a_study_is_told_every_few_seconds(tmp_path, monkeypatch, capsys):
    class Waited:
        paths = StudyPaths(tmp_path)

    monkeypatch.setattr(execute, "PAUSE", 0.2)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(3)"])
    with show_progress(Waited.paths) as shown:
        shown.begin("training")
        assert execute.wait_for_jobs(process, Waited) == 3
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("training: begun\n") == len(said.err.splitlines()) >= 2
