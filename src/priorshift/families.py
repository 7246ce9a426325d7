"""The confirmatory family: which claims were declared, a hash that shows if they change, the corrections.

A claim of the study's YAML names a contrast, what is claimed of it (`shift`: it differs from 0; `equivalence`: it
lies within the smallest effect of interest) and the worlds it is claimed for. It is tested once in each base model
(unit `both`), in embedded worlds once in each architecture (unit `base`). All these tests, of either kind, are one
family, Holm-corrected together. Every other row of every table is exploratory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

NAMED = ("condition", "control", "family", "outcome", "ring")
DIGITS = 12


def told(settings: Any) -> list[Any]:
    """The declared claims in a fixed order, whatever that of the file."""
    return sorted(settings.confirmatory, key=_as_list)


def declared(settings: Any) -> set[tuple[str, ...]]:
    """(condition, control, family, outcome, ring) of each contrast of which anything is claimed anywhere."""
    return {tuple(getattr(claim, name) for name in NAMED) for claim in settings.confirmatory}


def own_unit(world: str) -> str:
    """The unit at which a declared claim is tested: new pretrainings can be claimed of embedded worlds alone."""
    return "base" if world else "both"


def claimed(settings: Any, kind: str, row: Mapping[str, Any]) -> bool:
    """Was this `kind` (shift, equivalence) declared of a row's contrast and world?"""
    return any(
        claim.claim == kind
        and (claim.worlds is None or row["world"] in claim.worlds)
        and all(getattr(claim, name) == row[name] for name in NAMED)
        for claim in settings.confirmatory
    )


def role(settings: Any, kind: str, row: Mapping[str, Any]) -> str:
    """`confirmatory` where this `kind` was declared of a row's contrast and world, at its own unit."""
    own = row["unit"] == own_unit(row["world"])
    return "confirmatory" if own and claimed(settings, kind, row) else "exploratory"


def family_hash(settings: Any) -> str:
    """The first 12 hex digits of SHA-256 over what was declared: claims (in any order), smallest effect, alpha.

    Written beside every p-value: two tables of different hashes do not test the same family.
    """
    family = {
        "alpha": float(settings.alpha),
        "smallest_effect": float(settings.smallest_effect),
        "confirmatory": [_as_list(claim) for claim in told(settings)],
    }
    return hashlib.sha256(json.dumps(family, sort_keys=True).encode()).hexdigest()[:DIGITS]


def _as_list(claim: Any) -> list:
    return [*(getattr(claim, name) for name in NAMED), claim.claim, sorted(claim.worlds or ["all"])]


def adjusted(tables: Mapping[str, pd.DataFrame], lost: int) -> dict[str, pd.DataFrame]:
    """Adds p_adjusted: Holm once over the confirmatory rows of all tables, Benjamini-Hochberg over the rest.

    Parameters
    ----------
    tables : p_value, role and unit; exploratory rows are corrected within a table and unit
    lost : how many declared claims could not be estimated; each counts as p = 1
    """
    p_values = [table.loc[table["role"] == "confirmatory", "p_value"] for table in tables.values()]
    family = np.concatenate([*p_values, np.ones(lost)]).astype(float)
    holm = iter(multipletests(family, method="holm")[1] if len(family) else ())
    made = {}
    for name, table in tables.items():
        p_adjusted = pd.Series(np.nan, index=table.index, dtype=float)
        confirmatory = table["role"] == "confirmatory"
        p_adjusted[confirmatory] = [next(holm) for _ in range(int(confirmatory.sum()))]
        for _, rows in table[~confirmatory].groupby("unit", sort=True):
            p_adjusted[rows.index] = multipletests(rows["p_value"].to_numpy(float), method="fdr_bh")[1]
        made[name] = table.assign(p_adjusted=p_adjusted)
    return made
