"""What a study would do next and why: decided by hashes alone, never by times of files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from priorshift.finished import (
    Run,
    choice_inputs,
    data_inputs,
    data_record,
    floor_run,
    is_trained,
    measurement_inputs,
    measurement_record,
    needs_prior,
    run_inputs,
    run_record,
    why_not,
)
from priorshift.params import LoadedStudy
from priorshift.provenance import file_hash, remove, text_hash, versions, write_record
from priorshift.source import notebook_roots, source_hash

NOTEBOOKS = Path("notebooks")
BY_MODEL = ("02_train", "03_probe")
STAGES = ("01_synthesize", *BY_MODEL, "04_test", "05_report")
# Parameters that a stage's notebook cannot see: a change in them leaves it finished.
UNSEEN = {"01_synthesize": {"inference"}, "02_train": {"inference", "probes"}}


@dataclass
class Step:
    """One stage, or one piece of work within it.

    Attributes
    ----------
    reason : why it is to be done; empty when it is finished
    """

    name: str
    reason: str


@dataclass
class Stage(Step):
    """One notebook, on one base model or on all of them, and the work that it does."""

    stage: str = ""
    base_model: str = ""
    work: list[Step] = field(default_factory=list)

    @property
    def todo(self) -> list[Step]:
        return [step for step in self.work if step.reason]


def make_plan(study: LoadedStudy) -> list[Stage]:
    """Every stage of the study in order, each with its work and with the reason where it is to be done."""
    runs = study.select("all", "all", "all")
    rates = {m.name: _rates(study, m.name) for m in study.params.models}
    data = {}
    for run in runs:
        record = data_record(study, run)
        if record not in data:
            before = rates[run[0]].reason if needs_prior(study, run[1]) else ""
            data[record] = _step(study, record, data_inputs(study, run), before and "after its choice rates")
    used = {run[0] for run in runs if needs_prior(study, run[1])}
    stages = [_stage(study, "01_synthesize", "", [*(rates[m] for m in rates if m in used), *data.values()], "")]
    trained = {}
    for base_model, own in _by_model(runs):
        learning = [run for run in own if is_trained(study, run)]
        for run in learning:
            before = data[data_record(study, run)].reason and "after its training set"
            earlier = study.params.predecessor(run[1])
            if earlier and trained[base_model, earlier, run[2]].reason:
                before = "after its earlier stage"
            trained[run] = _step(study, run_record(study, run), run_inputs(study, run), before)
        stages.append(_stage(study, "02_train", base_model, [trained[run] for run in learning], ""))
    for base_model, own in _by_model(runs):
        measured = []
        floor = floor_run(study, base_model)
        for run in own:
            needed = [run, floor] if floor and run[1] == floor[1] else [run]
            # Decisions in context are read from the training set: there is no run to wait for.
            steps = [trained[each] if is_trained(study, each) else data[data_record(study, each)] for each in needed]
            before = "after what it measures" if any(step.reason for step in steps) else ""
            measured.append(_step(study, measurement_record(study, run), measurement_inputs(study, run), before))
        stages.append(_stage(study, "03_probe", base_model, measured, ""))
    before = "after the measurements" if any(s.todo for s in stages if s.stage == "03_probe") else ""
    stages.append(_stage(study, "04_test", "", [], before))
    stages.append(_stage(study, "05_report", "", [], stages[-1].reason and "after the tables"))
    return stages


def _by_model(runs: list[Run]) -> list[tuple[str, list[Run]]]:
    return [(base_model, list(own)) for base_model, own in groupby(runs, key=lambda run: run[0])]


def _rates(study: LoadedStudy, base_model: str) -> Step:
    return _step(study, study.paths.choice_rates(base_model), choice_inputs(study, base_model), "")


def _step(study: LoadedStudy, record: Path, inputs: dict[str, str], before: str) -> Step:
    place = record if record.parent.name == "choice_rates" else record.parent
    return Step(place.relative_to(study.paths.root).as_posix(), why_not(record, inputs) or before)


def _stage(study: LoadedStudy, stage: str, base_model: str, work: list[Step], before: str) -> Stage:
    mark = study.paths.mark(stage, base_model)
    todo = sum(bool(step.reason) for step in work)
    reason = f"{todo} of {len(work)} to do" if todo else before
    reason = reason or why_not(mark, stage_inputs(study, stage, base_model), study.paths.root)
    return Stage(mark.stem, reason, stage, base_model, work)


# -- marks: what says that a stage is finished ---------------------------------------------------


def write_mark(study: LoadedStudy, stage: str, base_model: str) -> None:
    """Record that a stage's notebook has just been executed: what it was made from, and what it left."""
    files = [study.paths.executed(stage, base_model)]
    if stage == "04_test":
        files += sorted(study.paths.tables.glob("*.csv"))
    if stage == "05_report":
        files += [*sorted(study.paths.figures.glob("*.*")), study.paths.report]
    hashes = {path.relative_to(study.paths.root).as_posix(): file_hash(path) for path in files}
    mark = {"inputs": stage_inputs(study, stage, base_model), "hashes": hashes, "versions": versions()}
    write_record(study.paths.mark(stage, base_model), mark)


def stage_inputs(study: LoadedStudy, stage: str, base_model: str) -> dict[str, str]:
    """What a stage's notebook shows and writes is made from."""
    notebook = NOTEBOOKS / f"{stage}.ipynb"
    params = study.params.model_dump(mode="json", exclude=UNSEEN.get(stage, set()))
    files = [f"{path.name} {_hash_or_none(path)}\n" for path in _read_by(study, stage, base_model)]
    return {
        "notebook": file_hash(notebook),
        "source": source_hash(*notebook_roots(json.loads(notebook.read_text(encoding="utf-8")))),
        "params": text_hash(json.dumps(params, sort_keys=True)),
        "materials": study.materials_hash,
        "files": text_hash("".join(files)),
    }


def _read_by(study: LoadedStudy, stage: str, base_model: str) -> list[Path]:
    """The files of earlier stages that a stage reads, or the records that hold their hashes."""
    runs = study.select(base_model or "all", "all", "all")
    if stage == "02_train":
        return [data_record(study, run) for run in runs]
    if stage == "03_probe":
        return [run_record(study, run) for run in runs]
    if stage == "04_test":
        return [measurement_record(study, run) for run in runs]
    return sorted(study.paths.tables.glob("*.csv")) if stage == "05_report" else []


def _hash_or_none(path: Path) -> str:
    return file_hash(path) if path.is_file() else ""


# -- before a study goes on ------------------------------------------------------------------------


def prepare(study: LoadedStudy) -> list[Stage]:
    """Drop the marks of stages that are to be done, and what a killed study left half-written; returns the plan."""
    for path in sorted(study.paths.root.rglob(".*.tmp")):
        remove(path)
    stages = make_plan(study)
    for stage in stages:
        if stage.reason:
            study.paths.mark(stage.stage, stage.base_model).unlink(missing_ok=True)
            study.paths.manifest.unlink(missing_ok=True)
    return stages


def describe(stages: list[Stage]) -> str:
    """The plan as text: a line for each stage, and one for each piece of work that is to be done."""
    lines = []
    for stage in stages:
        lines.append(f"to do  {stage.name}  ({stage.reason})" if stage.reason else f"done   {stage.name}")
        lines += [f"         {step.name}  ({step.reason})" for step in stage.todo]
    todo = sum(len(stage.todo) for stage in stages), sum(bool(stage.reason) for stage in stages)
    return "\n".join([*lines, f"{todo[1]} of {len(stages)} stages and {todo[0]} pieces of work to do"])
