"""Families of tests: which claims were declared, a hash that shows if they change, the corrections."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

NAMED = ("condition", "control", "family", "outcome", "ring")
DIGITS = 12


def declared(settings: Any) -> set[tuple[str, ...]]:
    """(condition, control, family, outcome, ring) of each confirmatory claim."""
    return {tuple(getattr(claim, name) for name in NAMED) for claim in settings.confirmatory}


def family_hash(settings: Any) -> str:
    """The first 12 hex digits of SHA-256 over what was declared: claims (in any order), smallest effect, alpha.

    Written beside every p-value: two tables of different hashes do not test the same family.
    """
    family = {
        "alpha": float(settings.alpha),
        "smallest_effect": float(settings.smallest_effect),
        "confirmatory": sorted(map(list, declared(settings))),
    }
    return hashlib.sha256(json.dumps(family, sort_keys=True).encode()).hexdigest()[:DIGITS]


def adjusted(table: pd.DataFrame, refused: pd.DataFrame, within: Sequence[str] = ()) -> pd.DataFrame:
    """Adds p_adjusted: Holm over the confirmatory family, Benjamini-Hochberg over the rest of each unit.

    Parameters
    ----------
    table : p_value, role, unit and the columns named by `within`
    refused : role and the columns named by `within` of claims that could not be estimated; a declared one
        counts as p = 1
    within : columns whose values each have a confirmatory family of their own
    """
    p_adjusted = pd.Series(np.nan, index=table.index)
    lost = refused[refused["role"] == "confirmatory"]
    confirmatory = table["role"] == "confirmatory"
    by = list(within) or ["role"]
    for key, rows in table[confirmatory].groupby(by, sort=True):
        missing = int((lost[by] == list(key)).all(axis=1).sum())
        p_values = np.append(rows["p_value"].to_numpy(float), np.ones(missing))
        p_adjusted[rows.index] = multipletests(p_values, method="holm")[1][: len(rows)]
    for _, rows in table[~confirmatory].groupby("unit", sort=True):
        p_adjusted[rows.index] = multipletests(rows["p_value"].to_numpy(float), method="fdr_bh")[1]
    return table.assign(p_adjusted=p_adjusted)
