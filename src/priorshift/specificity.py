"""Is the shift the one that was trained for? Double dissociation of loss and threat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from priorshift import estimates as est
from priorshift.estimates import NotEstimable
from priorshift.intervals import with_interval
from priorshift.panels import loss_and_threat

SPECIFICITY = [
    "base_model", "world", "family", "ring", "unit", "effect", "test", "n_runs", "n_items", "estimate",
    "ci_low", "ci_high", "effect_size", "effect_size_name", "statistic", "df", "p_value", "p_adjusted",
    "role", "double_dissociation", "effect_low", "effect_high",
]  # fmt: skip
# effect: (condition, compared with; None stands for the neutral control, sign of loss - threat)
DEPRESSION, PARANOIA = "depression", "paranoia"
EFFECTS = {
    "interaction": (DEPRESSION, PARANOIA, 1),
    "depression": (DEPRESSION, None, 1),
    "paranoia": (PARANOIA, None, -1),
}
Biases = dict[str, dict[str, np.ndarray]]  # base model -> condition -> loss - threat, one value a run


def specificity(items: pd.DataFrame, settings: Any, neutral: str = "neutral") -> pd.DataFrame:
    """Double dissociation, in nats of loss minus threat.

    Each run's bias is its mean loss shift minus its mean threat shift, over the items with both. Three
    effects, one row each: `interaction`, the bias under depression minus that under paranoia; `depression`,
    bias minus that of the neutral runs; `paranoia`, the neutral runs' bias minus its own (so that each is
    above 0 where training did what it names). Unit `runs`: Welch's t over runs, per base model. Unit
    `base`: t over checkpoints of the difference of condition means, per group and world.

    Returns
    -------
    DataFrame
        Columns `SPECIFICITY`. double_dissociation, repeated on the three rows: all three 1 - alpha
        intervals lie above 0. p_adjusted: Benjamini-Hochberg within unit; all rows are exploratory.
    """
    made, _ = _dissociations(items, neutral)
    if not made:
        return pd.DataFrame(columns=SPECIFICITY)
    table = with_interval(pd.DataFrame(made), settings.alpha).assign(role="exploratory")
    keys = SPECIFICITY[:5]
    holds = (table["ci_low"] > 0).groupby([table[key] for key in keys]).transform("sum")
    table["double_dissociation"] = holds == len(EFFECTS)
    table["p_adjusted"] = table.groupby("unit")["p_value"].transform(lambda p: multipletests(p, method="fdr_bh")[1])
    return table[SPECIFICITY]


def refused_dissociations(items: pd.DataFrame, neutral: str = "neutral") -> pd.DataFrame:
    """The effects that `specificity` leaves out, with the reason."""
    _, refused = _dissociations(items, neutral)
    return pd.DataFrame([{"table": "specificity", "role": "exploratory", **row} for row in refused])


def _dissociations(items: pd.DataFrame, neutral: str) -> tuple[list[dict], list[dict]]:
    made: list[dict] = []
    refused: list[dict] = []
    for key, unit, n_items, biases in _nested_biases(loss_and_threat(items)):
        for effect, (condition, other, sign) in EFFECTS.items():
            control = other or neutral
            try:
                found = (
                    _over_runs(biases, condition, control) if unit == "runs" else _over_base(biases, condition, control)
                )
            except NotEstimable as reason:
                refused.append(
                    {**key, "unit": unit, "condition": condition, "control": control, "reason": f"{effect}: {reason}"}
                )
                continue
            found["estimate"] *= sign
            found["effect_size"] *= sign
            made.append({**key, "unit": unit, "effect": effect, "n_items": n_items, **found})
    return made, refused


def _nested_biases(runs: pd.DataFrame) -> Iterator[tuple[dict, str, int, Biases]]:
    """(claim, unit, number of items, biases): each base model, then each embedded group and world."""

    def biases(rows: pd.DataFrame) -> Biases:
        made: Biases = {}
        for (base_model, condition), part in rows.groupby(["base_model", "condition"], sort=True):
            made.setdefault(base_model, {})[condition] = part["bias"].to_numpy(float)
        return made

    for (base_model, world, family, ring), rows in runs.groupby(["base_model", "world", "family", "ring"], sort=True):
        key = {"base_model": base_model, "world": world, "family": family, "ring": ring}
        yield key, "runs", int(rows["n_items"].max()), biases(rows)
    embedded = runs[runs["world"] != ""]
    for (group, world, family, ring), rows in embedded.groupby(["group", "world", "family", "ring"], sort=True):
        key = {"base_model": group, "world": world, "family": family, "ring": ring}
        yield key, "base", int(rows["n_items"].max()), biases(rows)


def _over_runs(biases: Biases, condition: str, control: str) -> dict:
    (runs,) = biases.values()
    sides = [runs.get(name, np.array([])) for name in (condition, control)]
    for name, values in zip((condition, control), sides, strict=True):
        if len(values) == 0:
            raise NotEstimable(f"no runs of {name}")
    return {"test": "Welch t", "n_runs": sum(map(len, sides)), **asdict(est.welch(*sides))}


def _over_base(biases: Biases, condition: str, control: str) -> dict:
    ran = [runs for runs in biases.values() if condition in runs and control in runs]
    differences = np.array([runs[condition].mean() - runs[control].mean() for runs in ran])
    n_runs = sum(len(runs[condition]) + len(runs[control]) for runs in ran)
    return {"test": "one-sample t over checkpoints", "n_runs": n_runs, **asdict(est.one_sample(differences))}
