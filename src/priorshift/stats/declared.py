"""The declared claims: which they are, where each is tested, and whether it holds.

A claim names a contrast, what is claimed of it and the worlds it is claimed for. A `shift` differs from 0, and an
`equivalence` lies within the smallest effect of interest. It is tested once in each base model (unit `both`), in
embedded worlds once in each architecture (unit `base`). All these tests, of either kind, are Holm-corrected together:
their role is `declared`. Every other row of every table is `exploratory`. Whether claims were registered before the
data is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

CONTRAST_KEY = ("condition", "control", "family", "outcome", "ring")
CLAIM = ["base_model", "world", *CONTRAST_KEY]
KEY = [*CLAIM, "unit"]
DECLARED, EXPLORATORY = "declared", "exploratory"
SIGNS = {"increase": 1.0, "decrease": -1.0}  # of the outcome's log-odds, condition minus control


class Claim(Protocol):
    """One declared claim: condition minus control on an outcome of a family's items in a ring.

    claim : "shift" or "equivalence"
    direction : "increase" or "decrease" of the log-odds, of a shift; either, if None
    worlds : the calibration worlds it is claimed for; every base model, if None
    """

    @property
    def condition(self) -> str: ...
    @property
    def control(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def ring(self) -> str: ...
    @property
    def claim(self) -> str: ...
    @property
    def direction(self) -> str | None: ...
    @property
    def worlds(self) -> Sequence[str] | None: ...


class Settings(Protocol):
    """What was decided before any result. Any object with these attributes will do.

    smallest_effect : of interest, nats
    treatments, controls : names of conditions
    """

    @property
    def alpha(self) -> float: ...
    @property
    def smallest_effect(self) -> float: ...
    @property
    def treatments(self) -> Sequence[str]: ...
    @property
    def controls(self) -> Sequence[str]: ...
    @property
    def claims(self) -> Sequence[Claim]: ...


def sort_claims(settings: Settings) -> list[Claim]:
    """The declared claims in a fixed order, whatever that of the file."""
    return sorted(settings.claims, key=_list_fields)


def list_contrasts(settings: Settings) -> set[tuple[str, ...]]:
    """`CONTRAST_KEY` of each contrast of which anything is claimed anywhere."""
    return {tuple(getattr(claim, name) for name in CONTRAST_KEY) for claim in settings.claims}


def choose_unit(world: str) -> str:
    """The unit at which a declared claim is tested: new pretrainings can be claimed of embedded worlds alone."""
    return "base" if world else "both"


def is_claimed(settings: Settings, kind: str, row: Mapping[str, Any]) -> bool:
    """Was this `kind` (shift, equivalence) declared of a row's contrast and world?"""
    return bool(_find_claims(settings, kind, row))


def find_direction(settings: Settings, row: Mapping[str, Any]) -> str:
    """The direction in which a row's contrast was declared to shift in its world. Empty where none was."""
    return next((claim.direction for claim in _find_claims(settings, "shift", row) if claim.direction), "")


def find_role(settings: Settings, kind: str, row: Mapping[str, Any]) -> str:
    """`declared` where this `kind` was declared of a row's contrast and world, at the claim's unit."""
    tested_here = row["unit"] == choose_unit(row["world"])
    return DECLARED if tested_here and is_claimed(settings, kind, row) else EXPLORATORY


def keep_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that test a declared claim at its own unit, registered or not."""
    return table[table["role"] != EXPLORATORY]


def match_direction(estimate: pd.Series, direction: pd.Series) -> pd.Series:
    """Does an estimate lie on the side of 0 that was declared? Where no direction was, either side will do."""
    sign = direction.map(SIGNS).astype(float)
    return sign.isna() | (np.sign(estimate) == sign)


def _find_claims(settings: Settings, kind: str, row: Mapping[str, Any]) -> list[Claim]:
    return [
        claim
        for claim in settings.claims
        if claim.claim == kind
        and (claim.worlds is None or row["world"] in claim.worlds)
        and all(getattr(claim, name) == row[name] for name in CONTRAST_KEY)
    ]


def _list_fields(claim: Claim) -> list[Any]:
    return [*(getattr(claim, name) for name in CONTRAST_KEY), claim.claim, sorted(claim.worlds or ["all"])]
