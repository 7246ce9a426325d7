"""Where nothing more can be written: one line, and no half file."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager

import pandas as pd
import pytest

from priorshift.errors import RunError
from priorshift.files import whole, write_parquet, write_record, write_text
from priorshift.pipeline import locks
from priorshift.pipeline.plan import prepare
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.study.paths import StudyPaths


def with_outputs(study, folder):
    return type(study)(study.params, study.materials, study.folder, folder)


def one_line(caught):
    assert "\n" not in str(caught.value) and "cannot be written" in str(caught.value)


@contextmanager
def mounted(folder, options):
    """A file system of its own at a folder; whether one could be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    yield done
    if done:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 64 KiB, or where none can be mounted a limit on the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with mounted(tmp_path / "full", "size=64k") as done:
        if not done:
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
        yield tmp_path / "full"
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "x" * 200_000),
        lambda path: write_record(path, {"text": "x" * 200_000}),
        lambda path: write_parquet(path, pd.DataFrame({"x": range(100_000)})),
    ],
    ids=["text", "record", "parquet"],
)
def test_full_disk(full_disk, write):
    path = full_disk / "tables" / "file"
    path.parent.mkdir()
    path.write_text("what was there")
    with pytest.raises(RunError) as caught:
        write(path)
    one_line(caught)
    assert path.read_text() == "what was there"
    assert list(path.parent.iterdir()) == [path]


def test_full_disk_leaves_no_half_run(full_disk):
    with pytest.raises(RunError) as caught, whole(full_disk / "runs" / "seed-0") as temporary:
        temporary.mkdir()
        (temporary / "small").write_text("x")
        (temporary / "large").write_bytes(b"x" * 200_000)
    one_line(caught)
    assert list((full_disk / "runs").iterdir()) == []


def test_full_disk_in_a_study_and_room_again(smoke, full_disk, tmp_path):
    """A training set fits, an adapter does not: nothing half is left, and where there is room the study goes on."""
    study = with_outputs(smoke, full_disk)
    run = ("llama-coupled-0", "depression", 0)
    synthesize_runs(study, [run])
    with pytest.raises(RunError) as caught:
        train_runs(study, [run])
    one_line(caught)
    assert not list(full_disk.rglob("*.tmp")) and not list(full_disk.rglob("run.json"))
    shutil.copytree(full_disk, tmp_path / "roomy")
    roomy = with_outputs(smoke, tmp_path / "roomy")
    before = {path: path.stat().st_mtime_ns for path in roomy.paths.root.rglob("*") if path.is_file()}
    assert len(train_runs(roomy, [run])) == 1
    assert before and all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.fixture
def read_only(tmp_path):
    """A folder that even root cannot write to, where a file system can be mounted."""
    folder = tmp_path / "shut"
    with mounted(folder, "ro") as done:
        if os.geteuid() == 0 and not done:
            pytest.skip("root writes everywhere, and nothing can be mounted here")
        if not done:
            folder.chmod(0o500)
        yield folder


def test_read_only_folder(read_only):
    with pytest.raises(RunError) as caught:
        write_text(read_only / "run.json", "x")
    one_line(caught)
    with pytest.raises(RunError, match="make the folder writable"):
        locks.hold_study(StudyPaths(read_only))


def test_a_file_where_the_folder_belongs(tmp_path):
    (tmp_path / "outputs").write_text("not a folder")
    with pytest.raises(RunError) as caught:
        write_text(tmp_path / "outputs" / "smoke" / "run.json", "x")
    one_line(caught)
    with pytest.raises(RunError, match="cannot be written"):
        locks.hold_study(StudyPaths(tmp_path / "outputs" / "smoke"))


def test_killed_writer_leaves_what_prepare_removes(smoke, tmp_path):
    study = with_outputs(smoke, tmp_path)
    half = study.paths.run("llama-coupled-0", "neutral", 0).with_name(".seed-0.77.tmp") / "adapter"
    half.mkdir(parents=True)
    (half / "adapter_model.safetensors").write_bytes(b"half")
    study.paths.tables.mkdir(parents=True)
    (study.paths.tables / ".contrasts.csv.77.tmp").write_text("half")
    prepare(study)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [study.paths.begun]
