"""Who fine-tunes: Unsloth or PEFT. Measuring is always by Transformers and PEFT, whoever trained."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

import torch

from priorshift.errors import ParamsError


@dataclass(frozen=True)
class Backend:
    """The one that fine-tunes, `unsloth` or `peft`, and why."""

    name: str
    reason: str


MEASURING = Backend("peft", "measuring is by Transformers and PEFT")


def choose_backend(declared: str) -> Backend:
    """What a study's `backend` means on this machine.

    Unsloth changes transformers, trl and peft where they are imported: call this before importing them.

    Raises
    ------
    ParamsError
        When the study asks for Unsloth and it cannot be had.
    """
    if declared == "peft":
        return Backend("peft", "the study asks for it")
    if declared == "auto" and not torch.cuda.is_available():
        return Backend("peft", "no CUDA device")
    problem = _unsloth_problem()
    if declared == "unsloth" and problem:
        raise ParamsError(f"backend: found 'unsloth', and {problem}; or use backend: peft")
    if problem:
        return Backend("peft", problem)
    why = "the study asks for it" if declared == "unsloth" else "a CUDA device and Unsloth are there"
    return Backend("unsloth", why)


def unsloth_module() -> ModuleType:
    """`priorshift.models.unsloth`, by its name alone: runs by PEFT do not depend on its code (see `source`)."""
    return importlib.import_module("priorshift.models.unsloth")


def _unsloth_problem() -> str:
    """Why Unsloth cannot be used, with the way out; importing it is the only proof that it can."""
    if "unsloth" not in sys.modules:
        if find_spec("unsloth") is None:
            return "Unsloth is not installed: pip install 'priorshift[unsloth]'"
        if "transformers" in sys.modules:
            return "transformers was imported before Unsloth: call choose_backend first, as notebook 02 does"
    try:
        unsloth_module()
    except Exception as problem:  # its import checks drivers, compilers and versions
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        return f"Unsloth cannot be imported ({reason}): mend its installation"
    return ""
