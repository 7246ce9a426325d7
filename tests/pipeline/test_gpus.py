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
    taken, locks = gpus.take(1, ["0"], folder)
    assert taken == ["0"]
    os.close(locks[0])


def test_too_many_is_one_line(tmp_path):
    job = start(3, tmp_path, CUDA_VISIBLE_DEVICES="0,1")
    said, error = job.communicate()
    assert job.returncode == 2 and said == ""
    assert error == (
        "error: resources.gpus: found 3; this machine shows 2 (nvidia-smi, CUDA_VISIBLE_DEVICES);"
        " ask for fewer, or run on one that has them\n"
    )
    with pytest.raises(RunError, match="this machine shows 0"):
        gpus.take(1, [], tmp_path)


@pytest.mark.parametrize(("count", "variables"), [(0, {}), (1, {"SLURM_JOB_ID": "7"})])
def test_asking_for_none_or_under_slurm_nothing_is_chosen(tmp_path, count, variables):
    said, error = start(count, tmp_path, CUDA_VISIBLE_DEVICES="5", **variables).communicate()
    assert said.split()[0] == "5", error
    assert not list(tmp_path.iterdir())
