"""How the grid is cut into jobs: each stage's pieces, and what each waits for.

A piece is named as the folders of its results are: "" is the whole study, "<base model>" that model's runs, and
"<base model>/<condition>/seed-<seed>" one run.
"""

from __future__ import annotations

import shlex
from typing import get_args

from priorshift.pipeline.records import is_trained, reference_run
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run
from priorshift.study.sections import Analysis

BY_MODEL = ("02_train", "03_probe")
STAGES = ("01_synthesize", *BY_MODEL, *get_args(Analysis))


def pieces(study: LoadedStudy, stage: str) -> dict[str, list[Run]]:
    """The pieces of a stage, in order, and the runs that each works on.

    By run, those that train nothing have no piece of 02_train: there is nothing to show.
    """
    runs = study.select("all", "all", "all")
    if stage not in BY_MODEL:
        return {"": runs}
    by_run = study.params.shard == "run"
    found: dict[str, list[Run]] = {}
    for run in runs:
        if not by_run or stage == "03_probe" or is_trained(study, run):
            found.setdefault(str(run) if by_run else run.base_model, []).append(run)
    return found


def read_by(study: LoadedStudy, run: Run, stage: str) -> list[Run]:
    """The runs whose adapters a stage reads for a run: to train on from there, or to measure."""
    if stage == "02_train":
        earlier = study.params.predecessor(run.condition)
        return [run._replace(condition=earlier)] if earlier else []
    if not is_trained(study, run):
        return []
    reference = reference_run(study, run.base_model)
    return list(dict.fromkeys([run, reference] if reference else [run]))


def waits_for(study: LoadedStudy, stage: str) -> dict[str, list[str]]:
    """For each piece of 02_train or 03_probe, the pieces of 02_train that must be finished before it."""
    holder = {run: name for name, runs in pieces(study, "02_train").items() for run in runs}
    waits = {}
    for name, runs in pieces(study, stage).items():
        needed = dict.fromkeys(holder[each] for run in runs for each in read_by(study, run, stage))
        waits[name] = [each for each in needed if (stage, each) != ("02_train", name)]
    return waits


def arguments(piece: str) -> str:
    """What papermill is given, so that a notebook works on a piece; as text, since a name like `025` is no number."""
    values = piece.split("/") if piece else []
    values[2:] = [value.removeprefix("seed-") for value in values[2:]]
    names = ("base_model", "condition", "seed")
    return " ".join(f"-r {name} {shlex.quote(value)}" for name, value in zip(names, values, strict=False))
