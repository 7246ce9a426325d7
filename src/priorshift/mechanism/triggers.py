"""Does a cue decide? What a run chooses and expects behind a cue, without it, and behind a paraphrase of it.

One condition takes one action where the cue stands and another where it does not. Its control has the cue before the
same situations, and it tells nothing of the action. *Gain* is how much further the cue moves a shift than no cue. The
*interaction* is the condition's gain minus the control's, seed by seed: what the cue does because of what was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit

from priorshift.mechanism.subject import MEASURES, Subject
from priorshift.mechanism.summary import summarize
from priorshift.probing.items import ProbeItem

NONE, CUE, PARAPHRASE = "no cue", "cue", "paraphrase"
BY = ["condition", "probe", "measure"]
RUN_MEASURE = ["base_model", "condition", "seed", "measure"]
VALUES = ["shift", "gain", "interaction"]


def repeat_items(items: Sequence[ProbeItem], cue: str, paraphrase: str) -> list[ProbeItem]:
    """List items three times: as they are, behind the cue, and behind its paraphrase."""
    before = [replace(item, stem=f"{text} {item.stem}") for text in (cue, paraphrase) for item in items]
    return [*items, *before]


def probe_triggers(subject: Subject, action: str, outcome: str) -> pd.DataFrame:
    """Ask every run of one base model with, without and with another cue.

    Parameters
    ----------
    subject : its items are those of `repeat_items`
    action, outcome : what the cue was trained to bring about, and what goes with it

    Returns
    -------
    DataFrame
        base_model, condition, seed, probe
        choice, expectation : shifts (nats) from the base model at the same stems
        choice_rate : mean probability of the action among the options
        perplexity_ratio : over the base model's, and the same in all three
    """
    rows, size = [], len(subject.items) // 3
    for run in subject.names:
        with subject.wear(run):
            answer = subject.ask()
        for number, probe in enumerate((NONE, CUE, PARAPHRASE)):
            chosen = slice(number * size, (number + 1) * size)
            own = [i for i in range(chosen.start, chosen.stop) if subject.items[i].family == "choice"]
            place = list(subject.items[own[0]].candidates).index(action)
            found = subject.compare(answer, action, outcome, chosen)
            rate = float(expit(answer.odds[own, place]).mean())
            rows.append({**run._asdict(), "probe": probe, **found, "choice_rate": rate})
    return pd.DataFrame(rows)


def tabulate_triggers(rows: pd.DataFrame, condition: str, control: str, alpha: float) -> pd.DataFrame:
    """Say what the cue moves, and how much more than an uncorrelated one: `tables/triggers.csv`.

    Parameters
    ----------
    rows : `probe_triggers` of every base model, with group and world
    condition, control : the condition whose cue tells the action, and the one whose cue does not

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, `BY`, n, the means of `VALUES` (nats) with their intervals, and rate: of
        choices, the mean probability of the action. gain is NaN without a cue, interaction also for the control.
    """
    long = pd.concat([rows.assign(measure=name, shift=rows[name]) for name in MEASURES], ignore_index=True)
    long["rate"] = long["choice_rate"].where(long["measure"] == "choice")
    bare = long[long["probe"] == NONE]
    long["gain"] = (long["shift"] - _match(bare, "shift", long, RUN_MEASURE)).where(long["probe"] != NONE)
    other = long[long["condition"] == control]
    against = _match(other, "gain", long, ["base_model", "seed", "probe", "measure"])
    long["interaction"] = (long["gain"] - against).where(long["condition"] == condition)
    table = summarize(long, BY, [*VALUES, "rate"], alpha)
    return table.drop(columns=["rate_low", "rate_high"])


def _match(table: pd.DataFrame, value: str, rows: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """The table's value for each of the rows, by the keys. NaN where it has none."""
    return table.set_index(keys)[value].reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
