"""Is the shift the one that was trained for? Double dissociation and the cross-probe confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from priorshift import estimates as est
from priorshift.estimates import NotEstimable
from priorshift.panels import check_items

SPECIFICITY = [
    "base_model", "world", "family", "ring", "unit", "effect", "test", "n_runs", "n_items", "estimate",
    "ci_low", "ci_high", "effect_size", "effect_size_name", "statistic", "df", "p_value", "p_adjusted",
    "role", "double_dissociation",
]  # fmt: skip
CONFUSION = [
    "base_model", "world", "family", "ring", "unit", "condition", "predicted", "count", "n", "share",
    "ci_low", "ci_high",
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
    table = est.with_interval(pd.DataFrame(made), settings.alpha).assign(role="exploratory")
    keys = SPECIFICITY[:5]
    holds = (table["ci_low"] > 0).groupby([table[key] for key in keys]).transform("sum")
    table["double_dissociation"] = holds == len(EFFECTS)
    table["p_adjusted"] = table.groupby("unit")["p_value"].transform(lambda p: multipletests(p, method="fdr_bh")[1])
    return table[SPECIFICITY]


def refused_dissociations(items: pd.DataFrame, settings: Any, neutral: str = "neutral") -> pd.DataFrame:
    """The effects that `specificity` leaves out and the runs that `confusion` does, with the reason."""
    _, refused = _dissociations(items, neutral)
    lonely = [row for *_, lost in _classified(items, None) for row in lost]
    return pd.DataFrame(
        [{"table": "specificity", "role": "exploratory", **row} for row in refused]
        + [{"table": "confusion", "role": "exploratory", **row} for row in lonely],
        columns=["table", "base_model", "world", "condition", "control", "family", "ring", "unit", "role", "reason"],
    )


def _wide(items: pd.DataFrame) -> pd.DataFrame:
    """Loss and threat shift of each run and item that has both; families without the two are left out."""
    table = check_items(items)
    table = table[table["outcome"].isin(["loss", "threat"])]
    index = ["group", "world", "base_model", "family", "ring", "condition", "seed", "item"]
    return table.pivot(index=index, columns="outcome", values="shift").reindex(columns=["loss", "threat"]).dropna()


def _run_table(items: pd.DataFrame) -> pd.DataFrame:
    """Mean loss and threat shift, bias and number of items of each run."""
    wide = _wide(items).sort_index()
    keys = [name for name in wide.index.names if name != "item"]
    if wide.empty:
        return pd.DataFrame(columns=[*keys, "loss", "threat", "n_items", "bias"])
    means = wide.groupby(level=keys, sort=True).agg(["mean", "size"])
    runs = means.xs("mean", axis=1, level=1).assign(n_items=means["loss", "size"]).reset_index()
    return runs.assign(bias=runs["loss"] - runs["threat"])


def _dissociations(items: pd.DataFrame, neutral: str) -> tuple[list[dict], list[dict]]:
    made: list[dict] = []
    refused: list[dict] = []
    for key, unit, n_items, biases in _nested_biases(_run_table(items)):
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
    difference, se, df, g = est.welch(*sides)
    return _row("Welch t", sum(map(len, sides)), difference, se, df, g, "hedges_g")


def _over_base(biases: Biases, condition: str, control: str) -> dict:
    ran = [runs for runs in biases.values() if condition in runs and control in runs]
    differences = np.array([runs[condition].mean() - runs[control].mean() for runs in ran])
    n_runs = sum(len(runs[condition]) + len(runs[control]) for runs in ran)
    return _row("one-sample t over checkpoints", n_runs, *est.one_sample(differences), "hedges_g_z")


def _row(test: str, n_runs: int, estimate: float, se: float, df: float, effect: float, name: str) -> dict:
    return {
        "test": test, "n_runs": n_runs, "estimate": estimate, "se": se, "df": df,
        "effect_size": effect, "effect_size_name": name,
    }  # fmt: skip


def confusion(items: pd.DataFrame, settings: Any, conditions: Sequence[str] | None = None) -> pd.DataFrame:
    """Which condition was a run trained on, by its shifts? Nearest centroid of (loss, threat) run means.

    Unit `runs`, per base model: each run is held out in turn and assigned to the condition whose other
    runs' mean lies nearest (Euclidean, nats). Unit `base`, per embedded group and world: all runs of one
    checkpoint are held out and assigned by the centroids of the other checkpoints, so that a hit carries
    over to a new pretraining. Ties go to the first condition by name.

    Parameters
    ----------
    conditions : sequence of str, optional
        Which conditions take part; all, if not given. Chance is 1 / their number.

    Returns
    -------
    DataFrame
        Columns `CONFUSION`: each condition x predicted condition, count of n, and the exact (Clopper &
        Pearson 1934) 1 - alpha interval of the share. Runs of one checkpoint are not independent, so at unit
        `base` the interval is one for these checkpoints.
    """
    rows = []
    for key, unit, names, truth, predicted, _ in _classified(items, conditions):
        for condition in names:
            mine = predicted[truth == condition]
            for other in names:
                count = int((mine == other).sum())
                low, high = clopper_pearson(count, len(mine), settings.alpha)
                rows.append({
                    **key, "unit": unit, "condition": condition, "predicted": other, "count": count,
                    "n": len(mine), "share": count / len(mine), "ci_low": low, "ci_high": high,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=CONFUSION)


def clopper_pearson(count: int, n: int, alpha: float) -> tuple[float, float]:
    """Exact binomial interval by quantiles of the beta distribution; [0, 1] at the ends."""
    low = stats.beta.ppf(alpha / 2, count, n - count + 1) if count else 0.0
    high = stats.beta.ppf(1 - alpha / 2, count + 1, n - count) if count < n else 1.0
    return float(low), float(high)


Classified = tuple[dict, str, list[str], np.ndarray, np.ndarray, list[dict]]


def _classified(items: pd.DataFrame, conditions: Sequence[str] | None) -> Iterator[Classified]:
    """(claim, unit, conditions, true and predicted condition of each run, refusals)."""
    runs = _run_table(items)
    if conditions is not None:
        runs = runs[runs["condition"].isin(conditions)]
    nests: list[tuple[str, str, pd.DataFrame, Callable[[pd.DataFrame], np.ndarray]]] = [
        ("runs", "base_model", runs, lambda rows: np.arange(len(rows))),
        ("base", "group", runs[runs["world"] != ""], lambda rows: rows["base_model"].to_numpy()),
    ]
    for unit, name, table, folds_of in nests:
        for (base, world, family, ring), rows in table.groupby([name, "world", "family", "ring"], sort=True):
            key = {"base_model": base, "world": world, "family": family, "ring": ring}
            folds = folds_of(rows)
            truth = rows["condition"].to_numpy(object)
            spread = {c: len(np.unique(folds[truth == c])) for c in sorted(set(truth))}
            what = "run" if unit == "runs" else "base checkpoint"
            lost = [
                {**key, "unit": unit, "condition": c, "reason": f"a single {what}: no centroid without it"}
                for c, n in spread.items() if n < 2
            ]  # fmt: skip
            names = [c for c, n in spread.items() if n >= 2]
            keep = np.isin(truth, names)
            points = rows[["loss", "threat"]].to_numpy(float)[keep]
            if len(names) < 2:
                lost += [{**key, "unit": unit, "reason": "fewer than two conditions to tell apart"}]
                names, keep, points = [], keep & False, points[:0]
            yield key, unit, names, truth[keep], _nearest(points, truth[keep], folds[keep], names), lost


def _nearest(points: np.ndarray, truth: np.ndarray, folds: np.ndarray, names: list[str]) -> np.ndarray:
    """Predicted condition of each run by the centroids of the runs outside its fold."""
    predicted = np.empty(len(points), dtype=object)
    for fold in dict.fromkeys(folds):
        out = folds == fold
        centroids = np.array([points[~out & (truth == name)].mean(axis=0) for name in names])
        distances = ((points[out][:, None] - centroids) ** 2).sum(axis=-1)
        predicted[out] = np.array(names, dtype=object)[distances.argmin(axis=1)]
    return predicted
