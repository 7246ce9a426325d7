"""Which library fine-tunes: Unsloth or PEFT. Measuring is always by Transformers and PEFT."""

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
    """The library that fine-tunes, `unsloth` or `peft`, and why."""

    name: str
    reason: str


MEASURING = Backend("peft", "measuring is by Transformers and PEFT")


def choose_backend(declared: str) -> Backend:
    """Choose the library that fine-tunes on this machine.

    Unsloth changes transformers, trl and peft as they are imported: call this before importing them.

    Parameters
    ----------
    declared : {"auto", "unsloth", "peft"}
        A study's `backend`.

    Raises
    ------
    ParamsError
        When the study asks for Unsloth and it cannot be used.

    Examples
    --------
    >>> choose_backend("peft")
    Backend(name='peft', reason='the study asks for it')
    """
    if declared == "peft":
        return Backend("peft", "the study asks for it")
    if declared == "auto" and not torch.cuda.is_available():
        return Backend("peft", "no CUDA device")
    problem = _find_unsloth_problem()
    if declared == "unsloth" and problem:
        raise ParamsError(f"backend: found 'unsloth', and {problem}; or use backend: peft")
    if problem:
        return Backend("peft", problem)
    why = "the study asks for it" if declared == "unsloth" else "a CUDA device and Unsloth are there"
    return Backend("unsloth", why)


def import_unsloth() -> ModuleType:
    """Import `priorshift.models.unsloth`, and with it Unsloth: only runs that Unsloth trains do."""
    return importlib.import_module("priorshift.models.unsloth")


def _find_unsloth_problem() -> str:
    """Why Unsloth cannot be used, with the way out, or an empty text. Importing it is the only proof that it can."""
    if "unsloth" not in sys.modules:
        if find_spec("unsloth") is None:
            return "Unsloth is not installed: pip install 'priorshift[unsloth]'"
        if "transformers" in sys.modules:
            return "transformers was imported before Unsloth: call choose_backend first, as notebook 02 does"
    try:
        import_unsloth()
    except Exception as problem:  # its import checks drivers, compilers and versions
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        return f"Unsloth cannot be imported ({reason}): repair its installation"
    return ""
