"""Corrections of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction: the chance of any false claim in the family."""
    return _correct(p_values, "holm")


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's (1995) correction: the expected share of false claims among those made."""
    return _correct(p_values, "fdr_bh")


def _correct(p_values: np.ndarray, method: str) -> np.ndarray:
    values = np.asarray(p_values, dtype=float)
    return multipletests(values, method=method)[1] if len(values) else values


def adjusted(tables: Mapping[str, pd.DataFrame], lost: int) -> dict[str, pd.DataFrame]:
    """Adds p_adjusted: Holm once over the confirmatory rows of all tables, Benjamini-Hochberg over the rest.

    Parameters
    ----------
    tables : p_value, role and unit; exploratory rows are corrected within a table and unit
    lost : how many declared claims could not be estimated; each counts as p = 1
    """
    p_values = [table.loc[table["role"] == "confirmatory", "p_value"] for table in tables.values()]
    family = np.concatenate([*p_values, np.ones(lost)]).astype(float)
    corrected = iter(holm(family))
    made = {}
    for name, table in tables.items():
        p_adjusted = pd.Series(np.nan, index=table.index, dtype=float)
        confirmatory = table["role"] == "confirmatory"
        p_adjusted[confirmatory] = [next(corrected) for _ in range(int(confirmatory.sum()))]
        for _, rows in table[~confirmatory].groupby("unit", sort=True):
            p_adjusted[rows.index] = benjamini_hochberg(rows["p_value"].to_numpy(float))
        made[name] = table.assign(p_adjusted=p_adjusted)
    return made
