"""The machine that a result was made on: versions of its packages, its clock, and memory."""

from __future__ import annotations

import platform
import resource
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata

PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "numpy", "pandas", "scipy", "statsmodels")
OPTIONAL = ("unsloth", "bitsandbytes")


def list_versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on: name -> version."""
    found = {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
    for name in OPTIONAL:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def read_clock() -> str:
    """The time in UTC, to the second: `2026-01-31T12:00:00Z`. Later times sort after earlier ones."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def measure_peak_memory_mb() -> float:
    """Largest resident memory (MiB) of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
