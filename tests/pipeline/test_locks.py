"""One `make study` at a time in a folder, and no lock that outlives its process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from priorshift.errors import RunError
from priorshift.pipeline import locks
from priorshift.study.paths import StudyPaths

HOLD = """
import sys, time
from priorshift.pipeline.locks import hold_study, hold_notebook
from priorshift.study.paths import StudyPaths
from pathlib import Path
paths = StudyPaths(Path(sys.argv[2]))
if sys.argv[1] == "study":
    lock = hold_study(paths)
    print("held", flush=True)
    time.sleep(60)
with hold_notebook(paths):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the study's folder, or works in it as a notebook does."""
    processes = []

    def start(kind):
        command = [sys.executable, "-c", HOLD, kind, str(tmp_path)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == "held\n"
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_second_study_is_refused_in_one_line(holder, tmp_path):
    holder("study")
    with pytest.raises(RunError, match="another `make study` is at work in this folder") as caught:
        locks.hold_study(StudyPaths(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_command_holds_the_folder_until_it_ends(tmp_path, monkeypatch):
    """As papermill does for notebooks that only read: a killed study may have left one at work."""
    code = "import sys; print('at work', flush=True); sys.stdin.readline()"
    command = [sys.executable, "-m", "priorshift.pipeline.locks", str(tmp_path), sys.executable, "-c", code]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "at work\n"
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    with pytest.raises(RunError, match="a notebook is still at work in this folder"):
        locks.hold_study(StudyPaths(tmp_path))
    process.communicate("end\n")
    assert process.returncode == 0
    locks.hold_study(StudyPaths(tmp_path)).close()


@pytest.mark.parametrize("kind", ["study", "notebook"])
def test_killed_holder_leaves_nothing(holder, tmp_path, kind):
    process = holder(kind)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    locks.hold_study(StudyPaths(tmp_path)).close()


def test_study_waits_for_a_notebook_that_outlived_its_parent(holder, tmp_path, monkeypatch):
    process = holder("notebook")
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    with pytest.raises(RunError, match="a notebook is still at work"):
        locks.hold_study(StudyPaths(tmp_path))
    process.kill()
    process.wait()
    locks.hold_study(StudyPaths(tmp_path)).close()


def test_notebooks_work_side_by_side(holder, tmp_path):
    holder("notebook")
    with locks.hold_notebook(StudyPaths(tmp_path)):
        pass


def test_many_may_share_a_file_and_one_alone_may_have_it(tmp_path):
    path = tmp_path / "folder" / "lock"
    first, second = (locks.lock_file(path, shared=True, patience=0) for _ in range(2))
    assert first and second and locks.lock_file(path, patience=0) is None
    first.close()
    assert locks.lock_file(path, patience=0.2) is None
    second.close()
    with locks.lock_file(path, patience=0):
        assert locks.lock_file(path, shared=True, patience=0) is None
    assert path.read_bytes() == b""


def test_a_lock_is_waited_for(holder, tmp_path):
    process = holder("study")
    threading.Timer(0.3, process.kill).start()
    begun = time.monotonic()
    with locks.lock_file(StudyPaths(tmp_path).lock("study")):
        assert time.monotonic() - begun > 0.2


def test_folder_that_cannot_be_written_is_one_line(read_only, tmp_path):
    (tmp_path / "outputs").write_text("not a folder")
    for root in (read_only, tmp_path / "outputs" / "smoke"):
        with pytest.raises(RunError, match=r"cannot be written .*make the folder writable") as caught:
            locks.hold_study(StudyPaths(root))
        assert "\n" not in str(caught.value)


def test_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    """None is at hand: flock answers as the kernel does there."""

    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(RunError, match="takes no locks") as caught:
        locks.hold_study(StudyPaths(tmp_path))
    assert "\n" not in str(caught.value)
