"""What is finished, and if not, why: a record must be whole, its files as recorded, its inputs those of the study.

Four kinds of work leave a record: choice rates of a base model, a training set, a run, and a run's measurements. The
inputs of each are hashes of exactly what it was made from; whatever else changes, it stays finished.
"""

from __future__ import annotations

import json
from pathlib import Path

from priorshift.errors import RunError
from priorshift.files import file_hash, read_record, text_hash
from priorshift.models.files import base_hash, locate
from priorshift.pipeline.code_hash import WORK, code_hash
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run


def why_not(record_path: Path, inputs: dict[str, str] | None, folder: Path | None = None, files: bool = True) -> str:
    """Why the work of a record is not finished; empty when it is.

    Parameters
    ----------
    inputs : hashes of what it should have been made from; None accepts any
    folder : where the recorded files lie; the record's own folder where None
    files : whether the recorded files are looked at
    """
    record = read_record(record_path)
    if record is None or not {"inputs", "hashes"} <= record.keys():
        return f"{record_path.name} is damaged" if record_path.exists() else "not there"
    for name, digest in record["hashes"].items() if files else ():
        path = (folder or record_path.parent) / name
        if not path.is_file():
            return f"{name} is missing"
        if file_hash(path) != digest:
            return f"{name} is damaged"
    changed = [key for key in inputs or () if record["inputs"].get(key) != inputs[key]]
    return f"changed: {', '.join(changed)}" if changed else ""


def finished(record_path: Path, inputs: dict[str, str] | None = None) -> dict | None:
    """The record of finished work, or None."""
    return None if why_not(record_path, inputs) else read_record(record_path)


def needs_prior(study: LoadedStudy, condition: str) -> bool:
    """Whether a condition's training data depend on the base model's own choice rates."""
    return study.params.conditions[study.params.lesson(condition)].policy == "prior"


def is_trained(study: LoadedStudy, run: Run) -> bool:
    """Whether a run has an adapter: decisions put in context train nothing."""
    return not study.params.conditions[run.condition].in_context


def choice_inputs(study: LoadedStudy, base_model: str) -> dict[str, str]:
    """What a base model's choice rates are made from."""
    return {
        "base_model": _base_hash(study, base_model, study.paths.choice_rates(base_model)),
        "domains": _hash(study.params.train_domains),
        "probes": _hash(study.params.probes.model_dump(mode="json")),
        "materials": study.materials_hash,
        "code": code_hash(WORK["choice_rates"]),
    }


def data_record(study: LoadedStudy, run: Run) -> Path:
    """The record beside a run's training set, which runs of other base models may share."""
    base_model, condition, seed = run.base_model, study.params.lesson(run.condition), run.seed
    return study.paths.data(condition, seed, base_model if needs_prior(study, condition) else "") / "audit.json"


def data_inputs(study: LoadedStudy, run: Run) -> dict[str, str]:
    """What a run's training set is made from."""
    params = study.params
    inputs = {
        "condition": _hash(params.conditions[params.lesson(run.condition)].model_dump(mode="json")),
        "domains": _hash([params.train_domains, params.held_out_domains]),
        "training": _hash(params.training.model_dump(mode="json")),
        "materials": study.materials_hash,
        "code": code_hash(WORK["training_set"]),
    }
    if needs_prior(study, run.condition):
        rates = read_record(study.paths.choice_rates(run.base_model)) or {}
        inputs["choice_rates"] = _hash(rates.get("rates"))
    return inputs


def run_inputs(study: LoadedStudy, run: Run, backend: str = "") -> dict[str, str]:
    """What a run is made from.

    Parameters
    ----------
    backend : who trains it; where the study leaves the choice to the machine (auto), a run that is there is taken
        as it is, whoever trained it
    """
    earlier = study.params.predecessor(run.condition)
    if study.params.backend != "auto":
        backend = study.params.backend
    elif not backend:
        backend = (read_record(run_record(study, run)) or {}).get("backend", "")
    return {
        "base_model": _base_hash(study, run.base_model, run_record(study, run)),
        "data": _data_hash(study, run),
        "start": _adapter_hash(study, run._replace(condition=earlier)) if earlier else "",
        "training": _hash(study.params.training_of(run.condition).model_dump(mode="json")),
        "backend": backend,
        "code": code_hash(WORK["run"]),
    }


def _base_hash(study: LoadedStudy, base_model: str, record_path: Path) -> str:
    """A base model's files (or commit), what its card says it is, and how it is loaded and read.

    Where a hub model is not at hand its commit is not known: finished work, made elsewhere, is taken at its word.
    """
    params = study.params.base_model(base_model)
    if not (made_of := base_hash(params)):
        return (read_record(record_path) or {}).get("inputs", {}).get("base_model", "")
    card, loading = locate(params)[1], params.model_dump(include={"prompt_style", "load_in_4bit", "dtype"})
    return _hash([made_of, loading, card.get("world", ""), card.get("architecture", "")])


def _data_hash(study: LoadedStudy, run: Run) -> str:
    record = read_record(data_record(study, run)) or {}
    return record.get("hashes", {}).get("train.jsonl", "")


def run_record(study: LoadedStudy, run: Run) -> Path:
    """The record of a run."""
    return study.paths.run(*run) / "run.json"


def reference_run(study: LoadedStudy, base_model: str) -> Run | None:
    """The run that other runs' distributions are compared with: the first neutral one."""
    neutral = study.params.neutral
    return Run(base_model, neutral, study.params.seeds[0]) if neutral else None


def measurement_record(study: LoadedStudy, run: Run) -> Path:
    """The record of a run's measurements."""
    return study.paths.measurements(*run) / "measured.json"


def measurement_inputs(study: LoadedStudy, run: Run) -> dict[str, str]:
    """What a run's measurements are made from."""
    reference, trained = reference_run(study, run.base_model), is_trained(study, run)
    compared = trained and reference is not None and run != reference
    told = study.params.conditions[run.condition].in_context
    return {
        "adapter": _adapter_hash(study, run) if trained else "",
        "told": _hash([told, _data_hash(study, run)]) if told else "",
        "reference": _adapter_hash(study, reference) if compared else "",
        "base_model": _base_hash(study, run.base_model, measurement_record(study, run)),
        "probes": _hash(study.params.probes.model_dump(mode="json")),
        # The other criteria leave items out of the tests; every item is measured.
        "ambiguous_tokenization": _hash(study.params.exclusion.ambiguous_tokenization),
        "domains": _hash([study.params.train_domains, study.params.held_out_domains]),
        "materials": study.materials_hash,
        "code": code_hash(WORK["measurements"]),
    }


def _adapter_hash(study: LoadedStudy, run: Run) -> str:
    record = read_record(run_record(study, run))
    return _hash(record["hashes"]) if record else ""


# -- what a step reads: finished and made from what the study says now, or refused by name -------------------


def require_data(study: LoadedStudy, run: Run, files: bool = True) -> dict:
    """The record of a run's training set; raises RunError naming what is wrong and the notebook that makes it."""
    return _require(data_record(study, run), data_inputs(study, run), files, "01_synthesize", run)


def require_run(study: LoadedStudy, run: Run, files: bool = True) -> dict:
    """The record of a run, as `require_data`; that of all that it was made from counts too."""
    require_data(study, run, files=False)
    if earlier := study.params.predecessor(run.condition):
        require_run(study, run._replace(condition=earlier), files=False)
    return _require(run_record(study, run), run_inputs(study, run), files, "02_train", run)


def adapter_folder(study: LoadedStudy, run: Run) -> Path:
    """Where the adapter of a finished run lies; raises RunError, as `require_run`, where it is not finished."""
    require_run(study, run)
    return run_record(study, run).parent / "adapter"


def require_measurements(study: LoadedStudy, run: Run) -> dict:
    """The record of a run's measurements, as `require_run`."""
    before = require_run if is_trained(study, run) else require_data
    before(study, run, files=False)
    return _require(measurement_record(study, run), measurement_inputs(study, run), True, "03_probe", run)


def _require(record_path: Path, inputs: dict[str, str], files: bool, notebook: str, run: Run) -> dict:
    reason = why_not(record_path, inputs, files=files)
    if reason:
        raise RunError(f"{record_path.parent}: {reason}; run notebooks/{notebook}.ipynb for {run} first")
    return read_record(record_path)


def _hash(value: object) -> str:
    return text_hash(json.dumps(value, sort_keys=True))
