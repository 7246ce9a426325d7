"""Each job has GPUs of its own on a workstation; a scheduler's choice is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from priorshift.errors import RunError
from priorshift.pipeline import gpus

# Says which GPUs it has and for how long.
JOB = "import os, time; a = time.time(); time.sleep(0.6); print(os.environ['CUDA_VISIBLE_DEVICES'], a, time.time())"


def start(count, folder, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "SLURM_JOB_ID"}
    return subprocess.Popen(
        [sys.executable, "-m", "priorshift.pipeline.gpus", str(count), sys.executable, "-c", JOB],
        env=environment | {"TMPDIR": str(folder)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_gpu_has_two_jobs_at_once(tmp_path):
    jobs = [start(count, tmp_path, CUDA_VISIBLE_DEVICES="0, GPU-8f,2") for count in (1, 2, 1, 1, 2)]
    times = []
    for job in jobs:
        said, error = job.communicate(timeout=60)
        assert job.returncode == 0, error
        names, *span = said.split()
        times += [(name, *map(float, span)) for name in names.split(",")]
    assert len(times) == 7 and {name for name, *_ in times} == {"0", "GPU-8f", "2"}
    for name in ("0", "GPU-8f", "2"):
        mine = sorted(span for who, *span in times if who == name)
        assert all(before[1] <= after[0] for before, after in pairwise(mine)), mine


def test_killed_job_gives_its_gpu_back(tmp_path):
    job = start(1, tmp_path, CUDA_VISIBLE_DEVICES="0")
    folder = tmp_path / f"priorshift-gpus-{os.getuid()}"
    while not (folder / "0.lock").exists():
        time.sleep(0.05)
    job.kill()
    job.communicate()
    [held] = gpus.take_gpus(1, ["0"], folder).values()
    held.close()


def test_too_many_is_one_line(tmp_path):
    job = start(3, tmp_path, CUDA_VISIBLE_DEVICES="0,1")
    said, error = job.communicate()
    assert job.returncode == 2 and said == ""
    assert error.startswith("error: resources.gpus: found 3, where this machine shows 2 ") and error.count("\n") == 1
    with pytest.raises(RunError, match="this machine shows 0"):
        gpus.take_gpus(1, [], tmp_path)


def test_gpus_are_named_by_the_variable_or_by_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", " 3,GPU-8f ,")
    assert gpus.list_visible_gpus() == ["3", "GPU-8f"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.list_visible_gpus() == []
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho GPU 0: one\necho GPU 1: another\n")
    driver.chmod(0o755)
    assert gpus.list_visible_gpus() == ["0", "1"]


@pytest.mark.parametrize(("count", "variables"), [(0, {}), (1, {"SLURM_JOB_ID": "7"})])
def test_asking_for_none_or_under_slurm_nothing_is_chosen(tmp_path, count, variables):
    said, error = start(count, tmp_path, CUDA_VISIBLE_DEVICES="5", **variables).communicate()
    assert said.split()[0] == "5", error
    assert not list(tmp_path.iterdir())
