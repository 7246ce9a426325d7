"""Which condition was a run trained on? The cross-probe confusion matrix, with a permutation p."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from priorshift.stats.adjust import benjamini_hochberg
from priorshift.stats.declared import Settings, family_hash
from priorshift.stats.intervals import clopper_pearson
from priorshift.stats.panels import outcome_means

CONFUSION = [
    "base_model", "world", "family", "ring", "unit", "condition", "predicted", "count", "n", "share",
    "ci_low", "ci_high", "accuracy", "n_permutations", "p_value", "p_adjusted", "role", "family_hash",
]  # fmt: skip
PERMUTATIONS = 1999
CHUNK = 250  # permutations at a time, so that memory stays small with many runs


@dataclass(frozen=True)
class _Task:
    """Runs of one base model (or group), family and ring, to be told apart by a few numbers."""

    key: dict
    names: list[str]  # conditions, by name
    points: np.ndarray  # [runs, outcomes], nats
    truth: np.ndarray  # [runs]: index into names
    folds: np.ndarray  # [runs], ascending: what is held out together
    sets: np.ndarray  # [runs]: training set, condition and seed; base models share it, and so its label
    lost: list[dict]  # conditions that cannot take part, with the reason


def confusion(
    items: pd.DataFrame, settings: Settings, outcomes: Sequence[str], conditions: Sequence[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nearest centroid of run means on the outcomes, run by run; and the conditions left out, with the reason.

    Unit `runs`, per base model: each run is held out in turn and assigned to the condition whose other
    runs' mean lies nearest (Euclidean, nats). Unit `base`, per embedded group and world: all runs of one
    checkpoint are held out and assigned by the centroids of the other checkpoints, so that a hit carries
    over to a new pretraining. Ties go to the first condition by name.

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
        Pearson 1934) 1 - alpha interval of the share. accuracy, repeated on all rows of a matrix: the share of
        hits; p_value: how often it is as high when the conditions are dealt out to the training sets anew, (1 +
        times) / (1 + n_permutations) (Phipson & Smyth 2010); base checkpoints share the training set of a condition
        and seed. p_adjusted: Benjamini-Hochberg over the matrices of a unit; all are exploratory. Runs of one
        checkpoint are not independent, so at unit `base` the interval is about these checkpoints.
    """
    rows, lost = [], []
    for task in _tasks(items, outcomes, conditions):
        lost += [{"table": "confusion", "role": "exploratory", **row} for row in task.lost]
        if not task.names:
            continue
        predicted = _predict(task, task.truth[None])[0]
        accuracy, p_value = _permutation_test(task, predicted)
        matrix = {"accuracy": accuracy, "n_permutations": PERMUTATIONS, "p_value": p_value}
        for i, condition in enumerate(task.names):
            mine = predicted[task.truth == i]
            for j, other in enumerate(task.names):
                count = int((mine == j).sum())
                low, high = clopper_pearson(count, len(mine), settings.alpha)
                rows.append({
                    **task.key, "condition": condition, "predicted": other, "count": count, "n": len(mine),
                    "share": count / len(mine), "ci_low": low, "ci_high": high, **matrix,
                })  # fmt: skip
    table = pd.DataFrame(rows, columns=CONFUSION).assign(role="exploratory", family_hash=family_hash(settings))
    for _, part in table.groupby("unit", sort=True):
        matrices = part.groupby(["base_model", "world", "family", "ring"], sort=True)["p_value"]
        corrected = pd.Series(benjamini_hochberg(matrices.first().to_numpy(float)))
        table.loc[part.index, "p_adjusted"] = corrected[matrices.ngroup().to_numpy()].to_numpy()
    return table, pd.DataFrame(lost)


def _tasks(items: pd.DataFrame, outcomes: Sequence[str], conditions: Sequence[str] | None) -> Iterator[_Task]:
    runs = outcome_means(items, outcomes)
    if conditions is not None:
        runs = runs[runs["condition"].isin(conditions)]
    for unit, name, table in (("runs", "base_model", runs), ("base", "group", runs[runs["world"] != ""])):
        for (base, world, family, ring), rows in table.groupby([name, "world", "family", "ring"], sort=True):
            key = {"base_model": base, "world": world, "family": family, "ring": ring, "unit": unit}
            yield _task(key, rows, outcomes)


def _task(key: dict, rows: pd.DataFrame, outcomes: Sequence[str]) -> _Task:
    labels = rows["condition"].to_numpy(object)
    checkpoints = rows["base_model"].to_numpy(object)
    folds = np.arange(len(rows)) if key["unit"] == "runs" else np.unique(checkpoints, return_inverse=True)[1]
    spread = {c: len(np.unique(folds[labels == c])) for c in sorted(set(labels))}
    what = "run" if key["unit"] == "runs" else "base checkpoint"
    reason = f"a single {what}: no centroid without it"
    lost = [{**key, "condition": c, "reason": reason} for c, n in spread.items() if n < 2]
    names = [c for c, n in spread.items() if n >= 2]
    if len(names) < 2:
        lost.append({**key, "reason": "fewer than two conditions to tell apart"})
        names = []
    keep = np.flatnonzero(np.isin(labels, names))
    keep = keep[np.argsort(folds[keep], kind="stable")]
    truth = np.array([names.index(label) for label in labels[keep]], dtype=int)
    sets = rows.groupby(["condition", "seed"], sort=True).ngroup().to_numpy()[keep]
    return _Task(key, names, rows[list(outcomes)].to_numpy(float)[keep], truth, folds[keep], sets, lost)


def _predict(task: _Task, labels: np.ndarray) -> np.ndarray:
    """Condition of each run by the centroids of the runs outside its fold; `labels` and result are [ways, runs]."""
    folds, starts = np.unique(task.folds, return_inverse=True)[1], np.unique(task.folds, return_index=True)[1]
    member = labels[..., None] == np.arange(len(task.names))  # [ways, runs, conditions]
    sums, counts = member[..., None] * task.points[:, None], member.astype(float)
    # The mean of a condition over all runs but those of each fold: [ways, folds, conditions, outcomes].
    outside = sums.sum(axis=1, keepdims=True) - np.add.reduceat(sums, starts, axis=1)
    others = counts.sum(axis=1, keepdims=True) - np.add.reduceat(counts, starts, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centroids = outside / others[..., None]
    distances = ((task.points[:, None] - centroids[:, folds]) ** 2).sum(axis=-1)
    # A fold may hold all runs of a condition after a permutation: it has no centroid then, and is never nearest.
    return np.where(np.isnan(distances), np.inf, distances).argmin(axis=-1)


def _permutation_test(task: _Task, predicted: np.ndarray) -> tuple[float, float]:
    hits, as_high = int((predicted == task.truth).sum()), 0
    rng = np.random.default_rng(0)
    _, first, member = np.unique(task.sets, return_index=True, return_inverse=True)
    truth = task.truth[first]  # of each training set
    for start in range(0, PERMUTATIONS, CHUNK):
        ways = min(CHUNK, PERMUTATIONS - start)
        labels = rng.permuted(np.broadcast_to(truth, (ways, len(truth))), axis=1)[:, member]
        as_high += int(((_predict(task, labels) == labels).sum(axis=1) >= hits).sum())
    return hits / len(predicted), (1 + as_high) / (1 + PERMUTATIONS)
