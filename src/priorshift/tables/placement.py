"""Where the adapter sits decides what is learned: the trained choice against the expectation that goes with it."""

from __future__ import annotations

import pandas as pd

from priorshift.materials.schema import Materials
from priorshift.stats.panels import RUN
from priorshift.study.params import StudyParams

SETTINGS = ["target", "layers", "rank", "learning_rate", "steps"]


def compute_transfer(shifts: pd.DataFrame, study: StudyParams, materials: Materials, ring: str) -> pd.DataFrame:
    """Compute how much of each run's choice shift carries over to the expectation: `tables/placement.csv`.

    Conditions trained on a share of some class of action have rows, decisions in context have none.

    Parameters
    ----------
    shifts : `runs.average_shifts`

    Returns
    -------
    DataFrame
        target, layers, rank, learning_rate, steps : where the adapter sat and how hard it was trained
        choice_shift : of the trained class of action (nats)
        expectation_shift : of the interpretation that goes with it (nats)
        transfer : expectation_shift / choice_shift
    """
    near = shifts[shifts["ring"] == ring]
    rows = []
    for name, condition in study.conditions.items():
        if not isinstance(condition.policy, dict) or condition.in_context:
            continue
        action = max(condition.policy, key=condition.policy.get)
        training = study.resolve_training(name)
        chosen = _shift(near, name, "choice", action, "choice_shift")
        expected = _shift(near, name, "interpretation", materials.find_outcome(action), "expectation_shift")
        settings = {key: getattr(training, key) for key in SETTINGS}
        settings["target"] = training.adapted
        settings["layers"] = "all" if training.layers is None else " ".join(map(str, training.layers))
        rows.append(chosen.merge(expected, on=RUN).assign(**settings))
    table = pd.concat(rows, ignore_index=True)[[*RUN, *SETTINGS, "choice_shift", "expectation_shift"]]
    return table.assign(transfer=table["expectation_shift"] / table["choice_shift"])


def _shift(shifts: pd.DataFrame, condition: str, family: str, outcome: str, name: str) -> pd.DataFrame:
    keep = (shifts["condition"] == condition) & (shifts["family"] == family) & (shifts["outcome"] == outcome)
    return shifts.loc[keep, [*RUN, "shift"]].rename(columns={"shift": name})
