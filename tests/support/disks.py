"""Disks that nothing more can be written to."""

from __future__ import annotations

import os
import resource
import subprocess
from contextlib import contextmanager

import pytest


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
