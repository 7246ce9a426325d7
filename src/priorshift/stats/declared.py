"""The declared claims: which they are, a hash that shows if they change, and their panels.

A claim of the study's YAML names a contrast, what is claimed of it (`shift`: it differs from 0; `equivalence`: it
lies within the smallest effect of interest) and the worlds it is claimed for. It is tested once in each base model
(unit `both`), in embedded worlds once in each architecture (unit `base`). All these tests, of either kind, are one
family, Holm-corrected together. Every other row of every table is exploratory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from priorshift.stats import estimates as est
from priorshift.stats.intervals import t_interval
from priorshift.stats.panels import Panel, nests, panels

NAMED = ("condition", "control", "family", "outcome", "ring")
CLAIM = ["base_model", "world", *NAMED]
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


def told(settings: Settings) -> list[Claim]:
    """The declared claims in a fixed order, whatever that of the file."""
    return sorted(settings.confirmatory, key=_as_list)


def declared(settings: Settings) -> set[tuple[str, ...]]:
    """(condition, control, family, outcome, ring) of each contrast of which anything is claimed anywhere."""
    return {tuple(getattr(claim, name) for name in NAMED) for claim in settings.confirmatory}


def own_unit(world: str) -> str:
    """The unit at which a declared claim is tested: new pretrainings can be claimed of embedded worlds alone."""
    return "base" if world else "both"


def claimed(settings: Settings, kind: str, row: Mapping[str, Any]) -> bool:
    """Was this `kind` (shift, equivalence) declared of a row's contrast and world?"""
    return any(
        claim.claim == kind
        and (claim.worlds is None or row["world"] in claim.worlds)
        and all(getattr(claim, name) == row[name] for name in NAMED)
        for claim in settings.confirmatory
    )


def role(settings: Settings, kind: str, row: Mapping[str, Any]) -> str:
    """`confirmatory` where this `kind` was declared of a row's contrast and world, at its own unit."""
    own = row["unit"] == own_unit(row["world"])
    return "confirmatory" if own and claimed(settings, kind, row) else "exploratory"


def family_hash(settings: Settings) -> str:
    """The first 12 hex digits of SHA-256 over what was declared: claims (in any order), smallest effect, alpha.

    Written beside every p-value: two tables of different hashes do not test the same family.
    """
    family = {
        "alpha": float(settings.alpha),
        "smallest_effect": float(settings.smallest_effect),
        "confirmatory": [_as_list(claim) for claim in told(settings)],
    }
    return hashlib.sha256(json.dumps(family, sort_keys=True).encode()).hexdigest()[:DIGITS]


def _as_list(claim: Claim) -> list:
    return [*(getattr(claim, name) for name in NAMED), claim.claim, sorted(claim.worlds or ["all"])]


# -- their panels: what bootstrap, power and influence look at -----------------------------------------


@dataclass(frozen=True)
class Declared:
    """One declared claim in one base model, or (`checkpoints`) in one embedded group and world."""

    claim: dict[str, str]  # CLAIM -> value
    checkpoints: list[Panel]

    def sides(self, which: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """(treatment, control) of one checkpoint, each [runs, items]."""
        panel = self.checkpoints[which]
        return panel.runs(self.claim["condition"]), panel.runs(self.claim["control"])


def per_base_model(items: pd.DataFrame, settings: Settings) -> list[Declared]:
    """Each declared claim in each base model that ran both conditions twice at least: unit `both`."""
    made = []
    for panel in panels(items):
        for claim, pair in _claims(settings, panel.probe):
            if min((panel.labels == condition).sum() for condition in pair) >= 2:
                made.append(Declared({"base_model": panel.base_model, "world": panel.world, **claim}, [panel]))
    return made


def per_group(items: pd.DataFrame, settings: Settings) -> list[Declared]:
    """Each declared claim in each embedded group and world with two checkpoints at least: unit `base`."""
    made = []
    for group, world, probe, members in nests(panels(items)):
        for claim, pair in _claims(settings, probe):
            ran = [panel for panel in members if set(pair) <= panel.conditions]
            if len(ran) >= 2:
                made.append(Declared({"base_model": group, "world": world, **claim}, ran))
    return made


def _claims(settings: Settings, probe: tuple[str, str, str]) -> Iterator[tuple[dict[str, str], tuple[str, str]]]:
    for named in sorted(declared(settings)):
        claim = dict(zip(NAMED, named, strict=True))
        if (claim["family"], claim["ring"], claim["outcome"]) == probe:
            yield claim, (claim["condition"], claim["control"])


def estimate_both(treatment: np.ndarray, control: np.ndarray, alpha: float) -> dict[str, float] | None:
    """estimate, ci_low, ci_high and p_value of the crossed model; None where it cannot be estimated."""
    return _estimated(lambda: est.crossed(treatment, control), alpha)


def estimate_base(found: Declared, alpha: float) -> dict[str, float] | None:
    """The same of the t over checkpoints."""
    pairs = [found.sides(i) for i in range(len(found.checkpoints))]
    return _estimated(lambda: est.over_checkpoints(pairs, len(found.checkpoints[0].items)), alpha)


def _estimated(estimate, alpha: float) -> dict[str, float] | None:
    try:
        made = estimate()
    except est.NotEstimable:
        return None
    low, high, p_value = t_interval(made.estimate, made.se, made.df, alpha)
    return {"estimate": made.estimate, "ci_low": float(low), "ci_high": float(high), "p_value": float(p_value)}
