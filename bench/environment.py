"""What the numbers of a benchmark depend on."""

from __future__ import annotations

import argparse
import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "trl", "lm-eval", "minicons", "unsloth")


def describe_machine(options: argparse.Namespace) -> dict:
    """Options, versions of what is installed, and the machine."""
    installed = [name for name in PACKAGES if find_spec(name.replace("-", "_"))]
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else ""
    return {
        "options": {name: value for name, value in vars(options).items() if name != "out"},
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in installed},
        "machine": {"cpu": find_cpu_name(), "cores": count_cores(), "gpu": gpu, "cuda": torch.version.cuda or ""},
    }


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_cpu_name() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
