"""When does it come? Choice and expectation after some steps of a run, as shares of what they are at its end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from priorshift.mechanism.subject import Subject
from priorshift.mechanism.summary import summarize
from priorshift.study.run import Run

VALUES = ["choice", "expectation", "perplexity_ratio", "choice_share", "expectation_share", "lag"]


def follow_training(
    subject: Subject, steps: Mapping[tuple[Run, int], int], behaviors: Mapping[str, tuple[str, str]], least: float
) -> pd.DataFrame:
    """Ask every kept adapter of one base model.

    Parameters
    ----------
    subject : its adapters are named by (run, step)
    steps : (run, step) -> the run's last step
    behaviors : condition -> (action, outcome)
    least : an end that lies nearer to 0 than this (nats) has no shares

    Returns
    -------
    DataFrame
        base_model, condition, seed, step; choice, expectation (nats) and perplexity_ratio; choice_share and
        expectation_share: over those of the last step; lag: choice_share minus expectation_share, above 0 where the
        expectation comes later.
    """
    rows = []
    for run, step in steps:
        with subject.wear((run, step)):
            found = subject.compare(subject.ask(), *behaviors[run.condition])
        rows.append({**run._asdict(), "step": step, "last": steps[run, step], **found})
    table = pd.DataFrame(rows)
    ends = table[table["step"] == table["last"]].set_index(list(Run._fields))
    index = pd.MultiIndex.from_frame(table[list(Run._fields)])
    for name in ("choice", "expectation"):
        end = ends[name].reindex(index).to_numpy()
        table[f"{name}_share"] = table[name] / np.where(np.abs(end) >= least, end, np.nan)
    return table.drop(columns="last").assign(lag=table["choice_share"] - table["expectation_share"])


def tabulate_trajectory(rows: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Average runs and checkpoints at each step: `tables/trajectory.csv`.

    Parameters
    ----------
    rows : `follow_training` of every base model, with group and world

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, condition, step, n, and the means of `VALUES` with their intervals.
    """
    table = summarize(rows, ["condition", "step"], VALUES, alpha)
    return table.drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"])
