"""The declared claims: which they are, where each is tested, and a hash that shows if they change.

A claim of the study's YAML names a contrast, what is claimed of it (`shift`: it differs from 0; `equivalence`: it
lies within the smallest effect of interest) and the worlds it is claimed for. It is tested once in each base model
(unit `both`), in embedded worlds once in each architecture (unit `base`). All these tests, of either kind, are
Holm-corrected together: they are confirmatory. Every other row of every table is exploratory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

CONTRAST_KEY = ("condition", "control", "family", "outcome", "ring")
CLAIM = ["base_model", "world", *CONTRAST_KEY]
KEY = [*CLAIM, "unit"]
DIGITS = 12


class Claim(Protocol):
    """One declared claim: condition minus control on an outcome of a family's items in a ring.

    claim : "shift" or "equivalence"
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
    def worlds(self) -> Sequence[str] | None: ...


class Settings(Protocol):
    """What was decided before any result; a study's `inference` section is one.

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
    def confirmatory(self) -> Sequence[Claim]: ...


def sort_claims(settings: Settings) -> list[Claim]:
    """The declared claims in a fixed order, whatever that of the file."""
    return sorted(settings.confirmatory, key=_list_fields)


def list_contrasts(settings: Settings) -> set[tuple[str, ...]]:
    """`CONTRAST_KEY` of each contrast of which anything is claimed anywhere."""
    return {tuple(getattr(claim, name) for name in CONTRAST_KEY) for claim in settings.confirmatory}


def choose_unit(world: str) -> str:
    """The unit at which a declared claim is tested: new pretrainings can be claimed of embedded worlds alone."""
    return "base" if world else "both"


def is_claimed(settings: Settings, kind: str, row: Mapping[str, Any]) -> bool:
    """Was this `kind` (shift, equivalence) declared of a row's contrast and world?"""
    return any(
        claim.claim == kind
        and (claim.worlds is None or row["world"] in claim.worlds)
        and all(getattr(claim, name) == row[name] for name in CONTRAST_KEY)
        for claim in settings.confirmatory
    )


def find_role(settings: Settings, kind: str, row: Mapping[str, Any]) -> str:
    """`confirmatory` where this `kind` was declared of a row's contrast and world, at the claim's unit."""
    tested_here = row["unit"] == choose_unit(row["world"])
    return "confirmatory" if tested_here and is_claimed(settings, kind, row) else "exploratory"


def hash_claims(settings: Settings) -> str:
    """The first 12 hex digits of SHA-256 over what was declared: claims (in any order), smallest effect, alpha.

    The column family_hash beside every p-value: tables of different hashes do not test the same claims.
    """
    declared = {
        "alpha": float(settings.alpha),
        "smallest_effect": float(settings.smallest_effect),
        "confirmatory": [_list_fields(claim) for claim in sort_claims(settings)],
    }
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:DIGITS]


def _list_fields(claim: Claim) -> list[Any]:
    return [*(getattr(claim, name) for name in CONTRAST_KEY), claim.claim, sorted(claim.worlds or ["all"])]
