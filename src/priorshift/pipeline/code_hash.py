"""The code that a result stands on: named packages and files of this one, hashed byte for byte.

What a page is filled in by (its template, style and script) counts as code too.

A change anywhere in a named package redoes what stands on it. That is coarse, and plain to see. The four files below
all packages (`files`, `yaml_files`, `machine`, `errors`) only read and write: no result stands on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from priorshift.files import hash_file, hash_text
from priorshift.study.paths import PACKAGE

CODE = (".py", ".j2", ".css", ".js")
TRAINING = ("training", "models", "probability", "study", "materials")
PROBING = ("probing", *TRAINING)
# Each kind of finished work, and the packages and files it stands on.
WORK = {
    "choice_rates": ("pipeline/choice_rates.py", *PROBING),
    "training_set": ("pipeline/training_sets.py", *TRAINING),
    "run": ("pipeline/adapters.py", "pipeline/training_sets.py", *TRAINING),
    "measurements": ("pipeline/probe.py", "pipeline/kept.py", "pipeline/training_sets.py", *PROBING),
}
# What turns measurements into tests: a registration names its version.
TESTS = ("pipeline/analyse.py", "tables", "stats")
ANALYSIS = ("pipeline", "tables", "stats", *PROBING)


def _show_with(*modules: str) -> tuple[str, ...]:
    """The modules of `report` that a notebook shows what it wrote with: others may change without it."""
    return tuple(f"report/{name}.py" for name in modules)


# Each notebook. Executing it again redoes no finished work.
NOTEBOOKS = {
    "01_synthesize": (
        "pipeline/synthesize.py",
        "pipeline/choice_rates.py",
        "pipeline/training_sets.py",
        *_show_with("names", "palette", "save", "training_figures"),
        "tables",
        *PROBING,
    ),
    "02_train": (
        "pipeline/train.py",
        "pipeline/adapters.py",
        "pipeline/training_sets.py",
        *_show_with("names", "palette", "save", "training_figures"),
        *PROBING,
    ),
    "03_probe": (
        "pipeline/probe.py",
        "pipeline/kept.py",
        "pipeline/training_sets.py",
        *_show_with("coverage_text", "names", "next_words_text", "palette", "save", "shift_figures", "tables_text"),
        "tables",
        "stats",
        *PROBING,
    ),
    "04_test": (
        *_show_with("agreement_text", "bayes_text", "claim_figures", "claims_text", "coverage_text", "limits_text"),
        *_show_with("meta_analysis_text", "names", "next_words_text", "palette", "power_text", "registration_text"),
        *_show_with("save", "tables_text"),
        *ANALYSIS,
    ),
    "05_report": ("page", "report", *ANALYSIS),
    "06_placement": (
        *_show_with("design_figures", "names", "next_words_text", "palette", "save", "tables_text"),
        *ANALYSIS,
    ),
    "07_calibration": (*_show_with("bayes_text", "claim_figures", "limits_text", "names", "save"), *ANALYSIS),
    "08_mechanism": (
        "mechanism",
        "worlds",
        *_show_with("mechanism_adapters_text", "mechanism_figures", "mechanism_text", "names", "palette", "save"),
        *ANALYSIS,
    ),
}


@cache
def hash_code(places: tuple[str, ...], package: Path = PACKAGE) -> str:
    """SHA-256 over the names and bytes of every file of code in the named packages and files.

    Raises
    ------
    FileNotFoundError
        When a name is neither: it was renamed and this module was not.
    """
    found = sorted({path for place in places for path in _files(package, place)})
    return hash_text("".join(f"{path.relative_to(package).as_posix()} {hash_file(path)}\n" for path in found))


def _files(package: Path, place: str) -> Iterator[Path]:
    path = package / place
    if not path.exists():
        raise FileNotFoundError(f"{place}: no such package or file in {package.name}")
    return (file for file in path.rglob("*") if file.suffix in CODE) if path.is_dir() else iter([path])
