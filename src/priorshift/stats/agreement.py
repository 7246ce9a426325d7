"""Do the measures agree? Outcomes by methods (Campbell & Fiske 1959, Psychol. Bull. 56, 81), correlated over runs.

A *measure* is one outcome by one method. Where measures mean what they say, the same outcome by two methods goes
together (convergent), more than two outcomes by one method do (discriminant). Differences between conditions alone
make everything correlate that training moves. So each correlation stands three times: over all runs, within conditions
(their means taken out), and between conditions (over their means).

Outcomes of one family share one probability: what one gains, others lose. That pulls correlations of other outcomes
below 0, whatever the method.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.correlations import correct_for_halves, covary_correlations, fisher_error, limit_correlation
from priorshift.stats.panels import RUN

POOLED = "all"  # what stands for a base model where those of a world are pooled
OVER = ("all runs", "within conditions", "between conditions")
RELIABILITY = "same outcome, same method"
CONVERGENT = "same outcome, other method"
SAME_METHOD = "other outcome, same method"
NEITHER = "other outcome, other method"
MULTITRAIT = [
    "base_model", "world", "over", "kind", "method", "outcome", "other_method", "other_outcome", "n_runs",
    "n_conditions", "correlation", "ci_low", "ci_high",
]  # fmt: skip
SUMMARIES = ("convergent", "same_method", "neither", "margin")
METHODS = [
    "base_model", "world", "over", "method", "n_outcomes", "n_runs",
    *(f"{name}{end}" for name in SUMMARIES for end in ("", "_low", "_high")), "comparisons", "met",
]  # fmt: skip
VALUES = ["value", "half_1", "half_2"]
Measure = tuple[str, str]  # method, outcome


@dataclass(frozen=True)
class Pool:
    """Runs of one base model, or of all base models of a world.

    values : [runs, 3 x measures]: all measures, then their first halves, then their second (NaN where there are none)
    models : [runs]: the base model of each
    conditions : [runs]: the base model and condition of each
    """

    base_model: str
    world: str
    measures: list[Measure]
    values: np.ndarray
    models: np.ndarray
    conditions: np.ndarray


def correlate_measures(measures: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Correlate each two measures over runs: `tables/multitrait.csv`.

    Parameters
    ----------
    measures : DataFrame
        base_model, group, world, condition, seed; method, outcome; value, in any unit. half_1 and half_2, where they
        are there: the same by one half of the method's items each. A run that lacks a measure has no part.

    Returns
    -------
    DataFrame
        Columns `MULTITRAIT`. base_model: a base model's name, or `all` of a world, each about its own mean.
        over: one of `OVER`. kind: which part of the matrix it is. `same outcome, same method` is reliability: the
        correlation of halves, stepped up. Limits: Fisher's z, whose n is what is left when the means are taken out.
        For new runs of these conditions they hold 94 to 96 % within conditions, else 94 to 100 % (simulated, 2 to 5
        runs of 4 or 6 conditions). Empty where too little is left, or where a measure does not vary.
    """
    rows: list[dict[str, Any]] = []
    for pool in _list_pools(measures):
        for over in OVER:
            rows += _list_correlations(pool, over, alpha)
    return pd.DataFrame(rows, columns=MULTITRAIT)


def summarize_methods(measures: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Say how far each method agrees with the others, and how far its own outcomes go together: `tables/methods.csv`.

    Returns
    -------
    DataFrame
        Columns `METHODS`. convergent: mean correlation with the same outcome by other methods. same_method: of its
        outcomes with each other. neither: with other outcomes by other methods. margin: convergent minus same_method.
        Limits: normal theory, for these correlations share measures (`correlations.covary_correlations`).
        comparisons: Campbell and Fiske's, of each convergent correlation with each of another outcome in its row or
        column and of its two methods. met: in how many it is the higher. base_model and over as there.
    """
    rows: list[dict[str, Any]] = []
    for pool in _list_pools(measures):
        methods = list(dict.fromkeys(method for method, _ in pool.measures))
        for over in OVER:
            rows += [_summarize(pool, over, method, alpha) for method in methods]
    return pd.DataFrame(rows, columns=METHODS)


def name_kind(one: Measure, other: Measure) -> str:
    """Which part of the matrix two measures stand in."""
    if one[1] == other[1]:
        return RELIABILITY if one[0] == other[0] else CONVERGENT
    return SAME_METHOD if one[0] == other[0] else NEITHER


def _list_pools(measures: pd.DataFrame) -> Iterator[Pool]:
    """Each base model, then all of each world. Those with two measures and three runs."""
    lacking = {name: np.nan for name in VALUES if name not in measures}
    table = measures.assign(**lacking, world=measures["world"].fillna(""))
    for world, own in table.groupby("world", sort=True):
        wide = {name: _widen(part) for name, part in own.groupby("base_model", sort=True)}
        shared = set.intersection(*({*part["value"].columns} for part in wide.values()))
        pooled = pd.concat([part.loc[:, [column[1:] in shared for column in part]] for part in wide.values()])
        for name, part in [*wide.items(), (POOLED, pooled)]:
            labels = list(part["value"].columns)
            if len(labels) < 2 or len(part) < 3:
                continue
            values = part.reindex(columns=[(kind, *label) for kind in VALUES for label in labels]).to_numpy(float)
            runs = part.index.to_frame(index=False)
            groups = [runs.groupby(keys).ngroup().to_numpy() for keys in ("base_model", ["base_model", "condition"])]
            yield Pool(name, world, labels, values, *groups)


def _widen(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs down, (value or half, method, outcome) across. The runs that have all values of the base model."""
    index = [name for name in RUN if name not in ("group", "world")]
    wide = rows.pivot(index=index, columns=["method", "outcome"], values=VALUES).sort_index().sort_index(axis=1)
    return wide[wide["value"].notna().all(axis=1)]


def _list_correlations(pool: Pool, over: str, alpha: float) -> Iterator[dict[str, Any]]:
    k, (matrix, df) = len(pool.measures), _correlate(pool, over)
    for i, j in combinations_with_replacement(range(k), 2):
        one, other = pool.measures[i], pool.measures[j]
        # Reliability is the correlation of the halves, which stand behind the values.
        r = matrix[k + i, 2 * k + i] if i == j else matrix[i, j]
        limits = [r, *limit_correlation(r, fisher_error(df), alpha)]
        if i == j and np.isnan(r):
            continue
        made = [correct_for_halves(value) for value in limits] if i == j else limits
        yield {
            **_describe(pool, over), "kind": name_kind(one, other), "method": one[0], "outcome": one[1],
            "other_method": other[0], "other_outcome": other[1], "n_conditions": len(np.unique(pool.conditions)),
            **dict(zip(("correlation", "ci_low", "ci_high"), made, strict=True)),
        }  # fmt: skip


def _describe(pool: Pool, over: str) -> dict[str, Any]:
    return {"base_model": pool.base_model, "world": pool.world, "over": over, "n_runs": len(pool.values)}


def _summarize(pool: Pool, over: str, method: str, alpha: float) -> dict[str, Any]:
    k, (matrix, df) = len(pool.measures), _correlate(pool, over)
    matrix = matrix[:k, :k]
    pairs = [(i, j) for i, j in combinations(range(k), 2) if np.isfinite(matrix[i, j])]
    covariance = covary_correlations(matrix, pairs) * fisher_error(df) ** 2
    r = np.array([matrix[pair] for pair in pairs])
    weights = {}
    for name, kind in zip(SUMMARIES, (CONVERGENT, SAME_METHOD, NEITHER), strict=False):
        labels = [(pool.measures[i], pool.measures[j]) for i, j in pairs]
        chosen = np.array([name_kind(*two) == kind and method in (two[0][0], two[1][0]) for two in labels], dtype=bool)
        weights[name] = chosen / chosen.sum() if chosen.any() else np.full(len(pairs), np.nan)
    weights["margin"] = weights["convergent"] - weights["same_method"]
    n_outcomes = sum(name == method for name, _ in pool.measures)
    made = _describe(pool, over) | {"method": method, "n_outcomes": n_outcomes}
    half_width = stats.t.ppf(1 - alpha / 2, df) if df > 0 else np.nan
    for name, weight in weights.items():
        mean, se = float(weight @ r) if len(r) else np.nan, float(np.sqrt(max(weight @ covariance @ weight, 0.0)))
        limits = mean - half_width * se, mean + half_width * se
        if name != "margin":  # a mean of correlations lies between -1 and 1
            limits = limit_correlation(mean, se / (1 - mean**2), alpha)
        made |= dict(zip((name, f"{name}_low", f"{name}_high"), (mean, *limits), strict=True))
    higher = _compare(matrix, pool.measures, method)
    return made | {"comparisons": len(higher), "met": sum(higher)}


def _compare(matrix: np.ndarray, measures: list[Measure], method: str) -> list[bool]:
    """Whether a convergent correlation of the method is above each of another outcome in its row or column."""
    higher = []
    for i, one in enumerate(measures):
        for j, other in enumerate(measures):
            if one[0] != method or name_kind(one, other) != CONVERGENT:
                continue
            for place, third in product((i, j), range(len(measures))):
                apart = measures[third][1] != one[1] and measures[third][0] in (one[0], other[0])
                if apart and np.isfinite([matrix[i, j], matrix[place, third]]).all():
                    higher.append(bool(matrix[i, j] > matrix[place, third]))
    return higher


def _correlate(pool: Pool, over: str) -> tuple[np.ndarray, int]:
    """Correlations of the columns of `values` (NaN where one does not vary), and their degrees of freedom."""
    values, groups = pool.values, pool.models
    if over == "between conditions":
        values, first = _average(values, pool.conditions)
        groups = groups[first]
    elif over == "within conditions":
        groups = pool.conditions
    means, _ = _average(values, groups)
    left = values - means[np.unique(groups, return_inverse=True)[1]]
    sizes = np.sqrt((left**2).sum(axis=0))
    # A float sum of equal numbers may differ in its last digits: that is not variance.
    sizes[~(sizes > 1e-12 * np.abs(values).max(axis=0, initial=0))] = np.nan
    # Two measures that go together wholly would stand at an infinite z.
    matrix = np.clip(left.T @ left / np.outer(sizes, sizes), -1 + 1e-12, 1 - 1e-12)
    return matrix, len(values) - len(means)


def _average(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each group, in order, and the place of its first row."""
    _, first, inverse, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, inverse, values)
    return sums / counts[:, None], first
