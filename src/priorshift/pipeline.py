"""The steps that the notebooks call: each reads one kind of file and writes the next.

Finished work is recognised by the hashes of what it was made from, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from priorshift.errors import RunError
from priorshift.extraction import Scorer
from priorshift.materials import texts_of
from priorshift.measure import (
    Measured,
    choice_rates,
    item_table,
    measure_model,
    next_token_table,
    probe_items,
    retention_table,
)
from priorshift.models import BaseModel, check_words, load_adapters, load_base
from priorshift.params import LoadedStudy
from priorshift.provenance import file_hash, source_hash, text_hash, write_json, write_parquet, write_text
from priorshift.synthesis import Example, audit, audit_table, synthesize, to_jsonl
from priorshift.training import ADAPTER_FILES, train_run

Run = tuple[str, str, int]  # base model, condition, seed
TABLES = ("items", "next_token", "retention")


# -- 01: synthesis -----------------------------------------------------------------------------


def synthesize_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Write the training data of the runs; returns their audit table (and writes it beside them)."""
    rows, done = [], set()
    for base_model, condition, seed in tqdm(runs, desc="training sets"):
        own = base_model if _needs_prior(study, condition) else ""
        if (condition, seed, own) in done:
            continue
        done.add((condition, seed, own))
        prior = _choice_rates(study, base_model) if own else None
        examples = synthesize(study.params, study.materials, condition, seed, prior)
        folder = study.paths.data(condition, seed, own)
        row = audit(examples, study)
        write_text(folder / "train.jsonl", to_jsonl(examples))
        write_json(folder / "audit.json", row)
        rows.append({"condition": condition, "seed": seed, "base_model": own or "all", **row})
    return audit_table(rows)


def read_examples(study: LoadedStudy, run: Run) -> tuple[list[Example], Path]:
    """The training examples of a run, and the file they came from."""
    base_model, condition, seed = run
    own = base_model if _needs_prior(study, condition) else ""
    path = study.paths.data(condition, seed, own) / "train.jsonl"
    if not path.exists():
        raise RunError(f"{path}: no such file; run notebooks/01_synthesize.ipynb for condition {condition!r} first")
    return [Example(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()], path


def _needs_prior(study: LoadedStudy, condition: str) -> bool:
    return study.params.conditions[condition].policy == "prior"


def _choice_rates(study: LoadedStudy, base_model: str) -> dict[str, float]:
    """The base model's choice rates, measured once and kept."""
    path = study.paths.choice_rates(base_model)
    inputs = {"params": study.params_hash, "materials": study.materials_hash, "source": source_hash()}
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["inputs"] == inputs:
            return kept["rates"]
    base = load_base(study.params.base_model(base_model))
    rates = choice_rates(Scorer(base.model, base.tokenizer), study.params, study.materials)
    write_json(path, {"base_model": base_model, "inputs": inputs, "rates": rates})
    return rates


# -- 02: training ------------------------------------------------------------------------------


def train_runs(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Train the runs that are not done; returns one row per run, from their run.json."""
    rows = []
    for base_model, group in groupby(runs, key=lambda run: run[0]):
        base = load_base(study.params.base_model(base_model))
        check_words(base, texts_of(study.materials))
        for run in tqdm(list(group), desc=f"training on {base_model}"):
            rows.append(_train(study, base, run))
    return pd.DataFrame(rows)


def _train(study: LoadedStudy, base: BaseModel, run: Run) -> dict:
    examples, path = read_examples(study, run)
    folder = study.paths.run(*run)
    inputs = {
        "data": file_hash(path),
        "training": text_hash(study.params.training.model_dump_json()),
        "base_model": base.weights_hash,
        "source": source_hash(),
    }
    record = finished_run(folder, inputs)
    if record is None:
        record = train_run(base, examples, study.params.training, run[2], folder, inputs)
    kept = ("steps", "examples", "loss_tokens", "seconds", "peak_memory_mb", "device", "backend")
    first, last = record["losses"][0], record["losses"][-1]
    row = {"base_model": run[0], "condition": run[1], "seed": run[2]}
    return row | {key: record[key] for key in kept} | {"first_loss": first, "last_loss": last}


def finished_run(folder: Path, inputs: dict[str, str] | None = None) -> dict | None:
    """run.json of a whole run (made from `inputs`, where given), or None."""
    path = folder / "run.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    whole = all(
        (folder / "adapter" / name).exists() and file_hash(folder / "adapter" / name) == record["adapter_hashes"][name]
        for name in ADAPTER_FILES
    )
    return record if whole and inputs in (None, record["inputs"]) else None


def loss_curves(study: LoadedStudy, runs: list[Run]) -> pd.DataFrame:
    """Training loss by step of each run."""
    rows = []
    for run in runs:
        record = json.loads((study.paths.run(*run) / "run.json").read_text())
        for step, loss in enumerate(record["losses"], start=1):
            rows.append({"base_model": run[0], "condition": run[1], "seed": run[2], "step": step, "loss": loss})
    return pd.DataFrame(rows)


# -- 03: probing -------------------------------------------------------------------------------


def probe_runs(study: LoadedStudy, runs: list[Run]) -> dict[str, str]:
    """Measure the runs that are not measured yet; returns base model -> how it was scored and why."""
    paths = {}
    for base_model, group in groupby(runs, key=lambda run: run[0]):
        group = list(group)
        todo = [run for run in group if not _measured(study, run)]
        if todo:
            base = load_base(study.params.base_model(base_model))
            check_words(base, texts_of(study.materials))
            _probe_base(study, base, Scorer(base.model, base.tokenizer), todo)
        paths[base_model] = json.loads((study.paths.measurements(*group[0]) / "measured.json").read_text())["scoring"]
    return paths


def _probe_base(study: LoadedStudy, base: BaseModel, scorer: Scorer, todo: list[Run]) -> None:
    """Measure the base once and then each of its adapters, the base staying where it is."""
    items = probe_items(study.params, study.materials)
    before = measure_model(scorer, items)
    texts = study.params.probes.retention_texts
    prose = retention_table(scorer, study.materials, texts)
    folders = {f"{condition}-{seed}": _adapter(study, (base.name, condition, seed)) for _, condition, seed in todo}
    reference = _floor_run(study, base.name)
    if reference and any(run[1] == reference[1] for run in todo):
        folders[f"{reference[1]}-{reference[2]}"] = _adapter(study, reference)
    # The adapters are put into the base model in place: the scorer sees whichever is set.
    model = load_adapters(base, folders)
    floor: Measured | None = None
    ordered = sorted(todo, key=lambda run: run != reference)
    if reference and ordered[0] != reference and any(run[1] == reference[1] for run in todo):
        model.set_adapter(f"{reference[1]}-{reference[2]}")
        floor = measure_model(scorer, items)
    for run in tqdm(ordered, desc=f"probing {base.name}"):
        model.set_adapter(f"{run[1]}-{run[2]}")
        after = measure_model(scorer, items)
        if run == reference:
            floor = after
        against = floor if reference and run[1] == reference[1] and run != reference else None
        tables = {
            "items": item_table(items, after, before),
            "next_token": next_token_table(items, after, before, against),
            "retention": retention_table(scorer, study.materials, texts).assign(base_logprob=prose["logprob"]),
        }
        _write_measurements(study, base, run, tables, f"{scorer.path}: {scorer.reason}")


def _floor_run(study: LoadedStudy, base_model: str) -> Run | None:
    """The run that the seed-to-seed floor is measured from: the first preference run."""
    for name, condition in study.params.conditions.items():
        if condition.task == "preferences":
            return (base_model, name, study.params.seeds[0])
    return None


def _adapter(study: LoadedStudy, run: Run) -> Path:
    folder = study.paths.run(*run)
    if finished_run(folder) is None:
        raise RunError(f"{folder}: no finished run; run notebooks/02_train.ipynb for {run} first")
    return folder / "adapter"


def _write_measurements(
    study: LoadedStudy, base: BaseModel, run: Run, tables: dict[str, pd.DataFrame], scoring: str
) -> None:
    folder = study.paths.measurements(*run)
    key = {"base_model": run[0], "group": base.group, "world": base.world, "condition": run[1], "seed": run[2]}
    hashes = {}
    for name, table in tables.items():
        write_parquet(folder / f"{name}.parquet", table.assign(**key)[[*key, *table.columns]])
        hashes[name] = file_hash(folder / f"{name}.parquet")
    # Written last: with it the measurements are whole.
    record = {"inputs": _probe_inputs(study, run), "hashes": hashes, "scoring": scoring}
    write_json(folder / "measured.json", record)


def _measured(study: LoadedStudy, run: Run) -> bool:
    folder = study.paths.measurements(*run)
    path = folder / "measured.json"
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    whole = all(
        (folder / f"{name}.parquet").exists() and file_hash(folder / f"{name}.parquet") == record["hashes"].get(name)
        for name in TABLES
    )
    return whole and record["inputs"] == _probe_inputs(study, run)


def _probe_inputs(study: LoadedStudy, run: Run) -> dict[str, str]:
    run_json = study.paths.run(*run) / "run.json"
    adapter = json.loads(run_json.read_text())["adapter_hashes"] if run_json.exists() else ""
    return {
        "adapter": text_hash(json.dumps(adapter)),
        "probes": text_hash(study.params.probes.model_dump_json()),
        "domains": text_hash(json.dumps([study.params.train_domains, study.params.held_out_domains])),
        "materials": study.materials_hash,
        "source": source_hash(),
    }


# -- 04: reading measurements ------------------------------------------------------------------


def read_measurements(study: LoadedStudy, runs: list[Run], table: str) -> pd.DataFrame:
    """One table of all the runs, in their order."""
    return pd.concat(list(_measurements(study, runs, table)), ignore_index=True)


def _measurements(study: LoadedStudy, runs: list[Run], table: str) -> Iterator[pd.DataFrame]:
    for run in runs:
        path = study.paths.measurements(*run) / f"{table}.parquet"
        if not path.exists():
            raise RunError(f"{path}: no such file; run notebooks/03_probe.ipynb for {run} first")
        yield pd.read_parquet(path)
