"""What a result was made on: versions of the packages behind it, and memory."""

from __future__ import annotations

import platform
import resource
import sys
from contextlib import suppress
from importlib import metadata

PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "numpy", "pandas", "scipy", "statsmodels")
OPTIONAL = ("unsloth", "bitsandbytes")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that make the numbers."""
    found = {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
    for name in OPTIONAL:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
