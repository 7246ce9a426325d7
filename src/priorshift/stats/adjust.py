"""Corrections of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's (1979, Scand. J. Stat. 6, 65) step-down correction: it bounds the chance of any false claim.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    return _correct(p_values, "holm")


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Benjamini and Hochberg's (1995, JRSS B 57, 289) correction: it bounds the expected share of false claims.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    return _correct(p_values, "fdr_bh")


def _correct(p_values: ArrayLike, method: str) -> np.ndarray:
    values = np.asarray(p_values, dtype=float)
    return multipletests(values, method=method)[1] if len(values) else values


def adjust_claims(tables: Mapping[str, pd.DataFrame], n_refused: int) -> dict[str, pd.DataFrame]:
    """Adds p_adjusted: Holm once over the confirmatory rows of all tables, Benjamini-Hochberg over the rest.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        With p_value, role and unit. Exploratory rows are corrected within a table and unit.
    n_refused : int
        How many declared claims could not be estimated. Each counts as p = 1.
    """
    p_values = [table.loc[table["role"] == "confirmatory", "p_value"] for table in tables.values()]
    corrected = iter(holm(np.concatenate([*p_values, np.ones(n_refused)]).astype(float)))
    made = {}
    for name, table in tables.items():
        p_adjusted = pd.Series(np.nan, index=table.index, dtype=float)
        confirmatory = table["role"] == "confirmatory"
        p_adjusted[confirmatory] = [next(corrected) for _ in range(int(confirmatory.sum()))]
        for _, rows in table[~confirmatory].groupby("unit", sort=True):
            p_adjusted[rows.index] = benjamini_hochberg(rows["p_value"].to_numpy(float))
        made[name] = table.assign(p_adjusted=p_adjusted)
    return made
