"""01: the training sets of a study, each made once and kept."""

from __future__ import annotations

import pandas as pd
from tqdm import tqdm

from priorshift.pipeline.choice_rates import find_choice_rates
from priorshift.pipeline.locks import hold_notebook
from priorshift.pipeline.progress import show_progress
from priorshift.pipeline.records import locate_data_record, needs_choice_rates
from priorshift.pipeline.training_sets import write_training_set
from priorshift.study.load import Study
from priorshift.study.run import Run
from priorshift.training.examples import tabulate_audits


def synthesize_runs(study: Study, runs: list[Run]) -> pd.DataFrame:
    """Write the training sets of the runs that have none yet. Returns their audit table, a row for each set."""
    rows, done = [], set()
    with hold_notebook(study.paths), show_progress(study.paths) as progress:
        for run in tqdm(runs, desc="training sets"):
            record = locate_data_record(study, run)
            if record not in done:
                done.add(record)
                condition = study.params.find_last_stage(run.condition)
                needed = needs_choice_rates(study, condition)
                prior = find_choice_rates(study, run.base_model, progress) if needed else None
                rows.append(write_training_set(study, run, prior))
    return tabulate_audits(rows)
