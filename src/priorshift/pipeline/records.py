"""What is finished, and if not, why: a record must be whole, its files as recorded, its inputs those of the study.

Four kinds of work leave a record: choice rates of a base model, a training set, a run, and a run's measurements. The
inputs of each are hashes of exactly what it was made from. Whatever else changes, it stays finished.
"""

from __future__ import annotations

import json
from pathlib import Path

from priorshift.errors import RunError
from priorshift.files import hash_file, hash_text, read_record
from priorshift.machine import read_clock
from priorshift.models.files import hash_base_model, locate
from priorshift.pipeline.code_hash import WORK, hash_code
from priorshift.study.load import Study
from priorshift.study.run import Run
from priorshift.training.examples import list_anchor_texts


def explain_unfinished(
    record_path: Path, inputs: dict[str, str] | None, folder: Path | None = None, check_files: bool = True
) -> str:
    """Say why the work of a record is not finished. Empty when it is.

    Parameters
    ----------
    inputs : hashes of what it should have been made from; None accepts any
    folder : where the recorded files lie; the record's own folder where None
    check_files : whether the recorded files are looked at too
    """
    record = read_record(record_path)
    if record is None or not {"inputs", "hashes"} <= record.keys():
        return f"{record_path.name} is damaged" if record_path.exists() else "not there"
    for name, digest in record["hashes"].items() if check_files else ():
        path = (folder or record_path.parent) / name
        if not path.is_file():
            return f"{name} is missing"
        if hash_file(path) != digest:
            return f"{name} is damaged"
    changed = [key for key in inputs or () if record["inputs"].get(key) != inputs[key]]
    return f"changed: {', '.join(changed)}" if changed else ""


def read_finished(record_path: Path, inputs: dict[str, str] | None = None) -> dict | None:
    """Read the record of finished work. None where it is not finished."""
    return None if explain_unfinished(record_path, inputs) else read_record(record_path)


def needs_choice_rates(study: Study, condition: str) -> bool:
    """Whether a condition's training data depend on the base model's own choice rates."""
    return study.params.conditions[study.params.find_last_stage(condition)].policy == "prior"


def is_trained(study: Study, run: Run) -> bool:
    """Whether a run has an adapter: decisions put in context train nothing."""
    return not study.params.conditions[run.condition].in_context


def hash_choice_inputs(study: Study, base_model: str) -> dict[str, str]:
    """Hash what a base model's choice rates are made from."""
    return {
        "base_model": _base_hash(study, base_model, study.paths.choice_rates(base_model)),
        "domains": _hash(study.params.train_domains),
        "probes": _hash(study.params.probes.model_dump(mode="json")),
        "materials": study.materials_hash,
        "code": hash_code(WORK["choice_rates"]),
    }


def locate_data_record(study: Study, run: Run) -> Path:
    """Where the record of a run's training set lies. Runs of other base models may share it."""
    base_model, condition, seed = run.base_model, study.params.find_last_stage(run.condition), run.seed
    return study.paths.data(condition, seed, base_model if needs_choice_rates(study, condition) else "") / "audit.json"


def hash_data_inputs(study: Study, run: Run) -> dict[str, str]:
    """Hash what a run's training set is made from."""
    params = study.params
    inputs = {
        "condition": _hash(params.conditions[params.find_last_stage(run.condition)].model_dump(mode="json")),
        "domains": _hash([params.train_domains, params.held_out_domains]),
        "training": _hash(params.training.model_dump(mode="json")),
        "materials": study.materials_hash,
        "code": hash_code(WORK["training_set"]),
    }
    if needs_choice_rates(study, run.condition):
        rates = read_record(study.paths.choice_rates(run.base_model)) or {}
        inputs["choice_rates"] = _hash(rates.get("rates"))
    return inputs


def hash_run_inputs(study: Study, run: Run, backend: str = "") -> dict[str, str]:
    """Hash what a run is made from.

    Parameters
    ----------
    backend : who trains it; where the study leaves the choice to the machine (auto), a run that is there is taken
        as it is, whoever trained it
    """
    earlier = study.params.find_start(run.condition)
    if study.params.backend != "auto":
        backend = study.params.backend
    elif not backend:
        backend = (read_record(locate_run_record(study, run)) or {}).get("backend", "")
    training = study.params.resolve_training(run.condition)
    anchor = {"anchor": _hash(list_anchor_texts(study.params, study.materials))} if training.anchor_weight else {}
    return anchor | {
        "base_model": _base_hash(study, run.base_model, locate_run_record(study, run)),
        "data": _data_hash(study, run),
        "start": _adapter_hash(study, run._replace(condition=earlier)) if earlier else "",
        "training": _hash(training.model_dump(mode="json")),
        "backend": backend,
        "code": hash_code(WORK["run"]),
    }


def _base_hash(study: Study, base_model: str, record_path: Path) -> str:
    """A base model's files (or commit), what its card says it is, and how it is loaded and read.

    Where a hub model is not at hand its commit is not known: finished work, made elsewhere, is taken at its word.
    """
    params = study.params.find_base_model(base_model)
    if not (made_of := hash_base_model(params)):
        return (read_record(record_path) or {}).get("inputs", {}).get("base_model", "")
    card, loading = locate(params)[1], params.model_dump(include={"prompt_style", "load_in_4bit", "dtype"})
    return _hash([made_of, loading, card.get("world", ""), card.get("architecture", "")])


def _data_hash(study: Study, run: Run) -> str:
    record = read_record(locate_data_record(study, run)) or {}
    return record.get("hashes", {}).get("train.jsonl", "")


def locate_run_record(study: Study, run: Run) -> Path:
    """Where the record of a run lies."""
    return study.paths.run(*run) / "run.json"


def choose_reference_run(study: Study, base_model: str) -> Run | None:
    """Choose the run that other runs' distributions are compared with: the first neutral one, if there is any."""
    neutral = study.params.neutral
    return Run(base_model, neutral, study.params.seeds[0]) if neutral else None


def locate_measurement_record(study: Study, run: Run) -> Path:
    """Where the record of a run's measurements lies."""
    return study.paths.measurements(*run) / "measured.json"


def date_measurement(study: Study, run: Run) -> str:
    """When a run was measured first (UTC): what its record says, or else now. Measuring it again keeps that date.

    Empty where an earlier record has no date.
    """
    record = read_record(locate_measurement_record(study, run))
    return read_clock() if record is None else record.get("first_measured", "")


def find_first_measurement(study: Study) -> str | None:
    """When the first run in a study's folder was measured (UTC), also of runs that the study has no more.

    None where there is none, and empty where a record has no date.
    """
    found = [read_record(path) for path in study.paths.root.glob("measurements/*/*/*/measured.json")]
    return min((record.get("first_measured", "") for record in found if record is not None), default=None)


def hash_measurement_inputs(study: Study, run: Run) -> dict[str, str]:
    """Hash what a run's measurements are made from."""
    reference, trained = choose_reference_run(study, run.base_model), is_trained(study, run)
    compared = trained and reference is not None and run != reference
    in_context = study.params.conditions[run.condition].in_context
    return {
        "adapter": _adapter_hash(study, run) if trained else "",
        "in_context": _hash([in_context, _data_hash(study, run)]) if in_context else "",
        "reference": _adapter_hash(study, reference) if compared else "",
        "base_model": _base_hash(study, run.base_model, locate_measurement_record(study, run)),
    } | _hash_probing(study)


def hash_kept_inputs(study: Study, base_model: str, reference: Run | None, made_with: object) -> dict[str, str]:
    """Hash what the measurements are made from that all runs of a base model are set beside.

    Parameters
    ----------
    reference : the run that was measured; None for the base model itself
    made_with : device, number type and versions. These redo no run. But a run and what it is set beside must be
        measured alike, or a change of machine would look like a shift.
    """
    completed = study.params.probes.completion_samples and reference is None
    return {
        "adapter": _adapter_hash(study, reference) if reference else "",
        "seeds": _hash(study.params.seeds) if completed else "",
        "base_model": hash_base_model(study.params.find_base_model(base_model)),
        "loading": _hash(study.params.find_base_model(base_model).model_dump(mode="json")),
        "made_with": _hash(made_with),
    } | _hash_probing(study)


def _hash_probing(study: Study) -> dict[str, str]:
    return {
        "probes": _hash(study.params.probes.model_dump(mode="json")),
        # The other criteria leave items out of the tests. Every item is measured.
        "ambiguous_tokenization": _hash(study.params.exclusion.ambiguous_tokenization),
        "domains": _hash([study.params.train_domains, study.params.held_out_domains]),
        "materials": study.materials_hash,
        "code": hash_code(WORK["measurements"]),
    }


def _adapter_hash(study: Study, run: Run) -> str:
    record = read_record(locate_run_record(study, run))
    return _hash(record["hashes"]) if record else ""


# -- what a step reads: finished and made from what the study says now, or refused by name -------------------


def require_data(study: Study, run: Run, check_files: bool = True) -> dict:
    """Read the record of a run's training set. Raises RunError naming what is wrong and the notebook that makes it."""
    return _require(locate_data_record(study, run), hash_data_inputs(study, run), check_files, "01_synthesize", run)


def require_run(study: Study, run: Run, check_files: bool = True) -> dict:
    """Read the record of a run, as `require_data`. All that it was made from must be finished too."""
    require_data(study, run, check_files=False)
    if earlier := study.params.find_start(run.condition):
        require_run(study, run._replace(condition=earlier), check_files=False)
    return _require(locate_run_record(study, run), hash_run_inputs(study, run), check_files, "02_train", run)


def require_adapter(study: Study, run: Run) -> Path:
    """Where the adapter of a finished run lies. Raises RunError, as `require_run`, where it is not finished."""
    require_run(study, run)
    return locate_run_record(study, run).parent / "adapter"


def require_measurements(study: Study, run: Run) -> dict:
    """Read the record of a run's measurements, as `require_run`."""
    before = require_run if is_trained(study, run) else require_data
    before(study, run, check_files=False)
    return _require(locate_measurement_record(study, run), hash_measurement_inputs(study, run), True, "03_probe", run)


def _require(record_path: Path, inputs: dict[str, str], check_files: bool, notebook: str, run: Run) -> dict:
    reason = explain_unfinished(record_path, inputs, check_files=check_files)
    if reason:
        raise RunError(f"{record_path.parent}: {reason}; run notebooks/{notebook}.ipynb for {run} first")
    return read_record(record_path)


def _hash(value: object) -> str:
    return hash_text(json.dumps(value, sort_keys=True))
