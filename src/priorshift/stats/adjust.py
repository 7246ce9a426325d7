"""Corrections of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from priorshift.stats.declared import DECLARED

CHECK = "choice"  # the family of probes that asks whether training took


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's (1979, Scand. J. Stat. 6, 65) step-down correction: it bounds the chance of any false claim.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    # statsmodels' multipletests collects garbage at each call: 50 ms, for a hundred margins of an equivalence.
    values = np.asarray(p_values, dtype=float)
    order, steps = np.argsort(values, kind="stable"), np.arange(len(values), 0, -1)
    made = np.empty_like(values)
    made[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return made


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Benjamini and Hochberg's (1995, JRSS B 57, 289) correction: it bounds the expected share of false claims.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    values = np.asarray(p_values, dtype=float)
    return stats.false_discovery_control(values) if len(values) else values


def adjust_exploratory(table: pd.DataFrame, test: Sequence[str] | None = None) -> pd.Series:
    """Benjamini-Hochberg's p within each world, unit and purpose: the same sets of tests in every table.

    A purpose is a check that training took (probes of choices, `CHECK`) or a question about expectations (all others).
    Some tests must come out: those of choices, and those in the world that couples acting and expecting. They have no
    part in the correction of the others, for they would leave a null result's p about as it is.

    Parameters
    ----------
    table : DataFrame
        With p_value, world, unit and family. Rows without a p_value are no tests.
    test : sequence of str, optional
        Columns that name a test, where it has more rows than one. It counts once.

    Returns
    -------
    Series
        By the index of `table`.
    """
    made = pd.Series(np.nan, index=table.index, dtype=float)
    tested = table[table["p_value"].notna()]
    for _, rows in tested.groupby(["world", "unit", tested["family"].eq(CHECK).rename("check")], sort=True):
        tests = rows.groupby(list(test), sort=False).ngroup().to_numpy() if test else np.arange(len(rows))
        _, first = np.unique(tests, return_index=True)
        made[rows.index] = benjamini_hochberg(rows["p_value"].to_numpy(float)[first])[tests]
    return made


def adjust_claims(tables: Mapping[str, pd.DataFrame], n_refused: int) -> dict[str, pd.DataFrame]:
    """Adds p_adjusted: Holm once over the declared rows of all tables, `adjust_exploratory` of the rest of each.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        With p_value, role, world, unit and family.
    n_refused : int
        How many declared claims could not be estimated. Each counts as p = 1.
    """
    p_values = [table.loc[table["role"] == DECLARED, "p_value"] for table in tables.values()]
    corrected = iter(holm(np.concatenate([*p_values, np.ones(n_refused)]).astype(float)))
    made = {}
    for name, table in tables.items():
        p_adjusted = pd.Series(np.nan, index=table.index, dtype=float)
        declared = table["role"] == DECLARED
        p_adjusted[declared] = [next(corrected) for _ in range(int(declared.sum()))]
        made[name] = table.assign(p_adjusted=p_adjusted.where(declared, adjust_exploratory(table[~declared])))
    return made
