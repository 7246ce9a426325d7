"""The steps that the notebooks call: each reads one kind of file and writes the next.

Finished work is recognised by the hashes of what it was made from, and kept.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from priorshift.backends import Backend, choose_backend
from priorshift.extraction import Scorer
from priorshift.finished import (
    Run,
    choice_inputs,
    data_inputs,
    data_record,
    finished,
    is_trained,
    measurement_inputs,
    measurement_record,
    needs_prior,
    reference_run,
    require_data,
    require_measurements,
    require_run,
    run_inputs,
    run_record,
)
from priorshift.items import probe_items
from priorshift.locks import working
from priorshift.material_rules import texts_of
from priorshift.measure import Measured, choice_rates, measure_model
from priorshift.models import BaseModel, check_letters, check_texts, load_adapters, load_base
from priorshift.params import LoadedStudy
from priorshift.probing import Probing
from priorshift.provenance import file_hash, versions, write_parquet, write_record, write_text
from priorshift.synthesis import Example, audit, audit_table, synthesize, to_jsonl
from priorshift.training import train_run


def measured_tables(study: LoadedStudy) -> list[str]:
    """Names of the tables that probing writes for every run of the study."""
    probes = study.params.probes
    optional = {"scales": probes.scale_orders, "completions": probes.completion_samples}
    return ["items", "next_token", "tokens", "retention", *(name for name, wanted in optional.items() if wanted)]


# -- 01: synthesis -----------------------------------------------------------------------------


def synthesize_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Write the training data of the runs; returns their audit table (and writes it beside them)."""
    rows, done = [], set()
    with working(study.paths):
        for run in tqdm(runs, desc="training sets"):
            record = data_record(study, run)
            if record not in done:
                done.add(record)
                rows.append(_synthesize(study, run, record))
    return audit_table(rows)


def _synthesize(study: LoadedStudy, run: Run, record: Path) -> dict:
    base_model, condition, seed = run[0], study.params.lesson(run[1]), run[2]
    prior = _choice_rates(study, base_model) if needs_prior(study, condition) else None
    inputs = data_inputs(study, run)
    key = {"condition": condition, "seed": seed, "base_model": base_model if prior else "all"}
    if kept := finished(record, inputs):
        return key | kept["audit"]
    examples = synthesize(study.params, study.materials, condition, seed, prior)
    row = audit(examples, study)
    data = record.parent / "train.jsonl"
    write_text(data, to_jsonl(examples))
    write_record(record, {"inputs": inputs, "hashes": {data.name: file_hash(data)}, "audit": row})
    return key | row


def read_examples(study: LoadedStudy, run: Run) -> tuple[list[Example], Path]:
    """The training examples of a run, as 01 wrote them, and the file they came from."""
    require_data(study, run)
    path = data_record(study, run).parent / "train.jsonl"
    # Not splitlines: a phrase may hold one of the other line separators of Unicode.
    return [Example(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line], path


def _choice_rates(study: LoadedStudy, base_model: str) -> dict[str, float]:
    """The base model's choice rates, measured once and kept."""
    path, inputs = study.paths.choice_rates(base_model), choice_inputs(study, base_model)
    if kept := finished(path, inputs):
        return kept["rates"]
    base = load_base(study.params.base_model(base_model))
    rates = choice_rates(_scorer(study, base), study.params, study.materials)
    record = {"base_model": base_model, "inputs": inputs, "hashes": {}, "rates": rates}
    write_record(path, record | _settings(base))
    return rates


def _scorer(study: LoadedStudy, base: BaseModel) -> Scorer:
    on_merge = "report" if study.params.exclusion.ambiguous_tokenization else "error"
    return Scorer(base.model, base.tokenizer, read=base.read, on_merge=on_merge)


def _settings(base: BaseModel) -> dict:
    """What no input names and a result may still hang on, for the record beside it."""
    dtype = str(base.model.dtype).removeprefix("torch.")
    return {"device": base.device, "dtype": dtype, "versions": versions()}


# -- 02: training ------------------------------------------------------------------------------


def train_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Train the runs that are not done; returns one row per run, from their run.json.

    Runs that put decisions in context train nothing and have no row.
    """
    rows, backend = [], choose_backend(study.params.backend)
    with working(study.paths), _frozen():
        for base_model, rest in groupby(_trained(study, runs), key=lambda run: run[0]):
            group, base = list(rest), None
            for run in tqdm(group, desc=f"training on {base_model}"):
                # Asked when it is a run's turn: a later stage is not finished where the one before it was just redone.
                record = finished(run_record(study, run), run_inputs(study, run))
                if record is None:
                    base = base or _load_to_train(study, base_model, backend, group)
                    record = _train(study, base, run)
                rows.append(_summary(run, record))
    return pd.DataFrame(rows)


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep what is imported out of garbage collections: each run's trainer makes one, and would look at all of it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _load_to_train(study: LoadedStudy, base_model: str, backend: Backend, runs: list[Run]) -> BaseModel:
    """The base model, when it knows every word that these runs and their probes will have it read."""
    base = load_base(study.params.base_model(base_model), backend)
    examples, _ = read_examples(study, runs[0])
    check_texts(base, [*_texts(study), *(example.prompt for example in examples)])
    if any(study.params.conditions[study.params.lesson(run[1])].answer == "letter" for run in runs):
        check_letters(base, study.materials.forms.letters)
    return base


def _texts(study: LoadedStudy) -> list[str]:
    """What the base model must be able to read: every phrase, and every stem that it goes on from."""
    return [*texts_of(study.materials), *(item.stem for item in probe_items(study.params, study.materials))]


def _train(study: LoadedStudy, base: BaseModel, run: Run) -> dict:
    examples, _ = read_examples(study, run)
    inputs = run_inputs(study, run, base.backend.name)
    earlier = study.params.predecessor(run[1])
    start = _adapter(study, (run[0], earlier, run[2])) if earlier else None
    return train_run(base, examples, study.params.training_of(run[1]), run[2], study.paths.run(*run), inputs, start)


def _summary(run: Run, record: dict) -> dict:
    kept = ("steps", "examples", "loss_tokens", "seconds", "peak_memory_mb", "device", "backend")
    first, last = record["losses"][0], record["losses"][-1]
    row = {"base_model": run[0], "condition": run[1], "seed": run[2]}
    return row | {key: record[key] for key in kept} | {"first_loss": first, "last_loss": last}


def _trained(study: LoadedStudy, runs: list[Run]) -> list[Run]:
    return [run for run in runs if is_trained(study, run)]


def loss_curves(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Training loss by step of each run."""
    rows = []
    for run in _trained(study, runs):
        record = require_run(study, run)
        for step, loss in enumerate(record["losses"], start=1):
            rows.append({"base_model": run[0], "condition": run[1], "seed": run[2], "step": step, "loss": loss})
    return pd.DataFrame(rows, columns=["base_model", "condition", "seed", "step", "loss"])


# -- 03: probing -------------------------------------------------------------------------------


def probe_runs(study: LoadedStudy, runs: list[Run]) -> dict[str, str]:
    """Measure the runs that are not measured yet; returns base model -> how it was scored and why."""
    paths = {}
    with working(study.paths):
        for base_model, group in groupby(runs, key=lambda run: run[0]):
            group = list(group)
            todo = [run for run in group if not _measured(study, run)]
            if todo:
                base = load_base(study.params.base_model(base_model))
                check_texts(base, _texts(study))
                _probe_base(study, base, _scorer(study, base), todo)
            paths[base_model] = require_measurements(study, group[0])["scoring"]
    return paths


def _measured(study: LoadedStudy, run: Run) -> bool:
    return finished(measurement_record(study, run), measurement_inputs(study, run)) is not None


def _probe_base(study: LoadedStudy, base: BaseModel, scorer: Scorer, todo: list[Run]) -> None:
    """Measure the base once and then each of its adapters, the base staying where it is."""
    probing = Probing(study, base, scorer)
    trained = _trained(study, todo)
    for run in [run for run in todo if run not in trained]:
        told, n_told = read_examples(study, run)[0], study.params.conditions[run[1]].in_context
        _write_measurements(study, probing, run, probing.tables(probing.state(run[2], told, n_told), run[2]))
    if not trained:
        return
    reference = reference_run(study, base.name)
    needed = dict.fromkeys([reference, *trained] if reference else trained)
    # PEFT makes modules of these names, and torch takes no dot in one: a condition's own name may have some.
    names = {run: f"run-{number}" for number, run in enumerate(needed)}
    # The adapters are put into the base model in place: the scorer sees whichever is set.
    model = load_adapters(base, {name: _adapter(study, run) for run, name in names.items()})
    expected: Measured | None = None
    if reference and trained != [reference]:
        model.set_adapter(names[reference])
        expected = measure_model(scorer, probing.items)
    for run in tqdm(trained, desc=f"probing {base.name}"):
        model.set_adapter(names[run])
        against = expected if run != reference else None
        _write_measurements(study, probing, run, probing.tables(probing.state(run[2]), run[2], against))


def _adapter(study: LoadedStudy, run: Run) -> Path:
    require_run(study, run)
    return run_record(study, run).parent / "adapter"


def _write_measurements(study: LoadedStudy, probing: Probing, run: Run, tables: dict[str, pd.DataFrame]) -> None:
    record, base = measurement_record(study, run), probing.base
    key = {"base_model": run[0], "group": base.group, "world": base.world, "condition": run[1], "seed": run[2]}
    hashes = {}
    for name, table in tables.items():
        path = record.parent / f"{name}.parquet"
        write_parquet(path, table.assign(**key)[[*key, *table.columns]])
        hashes[path.name] = file_hash(path)
    # Written last: with it the measurements are whole.
    scoring = f"{probing.scorer.path}: {probing.scorer.reason}"
    made = {"inputs": measurement_inputs(study, run), "hashes": hashes, "scoring": scoring}
    write_record(record, made | _settings(base))


# -- 04: reading measurements ------------------------------------------------------------------


def read_measurements(study: LoadedStudy, runs: list[Run], table: str) -> pd.DataFrame:
    """One table of all the runs, in their order; a damaged or outdated one is never read."""
    for run in runs:
        require_measurements(study, run)
    records = [measurement_record(study, run) for run in runs]
    return pd.concat([pd.read_parquet(record.parent / f"{table}.parquet") for record in records], ignore_index=True)
