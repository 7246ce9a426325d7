"""03: the measurements of a study, each made once and kept; and reading them again."""

from __future__ import annotations

from itertools import groupby

import pandas as pd
from tqdm import tqdm

from priorshift.files import file_hash, write_parquet, write_record
from priorshift.models.adapters import load_adapters
from priorshift.models.base import BaseModel, check_texts, load_base
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.locks import working
from priorshift.pipeline.records import (
    adapter_folder,
    finished,
    is_trained,
    measurement_inputs,
    measurement_record,
    reference_run,
    require_measurements,
)
from priorshift.pipeline.synthesize import read_examples
from priorshift.probability.scorer import Scorer
from priorshift.probing.measure import Measured, measure_model
from priorshift.probing.probe import Probing, make_scorer, texts_read
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run


def measured_tables(study: LoadedStudy) -> list[str]:
    """Names of the tables that probing writes for every run of the study."""
    probes = study.params.probes
    optional = {"scales": probes.scale_orders, "completions": probes.completion_samples}
    return ["items", "next_token", "tokens", "retention", *(name for name, wanted in optional.items() if wanted)]


def probe_runs(study: LoadedStudy, runs: list[Run]) -> dict[str, str]:
    """Measure the runs that are not measured yet; returns base model -> how it was scored and why."""
    paths = {}
    with working(study.paths):
        for base_model, group in groupby(runs, key=lambda run: run.base_model):
            group = list(group)
            todo = [run for run in group if not _measured(study, run)]
            if todo:
                base = load_base(study.params.base_model(base_model))
                check_texts(base, texts_read(study))
                _probe_base(study, base, make_scorer(study.params, base), todo)
            paths[base_model] = require_measurements(study, group[0])["scoring"]
    return paths


def _measured(study: LoadedStudy, run: Run) -> bool:
    return finished(measurement_record(study, run), measurement_inputs(study, run)) is not None


def _probe_base(study: LoadedStudy, base: BaseModel, scorer: Scorer, todo: list[Run]) -> None:
    """Measure the base once and then each of its adapters, the base staying where it is."""
    probing = Probing(study, base, scorer)
    trained = [run for run in todo if is_trained(study, run)]
    for run in [run for run in todo if run not in trained]:
        told, n_told = read_examples(study, run)[0], study.params.conditions[run.condition].in_context
        _write_measurements(study, probing, run, probing.tables(probing.state(run.seed, told, n_told), run.seed))
    if not trained:
        return
    reference = reference_run(study, base.name)
    needed = dict.fromkeys([reference, *trained] if reference else trained)
    # PEFT makes modules of these names, and torch takes no dot in one: a condition's own name may have some.
    names = {run: f"run-{number}" for number, run in enumerate(needed)}
    # The adapters are put into the base model in place: the scorer sees whichever is set.
    model = load_adapters(base, {name: adapter_folder(study, run) for run, name in names.items()})
    expected: Measured | None = None
    if reference and trained != [reference]:
        model.set_adapter(names[reference])
        expected = measure_model(scorer, probing.items)
    for run in tqdm(trained, desc=f"probing {base.name}"):
        model.set_adapter(names[run])
        against = expected if run != reference else None
        _write_measurements(study, probing, run, probing.tables(probing.state(run.seed), run.seed, against))


def _write_measurements(study: LoadedStudy, probing: Probing, run: Run, tables: dict[str, pd.DataFrame]) -> None:
    record, base = measurement_record(study, run), probing.base
    key = {"base_model": run.base_model, "group": base.group, "world": base.world}
    key |= {"condition": run.condition, "seed": run.seed}
    hashes = {}
    for name, table in tables.items():
        path = record.parent / f"{name}.parquet"
        write_parquet(path, table.assign(**key)[[*key, *table.columns]])
        hashes[path.name] = file_hash(path)
    # Written last: with it the measurements are whole.
    scoring = f"{probing.scorer.path}: {probing.scorer.reason}"
    made = {"inputs": measurement_inputs(study, run), "hashes": hashes, "scoring": scoring}
    write_record(record, made | describe_loaded(base))


def read_measurements(study: LoadedStudy, runs: list[Run], table: str) -> pd.DataFrame:
    """One table of all the runs, in their order; a damaged or outdated one is never read."""
    for run in runs:
        require_measurements(study, run)
    records = [measurement_record(study, run) for run in runs]
    return pd.concat([pd.read_parquet(record.parent / f"{table}.parquet") for record in records], ignore_index=True)
