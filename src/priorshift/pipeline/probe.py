"""03: the measurements of a study, each made once, kept, and read again."""

from __future__ import annotations

from itertools import groupby

import pandas as pd
from tqdm import tqdm

from priorshift.files import hash_file, write_parquet, write_record
from priorshift.materials.schema import NEXT_WORDS
from priorshift.models.adapters import hold_adapter
from priorshift.models.base import BaseModel, load_base
from priorshift.models.checks import check_texts
from priorshift.models.lengths import check_lengths
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.kept import Kept
from priorshift.pipeline.locks import hold_notebook
from priorshift.pipeline.progress import Progress, follow_reading, show_progress
from priorshift.pipeline.records import (
    choose_reference_run,
    date_measurement,
    hash_measurement_inputs,
    is_trained,
    locate_measurement_record,
    read_finished,
    require_adapter,
    require_measurements,
)
from priorshift.pipeline.training_sets import read_examples
from priorshift.probability.encoder import find_longest_input
from priorshift.probability.scorer import Scorer
from priorshift.probing.context import Context
from priorshift.probing.measure import ItemMeasurements
from priorshift.probing.probe import Prober, explain_merges, make_scorer
from priorshift.probing.readings import list_probe_readings, list_texts_read
from priorshift.study.load import Study
from priorshift.study.run import Run


def list_measured_tables(study: Study) -> list[str]:
    """List the names of the tables that probing writes for every run of the study."""
    probes = study.params.probes
    optional = {NEXT_WORDS: NEXT_WORDS in probes.families}
    optional |= {"scales": probes.scale_orders, "completions": probes.completion_samples}
    return ["items", "next_token", "tokens", "retention", *(name for name, wanted in optional.items() if wanted)]


def probe_runs(study: Study, runs: list[Run]) -> dict[str, str]:
    """Measure the runs that are not measured yet. Returns base model -> how it was scored and why."""
    scoring = {}
    with hold_notebook(study.paths), show_progress(study.paths) as progress:
        for base_model, group in groupby(runs, key=lambda run: run.base_model):
            group = list(group)
            todo = [run for run in group if not _is_measured(study, run)]
            if todo:
                base = load_base(study.params.find_base_model(base_model))
                check_texts(base, list_texts_read(study))
                longest = find_longest_input(base.model.config)
                check_lengths(base.name, base.tokenizer, base.read, longest, list_probe_readings(study))
                with explain_merges():
                    _probe_base(study, base, make_scorer(study.params, base), todo, progress)
            scoring[base_model] = require_measurements(study, group[0])["scoring"]
    return scoring


def _is_measured(study: Study, run: Run) -> bool:
    return read_finished(locate_measurement_record(study, run), hash_measurement_inputs(study, run)) is not None


def _probe_base(study: Study, base: BaseModel, scorer: Scorer, todo: list[Run], progress: Progress) -> None:
    """Measure the base once and then each of its adapters, the base staying where it is."""
    kept = Kept(study, base, scorer, progress)
    prober = Prober(study, base, scorer, kept.measure_base)
    trained = [run for run in todo if is_trained(study, run)]
    for run in [run for run in todo if run not in trained]:
        context = Context(read_examples(study, run), study.params.conditions[run.condition].in_context)
        with follow_reading(progress, f"probing {run}", base.model):
            measurements = prober.measure(run.seed, context)
        _write_measurements(study, prober, run, prober.tabulate(measurements, run.seed))
    if not trained:
        return
    reference = choose_reference_run(study, base.name)
    needed = dict.fromkeys([reference, *trained] if reference else trained)
    adapters = {run: require_adapter(study, run) for run in needed}
    expected: ItemMeasurements | None = None
    if reference:
        with hold_adapter(base, adapters[reference]):
            expected = kept.measure_reference(reference, prober.items)
    for number, run in enumerate(tqdm(trained, desc=f"probing {base.name}"), start=1):
        again, against = (expected, None) if run == reference else (None, expected)
        title = f"probing {run} (run {number} of {len(trained)})"
        # The adapter is put into the base model in place: the scorer sees it.
        with hold_adapter(base, adapters[run]), follow_reading(progress, title, base.model, kept.tokens):
            measurements = prober.measure(run.seed, items=again)
        _write_measurements(study, prober, run, prober.tabulate(measurements, run.seed, against))


def _write_measurements(study: Study, prober: Prober, run: Run, tables: dict[str, pd.DataFrame]) -> None:
    record, base = locate_measurement_record(study, run), prober.base
    key = {"base_model": run.base_model, "group": base.group, "world": base.world}
    key |= {"condition": run.condition, "seed": run.seed}
    hashes = {}
    for name, table in tables.items():
        path = record.parent / f"{name}.parquet"
        write_parquet(path, table.assign(**key)[[*key, *table.columns]])
        hashes[path.name] = hash_file(path)
    # Written last: with it the measurements are whole.
    scoring = f"{prober.scorer.method}: {prober.scorer.reason}"
    made = {"inputs": hash_measurement_inputs(study, run), "hashes": hashes, "scoring": scoring}
    write_record(record, made | {"first_measured": date_measurement(study, run)} | describe_loaded(base))


def read_measurements(study: Study, runs: list[Run], table: str) -> pd.DataFrame:
    """Read one table of all the runs, in their order. A damaged or outdated one is refused (RunError)."""
    for run in runs:
        require_measurements(study, run)
    records = [locate_measurement_record(study, run) for run in runs]
    return pd.concat([pd.read_parquet(record.parent / f"{table}.parquet") for record in records], ignore_index=True)
