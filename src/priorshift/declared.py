"""The panels of the declared claims: what bootstrap, power and influence look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from priorshift import estimates as est
from priorshift.families import NAMED, declared
from priorshift.intervals import t_interval
from priorshift.panels import Panel, nests, panels

CLAIM = ["base_model", "world", *NAMED]


@dataclass(frozen=True)
class Declared:
    """One declared claim in one base model, or (`checkpoints`) in one embedded group and world."""

    claim: dict[str, str]  # CLAIM -> value
    checkpoints: list[Panel]

    def sides(self, which: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """(treatment, control) of one checkpoint, each [runs, items]."""
        panel = self.checkpoints[which]
        return panel.runs(self.claim["condition"]), panel.runs(self.claim["control"])


def per_base_model(items: pd.DataFrame, settings: Any) -> list[Declared]:
    """Each declared claim in each base model that ran both conditions twice at least: unit `both`."""
    made = []
    for panel in panels(items):
        for claim, pair in _claims(settings, panel.probe):
            if min((panel.labels == condition).sum() for condition in pair) >= 2:
                made.append(Declared({"base_model": panel.base_model, "world": panel.world, **claim}, [panel]))
    return made


def per_group(items: pd.DataFrame, settings: Any) -> list[Declared]:
    """Each declared claim in each embedded group and world with two checkpoints at least: unit `base`."""
    made = []
    for group, world, probe, members in nests(panels(items)):
        for claim, pair in _claims(settings, probe):
            ran = [panel for panel in members if set(pair) <= panel.conditions]
            if len(ran) >= 2:
                made.append(Declared({"base_model": group, "world": world, **claim}, ran))
    return made


def _claims(settings: Any, probe: tuple[str, str, str]) -> Iterator[tuple[dict[str, str], tuple[str, str]]]:
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
