"""What a study would do next and why: decided by hashes alone, never by times of files (docs/how_resume_works.md).

A mark is the record of a job: one notebook, executed on one shard of the runs. Its inputs are the notebook, its code,
the parameters, the materials and the records that it read, for notebook 04 the study's registration too. Its files are
the executed notebook, and the tables and figures that it wrote. Versions of libraries are recorded, and redo nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from priorshift.errors import ParamsError, RunError
from priorshift.files import hash_file, hash_text, read_record, remove, write_record
from priorshift.machine import list_versions
from priorshift.pipeline.code_hash import NOTEBOOKS, hash_code
from priorshift.pipeline.jobs import list_adapters_read, list_shards
from priorshift.pipeline.records import (
    explain_unfinished,
    hash_choice_inputs,
    hash_data_inputs,
    hash_measurement_inputs,
    hash_run_inputs,
    is_trained,
    locate_data_record,
    locate_measurement_record,
    locate_run_record,
    needs_choice_rates,
)
from priorshift.pipeline.registration import locate_registration
from priorshift.pipeline.study_worlds import list_worlds_files
from priorshift.study.load import Study
from priorshift.study.run import Run

FOLDER = Path("notebooks")
# Parameters that a notebook cannot see: a change in them leaves it finished.
UNSEEN = {
    "01_synthesize": {"inference", "mechanism"},
    "02_train": {"inference", "probes", "mechanism"},
    **{notebook: {"mechanism"} for notebook in ("03_probe", "04_test", "06_placement", "07_calibration")},
}


@dataclass
class Step:
    """One piece of work: choice rates, a training set, a run, or a run's measurements.

    Attributes
    ----------
    name : its folder or file below the study's
    reason : why it is to be done; empty when it is finished
    """

    name: str
    reason: str


@dataclass
class Job(Step):
    """One notebook on one shard of the runs, and the work that it does."""

    notebook: str = ""
    shard: str = ""
    work: list[Step] = field(default_factory=list)

    @property
    def todo(self) -> list[Step]:
        """The work that is not finished."""
        return [step for step in self.work if step.reason]


def make_plan(study: Study) -> list[Job]:
    """List every job of the study in order, each with its work and with the reason where it is to be done."""
    rates = {m.name: _plan_choice_rates(study, m.name) for m in study.params.models}
    data = _plan_data(study, rates)
    used = {run.base_model for run in study.select("all", "all", "all") if needs_choice_rates(study, run.condition)}
    jobs = _plan_notebook(study, "01_synthesize", {"": [*(rates[m] for m in rates if m in used), *data.values()]})
    trained: dict[Run, Step] = {}
    training = {
        shard: [_plan_run(study, run, data, trained) for run in runs if is_trained(study, run)]
        for shard, runs in list_shards(study, "02_train").items()
    }
    jobs += _plan_notebook(study, "02_train", training)
    probing = {
        shard: [_plan_measurement(study, run, data, trained) for run in runs]
        for shard, runs in list_shards(study, "03_probe").items()
    }
    jobs += (measuring := _plan_notebook(study, "03_probe", probing))
    before, analyses = "after the measurements" if any(job.todo for job in measuring) else "", []
    # The report comes last: it shows the tables of the others.
    for notebook in sorted(study.params.analyses, key=lambda name: (name == "05_report", name)):
        if notebook == "05_report":
            before = "after the tables" if any(other.reason for other in analyses) else ""
        analyses += _plan_notebook(study, notebook, {}, before)
    return [*jobs, *analyses]


def _plan_data(study: Study, rates: dict[str, Step]) -> dict[Path, Step]:
    """The training sets, by their records: runs may share one."""
    data = {}
    for run in study.select("all", "all", "all"):
        record = locate_data_record(study, run)
        if record not in data:
            before = rates[run.base_model].reason if needs_choice_rates(study, run.condition) else ""
            data[record] = _plan_work(study, record, hash_data_inputs(study, run), before and "after its choice rates")
    return data


def _plan_run(study: Study, run: Run, data: dict[Path, Step], trained: dict[Run, Step]) -> Step:
    """The training of a run, which is added to `trained`."""
    before = data[locate_data_record(study, run)].reason and "after its training set, if that changes"
    if any(trained[each].reason for each in list_adapters_read(study, run, "02_train")):
        before = "after its earlier stage"
    trained[run] = _plan_work(study, locate_run_record(study, run), hash_run_inputs(study, run), before)
    return trained[run]


def _plan_measurement(study: Study, run: Run, data: dict[Path, Step], trained: dict[Run, Step]) -> Step:
    steps = [trained[each] for each in list_adapters_read(study, run, "03_probe")]
    if not is_trained(study, run):
        # Decisions in context are read from the training set: there is no run to wait for.
        steps.append(data[locate_data_record(study, run)])
    before = "after a run that it reads, if that changes" if any(step.reason for step in steps) else ""
    return _plan_work(study, locate_measurement_record(study, run), hash_measurement_inputs(study, run), before)


def _plan_choice_rates(study: Study, base_model: str) -> Step:
    return _plan_work(study, study.paths.choice_rates(base_model), hash_choice_inputs(study, base_model), "")


def _plan_work(study: Study, record: Path, inputs: dict[str, str], before: str) -> Step:
    place = record if record.parent.name == "choice_rates" else record.parent
    return Step(place.relative_to(study.paths.root).as_posix(), explain_unfinished(record, inputs) or before)


def _plan_notebook(study: Study, notebook: str, work: dict[str, list[Step]], before: str = "") -> list[Job]:
    """A notebook's jobs, each with its work. `before` is why all of them are to be done."""
    shared, jobs = _hash_shared_inputs(study, notebook), []
    for shard, runs in list_shards(study, notebook).items():
        mark, steps = study.paths.mark(notebook, shard), work.get(shard, [])
        todo = sum(bool(step.reason) for step in steps)
        reason = f"{todo} of {len(steps)} to do" if todo else before
        reason = reason or explain_unfinished(mark, shared | hash_job_inputs(study, notebook, runs), study.paths.root)
        name = mark.relative_to(study.paths.marks).with_suffix("").as_posix()
        jobs.append(Job(name, reason, notebook, shard, steps))
    return jobs


# -- marks: what says that a job is finished -----------------------------------------------------


def write_mark(study: Study, notebook: str, shard: str) -> None:
    """Record that a notebook has just been executed: what it was made from, and what it left.

    Raises
    ------
    ParamsError
        When the notebook has no such shard.
    RunError
        When the notebook, its code, the params or the materials are no longer what they were when the study was begun:
        which of the two the results are made from cannot be known.
    """
    known = list_shards(study, notebook)
    if shard not in known:
        raise ParamsError(
            f"shard: found {shard!r}; {notebook} of {study.params.study!r} has {len(known)}: {_list_some(known)}"
        )
    shared = _hash_shared_inputs(study, notebook)
    begun = (read_record(study.paths.begun) or {}).get(notebook, {})
    if edited := [key for key in shared if begun.get(key) != shared[key]]:
        what = ", ".join(edited)
        raise RunError(f"{notebook}: {what} changed while the study ran; go on with `make study`: what is done is kept")
    files = [study.paths.executed(notebook, shard), *study.paths.list_written(notebook)]
    if notebook == "05_report":
        files.append(study.paths.report)
    hashes = {path.relative_to(study.paths.root).as_posix(): hash_file(path) for path in files}
    inputs = shared | hash_job_inputs(study, notebook, known[shard])
    write_record(study.paths.mark(notebook, shard), {"inputs": inputs, "hashes": hashes, "versions": list_versions()})


def _list_some(names: Iterable[str]) -> str:
    shown = [repr(name) for name in islice(names, 4)]
    return ", ".join([*shown[:3], "..."] if len(shown) > 3 else shown)


def _hash_shared_inputs(study: Study, notebook: str) -> dict[str, str]:
    """What every job of a notebook is made from."""
    path = FOLDER / f"{notebook}.ipynb"
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"notebooks/{path.name}: is missing or damaged (no JSON); get it again") from None
    params = study.params.model_dump(mode="json", exclude=UNSEEN.get(notebook, set()))
    return {
        "notebook": hash_file(path),
        "code": hash_code(NOTEBOOKS[notebook]),
        "params": hash_text(json.dumps(params, sort_keys=True)),
        "materials": study.materials_hash,
    }


def hash_job_inputs(study: Study, notebook: str, runs: list[Run]) -> dict[str, str]:
    """What one job is made from: files of earlier notebooks, or the records that hold their hashes."""
    if notebook == "01_synthesize":
        paths = []
    elif notebook == "05_report":
        paths = sorted(study.paths.tables.glob("*.csv"))
    else:
        locate = {"02_train": locate_data_record, "03_probe": locate_run_record}.get(
            notebook, locate_measurement_record
        )
        paths = [locate(study, run) for run in runs]
        if notebook == "04_test" and (registration := locate_registration(study)).exists():
            paths.append(registration)
        if notebook == "08_mechanism":
            paths += list_worlds_files(study)
    return {"files": hash_text("".join(f"{path.name} {hash_file(path) if path.is_file() else ''}\n" for path in paths))}


# -- before a study goes on ------------------------------------------------------------------------


def prepare_study(study: Study) -> list[Job]:
    """Drop the marks of jobs that are to be done, and what a killed study left half-written. Returns the plan.

    What the notebooks begin with is written down, so that no mark can stand for what was edited while they ran.
    """
    for path in sorted(study.paths.root.rglob(".*.tmp")):
        remove(path)
    remove(study.paths.progress)
    jobs = make_plan(study)
    for job in jobs:
        if job.reason:
            study.paths.mark(job.notebook, job.shard).unlink(missing_ok=True)
    recorded = read_record(study.paths.manifest) or {}
    of_this = (recorded.get("params_hash"), recorded.get("materials_hash")) == (study.params_hash, study.materials_hash)
    if any(job.reason for job in jobs) or not of_this:
        study.paths.manifest.unlink(missing_ok=True)
    begun = {notebook: _hash_shared_inputs(study, notebook) for notebook in {job.notebook for job in jobs}}
    if read_record(study.paths.begun) != begun:
        write_record(study.paths.begun, begun)
    return jobs


def describe_plan(jobs: list[Job]) -> str:
    """Write the plan as text: a line for each job, and one for each piece of work that is to be done."""
    lines = []
    for job in jobs:
        lines.append(f"to do  {job.name}  ({job.reason})" if job.reason else f"done   {job.name}")
        lines += [f"         {step.name}  ({step.reason})" for step in job.todo]
    todo = sum(len(job.todo) for job in jobs), sum(bool(job.reason) for job in jobs)
    return "\n".join([*lines, f"{todo[1]} of {len(jobs)} jobs and {todo[0]} pieces of work to do"])
