"""With which library versions, on which device and in which number type a study's results were made.

A newer library or another device redoes nothing: a patch release is no reason to train again. But results that were
made with different ones are never taken for alike without a word.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from priorshift.files import read_record
from priorshift.machine import list_versions
from priorshift.pipeline.records import is_trained, locate_measurement_record, locate_run_record
from priorshift.study.load import Study

if TYPE_CHECKING:  # a plan is made in a moment, without torch
    from priorshift.models.base import BaseModel

Environment = dict[str, dict[str, int]]  # python, torch, device, ... -> value -> how many records say so


def describe_loaded(base: BaseModel) -> dict:
    """Name what no input says and a result may still depend on, for the record beside it."""
    dtype = str(base.model.dtype).removeprefix("torch.")
    return {"device": base.device, "dtype": dtype, "versions": list_versions()}


def collect_settings(study: Study) -> Environment:
    """Collect what the records of choice rates, runs, measurements and tables say. Each counts once."""
    runs = study.select("all", "all", "all")
    paths = [study.paths.choice_rates(model.name) for model in study.params.models]
    paths += [locate_run_record(study, run) for run in runs if is_trained(study, run)]
    paths += [locate_measurement_record(study, run) for run in runs]
    found: dict[str, Counter] = {}
    for path in [*paths, study.paths.mark("04_test")]:
        record = read_record(path) or {}
        here = {name: record[name] for name in ("device", "dtype") if name in record}
        if record.get("training", {}).get("base_dtype"):  # the study says so: no difference from how it is probed
            here["dtype in training"] = here.pop("dtype")
        for name, value in (record.get("versions", {}) | here).items():
            found.setdefault(name, Counter())[value] += 1
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}


def describe_differences(settings: Environment) -> str:
    """Name in one line what was not the same for all of a study's results. Empty where all was."""
    mixed = [
        f"{name} {' and '.join(f'{value} ({count})' for value, count in counts.items())}"
        for name, counts in settings.items()
        if len(counts) > 1
    ]
    return f"Made with different settings (number of results): {'; '.join(mixed)}" if mixed else ""


def describe_settings(settings: Environment) -> str:
    """Say how the results that are there were made, and where these settings or those installed now differ."""
    if not settings:
        return "made with: nothing yet"
    lines = ["made with: " + ", ".join(f"{name} {' or '.join(counts)}" for name, counts in settings.items())]
    new = [f"{name} {value}" for name, value in list_versions().items() if value not in settings.get(name, {value})]
    if new:
        lines.append(f"installed now, for what is to do: {', '.join(new)}")
    return "\n".join([*lines, *filter(None, [describe_differences(settings)])])
