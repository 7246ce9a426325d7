"""The versions are those that are installed, and memory that was held shows."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import torch
import transformers

from priorshift.machine import list_versions, read_clock

HOLD = """
from priorshift.machine import measure_peak_memory_mb
before = measure_peak_memory_mb()
held = b"x" * ((int(before) + 64) * 2**20)  # more than ever: a process begins with its parent's peak
peak = measure_peak_memory_mb()
del held
print(before, peak, measure_peak_memory_mb())
"""


def test_versions_are_those_of_the_imported_packages():
    found = list_versions()
    assert found["python"] == platform.python_version()
    assert (found["numpy"], found["transformers"]) == (np.__version__, transformers.__version__)
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_the_clock_is_utc_to_the_second_whatever_the_zone():
    code = "from priorshift.machine import read_clock; print(read_clock())"
    before = read_clock()
    elsewhere = os.environ | {"TZ": "Asia/Tokyo"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=elsewhere)
    assert before <= said.stdout.strip() <= read_clock()
    told = datetime.strptime(before, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60


def test_the_peak_is_the_most_that_was_held_and_stays():
    said = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, check=True).stdout
    before, peak, after = map(float, said.split())
    assert before + 64 <= peak <= before + 264 and after >= peak
