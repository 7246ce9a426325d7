"""With which library versions, on which device and in which number type a study's results were made.

A newer library or another device redoes nothing: a patch release is no reason to train again. But results that were
made with different ones are never taken for alike without a word.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from priorshift.files import read_record
from priorshift.machine import versions
from priorshift.pipeline.records import is_trained, measurement_record, run_record
from priorshift.study.load import LoadedStudy

if TYPE_CHECKING:  # a plan is made in a moment, without torch
    from priorshift.models.base import BaseModel

Settings = dict[str, dict[str, int]]  # python, torch, device, ... -> value -> how many records say so


def describe_loaded(base: BaseModel) -> dict:
    """What no input names and a result may still hang on, for the record beside it."""
    dtype = str(base.model.dtype).removeprefix("torch.")
    return {"device": base.device, "dtype": dtype, "versions": versions()}


def made_with(study: LoadedStudy) -> Settings:
    """What the records of choice rates, runs, measurements and tables say; each counts once."""
    runs = study.select("all", "all", "all")
    paths = [study.paths.choice_rates(model.name) for model in study.params.models]
    paths += [run_record(study, run) for run in runs if is_trained(study, run)]
    paths += [measurement_record(study, run) for run in runs]
    found: dict[str, Counter] = {}
    for path in [*paths, study.paths.mark("04_test")]:
        record = read_record(path) or {}
        here = {name: record[name] for name in ("device", "dtype") if name in record}
        for name, value in (record.get("versions", {}) | here).items():
            found.setdefault(name, Counter())[value] += 1
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}


def differences(settings: Settings) -> str:
    """One line that names what was not the same for all of a study's results; empty where all was."""
    mixed = [
        f"{name} {' and '.join(f'{value} ({count})' for value, count in counts.items())}"
        for name, counts in settings.items()
        if len(counts) > 1
    ]
    return f"Made with different settings (number of results): {'; '.join(mixed)}" if mixed else ""


def describe_settings(settings: Settings) -> str:
    """What `make plan` says: the settings of the results that are there, and where they or those installed differ."""
    if not settings:
        return "made with: nothing yet"
    lines = ["made with: " + ", ".join(f"{name} {' or '.join(counts)}" for name, counts in settings.items())]
    new = [f"{name} {value}" for name, value in versions().items() if value not in settings.get(name, {value})]
    if new:
        lines.append(f"installed now, for what is to do: {', '.join(new)}")
    return "\n".join([*lines, *filter(None, [differences(settings)])])
