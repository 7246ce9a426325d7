"""What a study would do next and why: decided by hashes alone, never by times of files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from priorshift.errors import ParamsError, RunError
from priorshift.files import file_hash, read_record, remove, text_hash, write_record
from priorshift.machine import versions
from priorshift.pipeline.code_hash import NOTEBOOKS, code_hash
from priorshift.pipeline.jobs import pieces, read_by
from priorshift.pipeline.records import (
    choice_inputs,
    data_inputs,
    data_record,
    is_trained,
    measurement_inputs,
    measurement_record,
    needs_prior,
    run_inputs,
    run_record,
    why_not,
)
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run

FOLDER = Path("notebooks")
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
    """One notebook on one piece of the grid, and the work that it does."""

    stage: str = ""
    piece: str = ""
    work: list[Step] = field(default_factory=list)

    @property
    def todo(self) -> list[Step]:
        return [step for step in self.work if step.reason]


def make_plan(study: LoadedStudy) -> list[Stage]:
    """Every stage of the study in order, each with its work and with the reason where it is to be done."""
    rates = {m.name: _rates(study, m.name) for m in study.params.models}
    data = _data_steps(study, rates)
    used = {run.base_model for run in study.select("all", "all", "all") if needs_prior(study, run.condition)}
    stages = _stages(study, "01_synthesize", {"": [*(rates[m] for m in rates if m in used), *data.values()]})
    trained: dict[Run, Step] = {}
    learning = {
        piece: [_run_step(study, run, data, trained) for run in runs if is_trained(study, run)]
        for piece, runs in pieces(study, "02_train").items()
    }
    stages += _stages(study, "02_train", learning)
    measured = {
        piece: [_measurement_step(study, run, data, trained) for run in runs]
        for piece, runs in pieces(study, "03_probe").items()
    }
    probing = _stages(study, "03_probe", measured)
    before, analyses = "after the measurements" if any(stage.todo for stage in probing) else "", []
    # The report comes last: it shows the tables of the others.
    for stage in sorted(study.params.analyses, key=lambda name: (name == "05_report", name)):
        if stage == "05_report":
            before = "after the tables" if any(other.reason for other in analyses) else ""
        analyses += _stages(study, stage, {}, before)
    return [*stages, *probing, *analyses]


def _data_steps(study: LoadedStudy, rates: dict[str, Step]) -> dict[Path, Step]:
    """The training sets, by their records: runs may share one."""
    data = {}
    for run in study.select("all", "all", "all"):
        record = data_record(study, run)
        if record not in data:
            before = rates[run.base_model].reason if needs_prior(study, run.condition) else ""
            data[record] = _step(study, record, data_inputs(study, run), before and "after its choice rates")
    return data


def _run_step(study: LoadedStudy, run: Run, data: dict[Path, Step], trained: dict[Run, Step]) -> Step:
    """The training of a run, which is added to `trained`."""
    before = data[data_record(study, run)].reason and "after its training set, if that changes"
    if any(trained[each].reason for each in read_by(study, run, "02_train")):
        before = "after its earlier stage"
    trained[run] = _step(study, run_record(study, run), run_inputs(study, run), before)
    return trained[run]


def _measurement_step(study: LoadedStudy, run: Run, data: dict[Path, Step], trained: dict[Run, Step]) -> Step:
    steps = [trained[each] for each in read_by(study, run, "03_probe")]
    if not is_trained(study, run):
        # Decisions in context are read from the training set: there is no run to wait for.
        steps.append(data[data_record(study, run)])
    before = "after a run that it reads, if that changes" if any(step.reason for step in steps) else ""
    return _step(study, measurement_record(study, run), measurement_inputs(study, run), before)


def _rates(study: LoadedStudy, base_model: str) -> Step:
    return _step(study, study.paths.choice_rates(base_model), choice_inputs(study, base_model), "")


def _step(study: LoadedStudy, record: Path, inputs: dict[str, str], before: str) -> Step:
    place = record if record.parent.name == "choice_rates" else record.parent
    return Step(place.relative_to(study.paths.root).as_posix(), why_not(record, inputs) or before)


def _stages(study: LoadedStudy, stage: str, work: dict[str, list[Step]], before: str = "") -> list[Stage]:
    """A stage's pieces, each with its work; `before` is why all of them are to be done."""
    shared = _shared_inputs(study, stage)
    return [
        _stage(study, stage, piece, runs, work.get(piece, []), shared, before)
        for piece, runs in pieces(study, stage).items()
    ]


def _stage(
    study: LoadedStudy, stage: str, piece: str, runs: list[Run], work: list[Step], shared: dict, before: str
) -> Stage:
    mark = study.paths.mark(stage, piece)
    todo = sum(bool(step.reason) for step in work)
    reason = f"{todo} of {len(work)} to do" if todo else before
    reason = reason or why_not(mark, shared | _own_inputs(study, stage, runs), study.paths.root)
    name = mark.relative_to(study.paths.stages).with_suffix("").as_posix()
    return Stage(name, reason, stage, piece, work)


# -- marks: what says that a stage is finished ---------------------------------------------------


def write_mark(study: LoadedStudy, stage: str, piece: str) -> None:
    """Record that a stage's notebook has just been executed: what it was made from, and what it left.

    Raises
    ------
    RunError
        When the notebook, its code, the params or the materials are no longer what they were when the study was begun:
        which of the two the results are made from cannot be known.
    """
    known = pieces(study, stage)
    if piece not in known:
        raise ParamsError(f"piece: found {piece!r}; {stage} of {study.params.study!r} has {len(known)}: {_some(known)}")
    shared = _shared_inputs(study, stage)
    begun = (read_record(study.paths.begun) or {}).get(stage, {})
    if edited := [key for key in shared if begun.get(key) != shared[key]]:
        raise RunError(
            f"{stage}: {', '.join(edited)} changed while the study ran; go on with `make study`: what is done is kept"
        )
    files = [study.paths.executed(stage, piece), *study.paths.owned(stage)]
    if stage == "05_report":
        files.append(study.paths.report)
    hashes = {path.relative_to(study.paths.root).as_posix(): file_hash(path) for path in files}
    inputs = shared | _own_inputs(study, stage, known[piece])
    write_record(study.paths.mark(stage, piece), {"inputs": inputs, "hashes": hashes, "versions": versions()})


def _some(names: Iterable[str]) -> str:
    shown = [repr(name) for name in islice(names, 4)]
    return ", ".join([*shown[:3], "..."] if len(shown) > 3 else shown)


def _shared_inputs(study: LoadedStudy, stage: str) -> dict[str, str]:
    """What every piece of a stage is made from."""
    notebook = FOLDER / f"{stage}.ipynb"
    try:
        json.loads(notebook.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"notebooks/{notebook.name}: is missing or damaged (no JSON); get it again") from None
    params = study.params.model_dump(mode="json", exclude=UNSEEN.get(stage, set()))
    return {
        "notebook": file_hash(notebook),
        "code": code_hash(NOTEBOOKS[stage]),
        "params": text_hash(json.dumps(params, sort_keys=True)),
        "materials": study.materials_hash,
    }


def _own_inputs(study: LoadedStudy, stage: str, runs: list[Run]) -> dict[str, str]:
    """What one piece of a stage is made from: files of earlier stages, or the records that hold their hashes."""
    if stage == "01_synthesize":
        paths = []
    elif stage == "05_report":
        paths = sorted(study.paths.tables.glob("*.csv"))
    else:
        record = {"02_train": data_record, "03_probe": run_record}.get(stage, measurement_record)
        paths = [record(study, run) for run in runs]
    return {"files": text_hash("".join(f"{path.name} {_hash_or_none(path)}\n" for path in paths))}


def _hash_or_none(path: Path) -> str:
    return file_hash(path) if path.is_file() else ""


# -- before a study goes on ------------------------------------------------------------------------


def prepare(study: LoadedStudy) -> list[Stage]:
    """Drop the marks of stages that are to be done, and what a killed study left half-written; returns the plan.

    What the stages begin with is written down, so that no mark can stand for what was edited while they ran.
    """
    for path in sorted(study.paths.root.rglob(".*.tmp")):
        remove(path)
    stages = make_plan(study)
    for stage in stages:
        if stage.reason:
            study.paths.mark(stage.stage, stage.piece).unlink(missing_ok=True)
    recorded = read_record(study.paths.manifest) or {}
    of_this = (recorded.get("params_hash"), recorded.get("materials_hash")) == (study.params_hash, study.materials_hash)
    if any(stage.reason for stage in stages) or not of_this:
        study.paths.manifest.unlink(missing_ok=True)
    begun = {stage: _shared_inputs(study, stage) for stage in {each.stage for each in stages}}
    if read_record(study.paths.begun) != begun:
        write_record(study.paths.begun, begun)
    return stages


def describe(stages: list[Stage]) -> str:
    """The plan as text: a line for each stage, and one for each piece of work that is to be done."""
    lines = []
    for stage in stages:
        lines.append(f"to do  {stage.name}  ({stage.reason})" if stage.reason else f"done   {stage.name}")
        lines += [f"         {step.name}  ({step.reason})" for step in stage.todo]
    todo = sum(len(stage.todo) for stage in stages), sum(bool(stage.reason) for stage in stages)
    return "\n".join([*lines, f"{todo[1]} of {len(stages)} stages and {todo[0]} pieces of work to do"])
