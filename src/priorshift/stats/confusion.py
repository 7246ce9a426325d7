"""Which condition was a run trained on? The cross-probe confusion matrix, with a permutation p."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, permutation_test

from priorshift.stats.adjust import adjust_exploratory
from priorshift.stats.declared import Settings
from priorshift.stats.panels import NONE_IN_COMMON, average_outcomes

CONFUSION = [
    "base_model", "world", "family", "ring", "unit", "condition", "predicted", "count", "n", "share",
    "ci_low", "ci_high", "accuracy", "n_permutations", "p_value", "p_adjusted", "role",
]  # fmt: skip
PERMUTATIONS = 1999  # at most: where there are fewer ways to deal out the labels, all are taken
BATCH = 250  # permutations at a time, so that memory stays small with many runs


@dataclass(frozen=True)
class _Task:
    """Runs of one base model (or group), family and ring, to be told apart by a few numbers."""

    key: dict[str, str]
    names: list[str]  # conditions, by name
    points: np.ndarray  # [runs, outcomes], nats
    truth: np.ndarray  # [runs]: index into names
    folds: np.ndarray  # [runs], ascending: what is held out together
    sets: np.ndarray  # [runs]: training set, condition and seed. Base models share it, and so its label
    refused: list[dict[str, str]]  # conditions that cannot take part, with the reason


def classify_runs(
    items: pd.DataFrame, settings: Settings, outcomes: Sequence[str], conditions: Sequence[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Which condition each run is taken for, by the nearest centroid of run means, and the conditions left out.

    Unit `runs`, per base model: each run is held out in turn and assigned to the condition whose other runs' mean lies
    nearest (Euclidean, nats). Unit `base`, per embedded group and world: all runs of one checkpoint are held out and
    assigned by the centroids of the other checkpoints. So a hit carries over to a new pretraining. All runs that are so
    compared have the same items. Ties go to the first condition by name.

    Parameters
    ----------
    outcomes : sequence of str
        What the runs are told apart by, such as loss and threat. Families without all of them have no rows.
    conditions : sequence of str, optional
        Which conditions take part; all, if not given. Chance is 1 / their number.

    Returns
    -------
    DataFrame
        Columns `CONFUSION`: each condition x predicted condition, count of n, and the exact (Clopper &
        Pearson 1934, Biometrika 26, 404) 1 - alpha interval of the share. accuracy and p_value stand on all rows of
        a matrix. accuracy: the share of hits. p_value: how often it is as high when the conditions are dealt out to
        the training sets anew, in all n_permutations ways, or else (1 + times) / (1 + n_permutations) (Phipson &
        Smyth 2010, SAGMB 9, 39). Base checkpoints share the training set of a condition and seed. p_adjusted:
        `adjust.adjust_exploratory`, each matrix once. Runs of one checkpoint are not independent, so at unit `base`
        the interval is about these checkpoints.
    DataFrame
        The conditions left out, with the reason.
    """
    rows, refused = [], []
    for task in _list_tasks(items, outcomes, conditions):
        refused += [{"table": "confusion", "role": "exploratory", **row} for row in task.refused]
        if task.names:
            rows += _cross_tabulate(task, settings.alpha)
    table = pd.DataFrame(rows, columns=CONFUSION).assign(role="exploratory")
    table["p_adjusted"] = adjust_exploratory(table, test=CONFUSION[:5])
    return table, pd.DataFrame(refused)


def _cross_tabulate(task: _Task, alpha: float) -> list[dict[str, Any]]:
    """The rows of one matrix: each condition x predicted condition."""
    predicted, rows = _predict(task, task.truth), []
    matrix = {"accuracy": float((predicted == task.truth).mean()), **_permute_labels(task)}
    for i, condition in enumerate(task.names):
        own = predicted[task.truth == i]
        for j, other in enumerate(task.names):
            count = int((own == j).sum())
            low, high = _bound_share(count, len(own), alpha)
            rows.append({
                **task.key, "condition": condition, "predicted": other, "count": count, "n": len(own),
                "share": count / len(own), "ci_low": low, "ci_high": high, **matrix,
            })  # fmt: skip
    return rows


@cache
def _bound_share(count: int, n: int, alpha: float) -> tuple[float, float]:
    # Kept: SciPy searches for the limits (some ms), and a table has few different ones.
    low, high = binomtest(count, n).proportion_ci(1 - alpha, method="exact")
    return float(low), float(high)


def _list_tasks(items: pd.DataFrame, outcomes: Sequence[str], conditions: Sequence[str] | None) -> Iterator[_Task]:
    runs, nested = (average_outcomes(items, outcomes, same_items=same) for same in ("base_model", "group"))
    if conditions is not None:
        runs, nested = (table[table["condition"].isin(conditions)] for table in (runs, nested))
    for unit, name, table in (("runs", "base_model", runs), ("base", "group", nested)):
        keys = [name, "world", "family", "ring"]
        measured = runs if unit == "runs" else runs[runs["world"] != ""]
        compared = dict(iter(table.groupby(keys, sort=True)))
        for at in measured.groupby(keys, sort=True).groups:
            key = {**dict(zip(CONFUSION[:4], at, strict=True)), "unit": unit}
            yield _make_task(key, compared.get(at, table.iloc[:0]), outcomes)


def _make_task(key: dict[str, str], rows: pd.DataFrame, outcomes: Sequence[str]) -> _Task:
    labels = rows["condition"].to_numpy(object)
    checkpoints = rows["base_model"].to_numpy(object)
    folds = np.arange(len(rows)) if key["unit"] == "runs" else np.unique(checkpoints, return_inverse=True)[1]
    spread = {c: len(np.unique(folds[labels == c])) for c in sorted(set(labels))}
    what = "run" if key["unit"] == "runs" else "base checkpoint"
    reason = f"a single {what}: no centroid without it"
    refused = [{**key, "condition": c, "reason": reason} for c, n in spread.items() if n < 2]
    names = [c for c, n in spread.items() if n >= 2]
    if len(names) < 2:
        reason = "fewer than two conditions to tell apart" if len(rows) else NONE_IN_COMMON
        refused.append({**key, "reason": reason})
        names = []
    keep = np.flatnonzero(np.isin(labels, names))
    keep = keep[np.argsort(folds[keep], kind="stable")]
    truth = np.array([names.index(label) for label in labels[keep]], dtype=int)
    sets = rows.groupby(["condition", "seed"], sort=True).ngroup().to_numpy()[keep]
    return _Task(key, names, rows[list(outcomes)].to_numpy(float)[keep], truth, folds[keep], sets, refused)


def _predict(task: _Task, labels: np.ndarray) -> np.ndarray:
    """Condition of each run by the centroids of the runs outside its fold. `labels` and result are [..., runs]."""
    folds, starts = np.unique(task.folds, return_inverse=True)[1], np.unique(task.folds, return_index=True)[1]
    member = labels[..., None] == np.arange(len(task.names))  # [..., runs, conditions]
    sums, counts = member[..., None] * task.points[:, None], member.astype(float)
    # The mean of a condition over all runs but those of each fold: [..., folds, conditions, outcomes].
    outside = sums.sum(axis=-3, keepdims=True) - np.add.reduceat(sums, starts, axis=-3)
    others = counts.sum(axis=-2, keepdims=True) - np.add.reduceat(counts, starts, axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        centroids = outside / others[..., None]
    distances = ((task.points[:, None] - centroids[..., folds, :, :]) ** 2).sum(axis=-1)
    # A fold may hold all runs of a condition after a permutation: it has no centroid then, and is never nearest.
    return np.where(np.isnan(distances), np.inf, distances).argmin(axis=-1)


def _permute_labels(task: _Task) -> dict[str, float]:
    """n_permutations and p_value: the conditions of the training sets are permuted, runs of one set move together."""
    _, first, member = np.unique(task.sets, return_index=True, return_inverse=True)

    def count_hits(labels: np.ndarray, axis: int) -> np.ndarray:
        dealt = labels[..., member]
        return (_predict(task, dealt) == dealt).sum(axis=axis)

    found = permutation_test(
        (task.truth[first],),
        count_hits,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=PERMUTATIONS,
        batch=BATCH,
        rng=np.random.default_rng(0),
    )
    return {"n_permutations": len(found.null_distribution), "p_value": float(found.pvalue)}
