"""The panels of each declared claim, and its estimate: what bootstrap, power and influence look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from priorshift.stats.declared import CONTRAST_KEY, Settings, list_contrasts
from priorshift.stats.estimates import Estimate, estimate_crossed, estimate_over_checkpoints
from priorshift.stats.intervals import t_interval
from priorshift.stats.panels import Panel, Probe, build_panels, group_checkpoints, share_items
from priorshift.stats.shared_items import NotEstimable


@dataclass(frozen=True)
class ClaimPanels:
    """One declared claim in one base model, or (`checkpoints`) in one embedded group and world."""

    claim: dict[str, str]  # CLAIM -> value
    checkpoints: list[Panel]

    def select_sides(self, which: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """(treatment, control) of one checkpoint, each [runs, items]."""
        panel = self.checkpoints[which]
        return panel.select(self.claim["condition"]), panel.select(self.claim["control"])


def list_by_base_model(items: pd.DataFrame, settings: Settings) -> list[ClaimPanels]:
    """Each declared claim in each base model that ran both conditions twice at least: unit `both`."""
    made = []
    for panel in build_panels(items):
        for claim in _claims_on(settings, panel.probe):
            if min(len(panel.select(claim[side])) for side in ("condition", "control")) >= 2:
                made.append(ClaimPanels({"base_model": panel.base_model, "world": panel.world, **claim}, [panel]))
    return made


def list_by_group(items: pd.DataFrame, settings: Settings) -> list[ClaimPanels]:
    """Each declared claim in each embedded group and world with two checkpoints at least: unit `base`."""
    made = []
    for group, world, probe, checkpoints in group_checkpoints(build_panels(items)):
        for claim in _claims_on(settings, probe):
            ran = [panel for panel in checkpoints if {claim["condition"], claim["control"]} <= panel.conditions]
            if len(ran) >= 2:
                made.append(ClaimPanels({"base_model": group, "world": world, **claim}, ran))
    return made


def _claims_on(settings: Settings, probe: Probe) -> Iterator[dict[str, str]]:
    for contrast in sorted(list_contrasts(settings)):
        claim = dict(zip(CONTRAST_KEY, contrast, strict=True))
        if (claim["family"], claim["ring"], claim["outcome"]) == probe:
            yield claim


def estimate_both(claim: ClaimPanels, alpha: float) -> dict[str, float] | None:
    """estimate, ci_low, ci_high (nats) and p_value of the crossed model. None where it cannot be estimated."""
    return _estimate(lambda: estimate_crossed(*claim.select_sides(), claim.checkpoints[0].domains), alpha)


def estimate_base(claim: ClaimPanels, alpha: float) -> dict[str, float] | None:
    """estimate, ci_low, ci_high (nats) and p_value of the t over checkpoints. None where there is no estimate."""
    shared = replace(claim, checkpoints=share_items(claim.checkpoints))
    pairs = [shared.select_sides(i) for i in range(len(shared.checkpoints))]
    return _estimate(lambda: estimate_over_checkpoints(pairs), alpha)


def _estimate(estimator: Callable[[], Estimate], alpha: float) -> dict[str, float] | None:
    try:
        made = estimator()
    except NotEstimable:
        return None
    low, high, p_value = t_interval(made.estimate, made.se, made.df, alpha)
    return {"estimate": made.estimate, "ci_low": float(low), "ci_high": float(high), "p_value": float(p_value)}
