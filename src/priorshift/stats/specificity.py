"""Is the shift the one that was trained for? Double dissociation of the behaviors' own outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd

from priorshift.stats.adjust import adjust_exploratory
from priorshift.stats.declared import Settings
from priorshift.stats.estimates import one_sample_t, warn_of_level
from priorshift.stats.intervals import add_intervals
from priorshift.stats.panels import NONE_IN_COMMON, Row, average_outcomes
from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.welch import welch

SPECIFICITY = [
    "base_model", "world", "family", "ring", "pair", "unit", "effect", "test", "n_runs", "n_items", "estimate",
    "ci_low", "ci_high", "effect_size", "effect_size_name", "statistic", "df", "p_value", "p_adjusted",
    "role", "double_dissociation", "effect_low", "effect_high", "caution",
]  # fmt: skip
NO_PAIR = "fewer than two treatments that always take an action with an outcome of its own: nothing to dissociate"
Biases = dict[str, dict[str, np.ndarray]]  # base model -> condition -> bias, one value a run


def dissociate_behaviors(
    items: pd.DataFrame, settings: Settings, behaviors: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Double dissociation of each two behaviors, in nats of one's own outcome minus the other's.

    Each run's bias is its mean shift on the first behavior's outcome minus that on the second's, over the items with
    both. There are three effects, one row each. `interaction` is the bias under the first minus that under the second.
    The first by its name is its bias minus that of the runs of the first control. The second by its name is that
    control's bias minus its own. So each is above 0 where training did what it names. Unit `runs`: Welch's t over runs,
    per base model. Unit `base`: t over checkpoints of the difference of condition means, per group and world, on the
    items that every run of all checkpoints measured.

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`.
    behaviors : mapping of str to str
        Condition -> its own outcome, such as depression -> loss.

    Returns
    -------
    DataFrame
        Columns `SPECIFICITY`. double_dissociation, repeated on the three rows: all three 1 - alpha
        intervals lie above 0. p_adjusted: `adjust.adjust_exploratory`.
        caution: `estimates.warn_of_level`.
    DataFrame
        The effects left out, with the reason; one row where there are no two behaviors at all.
    """
    made: list[Row] = []
    refused: list[Row] = [] if len(behaviors) > 1 else [{"reason": NO_PAIR}]
    for pair in combinations(behaviors.items(), 2):
        for row in _dissociate(items, dict(pair), settings.controls[0]):
            (refused if "reason" in row else made).append(row)
    left_out = pd.DataFrame([{"table": "specificity", "role": "exploratory", **row} for row in refused])
    if not made:
        return pd.DataFrame(columns=SPECIFICITY), left_out
    table = add_intervals(pd.DataFrame(made), settings.alpha).assign(role="exploratory")
    holds = (table["ci_low"] > 0).groupby([table[key] for key in SPECIFICITY[:6]]).transform("sum")
    table["double_dissociation"] = holds == 3
    table["p_adjusted"] = adjust_exploratory(table)
    return table[SPECIFICITY], left_out


def _dissociate(items: pd.DataFrame, pair: dict[str, str], control: str) -> Iterator[Row]:
    """A row for each effect, or its refusal with a `reason`."""
    (first, own), (second, other) = pair.items()
    # effect: (condition, compared with, sign of the bias)
    effects = {"interaction": (first, second, 1), first: (first, control, 1), second: (second, control, -1)}
    runs, nested = (average_outcomes(items, (own, other), same_items=same) for same in ("base_model", "group"))
    runs["bias"], nested["bias"] = runs[own] - runs[other], nested[own] - nested[other]
    for key, unit, n_items, biases in _list_biases(runs, nested):
        key["pair"], test = f"{first}, {second}", _test_over_runs if unit == "runs" else _test_over_checkpoints
        for effect, (condition, against, sign) in effects.items():
            try:
                found = test(biases, condition, against)
            except NotEstimable as reason:
                refusal = {"condition": condition, "control": against, "reason": f"{effect}: {reason}"}
                yield {**key, "unit": unit, **refusal}
                continue
            found["estimate"] *= sign
            found["effect_size"] *= sign
            yield {**key, "unit": unit, "effect": effect, "n_items": n_items, **found}


def _list_biases(runs: pd.DataFrame, nested: pd.DataFrame) -> Iterator[tuple[Row, str, int, Biases]]:
    """(claim, unit, number of items, biases): each base model, then each embedded group and world.

    Where a group's base models have no item in common, no biases.
    """
    for unit, base, table in (("runs", "base_model", runs), ("base", "group", nested)):
        keys = [base, "world", "family", "ring"]
        measured = runs if unit == "runs" else runs[runs["world"] != ""]
        compared = dict(iter(table.groupby(keys, sort=True)))
        for key in measured.groupby(keys, sort=True).groups:
            rows = compared.get(key, table.iloc[:0])
            biases: Biases = {}
            for (base_model, condition), part in rows.groupby(["base_model", "condition"], sort=True):
                biases.setdefault(base_model, {})[condition] = part["bias"].to_numpy(float)
            claim = dict(zip(("base_model", "world", "family", "ring"), key, strict=True))
            yield claim, unit, int(rows["n_items"].max()) if len(rows) else 0, biases


def _test_over_runs(biases: Biases, condition: str, control: str) -> Row:
    (runs,) = biases.values()
    sides = [runs.get(name, np.array([])) for name in (condition, control)]
    for name, values in zip((condition, control), sides, strict=True):
        if len(values) == 0:
            raise NotEstimable(f"no runs of {name}")
    caution = warn_of_level(*map(len, sides))
    return {"test": "Welch t", "n_runs": sum(map(len, sides)), "caution": caution, **asdict(welch(*sides))}


def _test_over_checkpoints(biases: Biases, condition: str, control: str) -> Row:
    if not biases:
        raise NotEstimable(NONE_IN_COMMON)
    ran = [runs for runs in biases.values() if condition in runs and control in runs]
    differences = np.array([runs[condition].mean() - runs[control].mean() for runs in ran])
    n_runs = sum(len(runs[condition]) + len(runs[control]) for runs in ran)
    tested = asdict(one_sample_t(differences))
    return {"test": "one-sample t over checkpoints", "n_runs": n_runs, "caution": "", **tested}
