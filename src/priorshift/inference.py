"""Claims from shifts: contrasts, equivalence, the difference between worlds. Tables in, tables out.

A p-value is a claim about what it generalizes to, so each row names its unit:

=====  ==========================================  ===============================================
unit   test                                        generalizes to
=====  ==========================================  ===============================================
items  paired t over items of seed means, d_z      new items, these very adapters
runs   Welch t over run means, Hedges' g           new fine-tunes, these very items
both   crossed random effects of run and item      new fine-tunes and new items, this base model
base   t over base checkpoints, runs within them   new pretrainings and fine-tunes, these items
=====  ==========================================  ===============================================

The confirmatory claim is `both` for a hub model (world "") and `base` for an embedded architecture. The
family that the study declares is Holm-corrected, a declared claim that cannot be estimated counting as
p = 1; all else is exploratory, Benjamini-Hochberg within unit. What the data cannot carry is left out of
every table and listed, with the reason, by `not_estimable`.

`settings` is any object with alpha, smallest_effect (nats), controls (condition names) and confirmatory
(objects with condition, control, family, outcome, ring).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from priorshift import estimates as est
from priorshift.confusion import confusion, refused_runs
from priorshift.errors import UserError
from priorshift.estimates import Estimate, NotEstimable
from priorshift.families import NAMED, adjusted, declared, family_hash
from priorshift.intervals import t_interval, with_interval
from priorshift.panels import Panel, nests, panels, run_means
from priorshift.specificity import refused_dissociations, specificity
from priorshift.wording import describe_contrast

__all__ = [
    "confusion",
    "contrasts",
    "describe_contrast",
    "equivalence",
    "not_estimable",
    "run_means",
    "specificity",
    "world_difference",
]

TREATMENTS = ("depression", "paranoia")
CLAIM = ["base_model", "world", "condition", "control", "family", "outcome", "ring"]
KEY = [*CLAIM, "unit"]
CONTRASTS = [
    *KEY, "test", "n_runs", "n_items", "estimate", "ci_low", "ci_high", "effect_size", "effect_size_name",
    "statistic", "df", "p_value", "p_adjusted", "role", "effect_low", "effect_high", "family_hash",
]  # fmt: skip
EQUIVALENCE = [
    *KEY, "test", "n_runs", "n_items", "estimate", "df", "ci90_low", "ci90_high", "margin", "p_lower", "p_upper",
    "p_value", "p_adjusted", "equivalent", "role", "family_hash",
]  # fmt: skip
WORLDS = [
    "base_model", "condition", "control", "family", "outcome", "ring", "unit", "test", "n_coupled",
    "n_decoupled", "n_items", "coupled", "decoupled", "estimate", "ci_low", "ci_high", "effect_size",
    "effect_size_name", "statistic", "df", "p_value", "p_adjusted", "role", "effect_low", "effect_high",
    "family_hash",
]  # fmt: skip
REFUSED = ["table", *KEY, "role", "reason"]


def contrasts(items: pd.DataFrame, settings: Any, treatments: Sequence[str] = TREATMENTS) -> pd.DataFrame:
    """Each treatment minus each control, at every unit (nats): `tables/contrasts.csv`.

    Parameters
    ----------
    items : DataFrame
        One row per base model x condition x seed x item x outcome (`panels.check_items`).
    settings : object
        alpha, controls, confirmatory: see the module's head.
    treatments : sequence of str
        Conditions to be contrasted with each control.

    Returns
    -------
    DataFrame
        Columns `CONTRASTS`. ci_low and ci_high: the 1 - alpha interval, effect_low and effect_high that of
        the effect size. family_hash: what was declared (`families`). For unit `base`, base_model holds
        the group. n_runs counts the runs of both conditions. Effect sizes: d_z (items), hedges_g (runs),
        d_total = estimate / sqrt(sum of variance components) (both), hedges_g_z (base: mean / sd over
        checkpoints, bias-corrected). All rows are finite.
    """
    table, refused = _estimate_all(panels(items), settings, treatments)
    if table.empty:
        return table.reindex(columns=CONTRASTS)
    return _stamped(with_interval(table, settings.alpha), refused, settings)[CONTRASTS]


def equivalence(items: pd.DataFrame, settings: Any, treatments: Sequence[str] = TREATMENTS) -> pd.DataFrame:
    """Two one-sided tests (Schuirmann 1987) of each contrast against +-smallest_effect nats, at each unit.

    Returns
    -------
    DataFrame
        Columns `EQUIVALENCE`. p_lower tests estimate > -margin, p_upper estimate < margin; p_value is the
        greater. `equivalent`: p_value < alpha (at alpha .05: the 90 % interval, always shown, lies within
        the margin). p_adjusted: Holm over the declared claims of one world, for equivalence is the claim of
        a world rather than of all; Benjamini-Hochberg within unit for the rest.
    """
    table, refused = _estimate_all(panels(items), settings, treatments)
    if table.empty:
        return table.reindex(columns=EQUIVALENCE)
    estimate, se, df = (table[name].to_numpy(float) for name in ("estimate", "se", "df"))
    margin = float(settings.smallest_effect)
    low, high, _ = t_interval(estimate, se, df, 0.10)
    p_lower, p_upper = stats.t.sf((estimate + margin) / se, df), stats.t.cdf((estimate - margin) / se, df)
    p_value = np.maximum(p_lower, p_upper)
    table = table.assign(
        ci90_low=low,
        ci90_high=high,
        margin=margin,
        p_lower=p_lower,
        p_upper=p_upper,
        p_value=p_value,
        equivalent=p_value < settings.alpha,
    )
    return _stamped(table, refused, settings, within=["world"])[EQUIVALENCE]


def world_difference(items: pd.DataFrame, settings: Any, treatments: Sequence[str] = TREATMENTS) -> pd.DataFrame:
    """Coupled minus decoupled of each contrast of unit `base`, for each group (nats).

    Welch's t over base checkpoints: one value a checkpoint, treatment minus control. n_coupled and
    n_decoupled count checkpoints; effect_size is Hedges' g over them. base_model holds the group.
    """
    table, refused = _world_differences(panels(items), settings, treatments)
    if table.empty:
        return table.reindex(columns=WORLDS)
    return _stamped(with_interval(table, settings.alpha), refused, settings)[WORLDS]


def not_estimable(items: pd.DataFrame, settings: Any, treatments: Sequence[str] = TREATMENTS) -> pd.DataFrame:
    """The claims that the tables leave out, and why.

    Returns
    -------
    DataFrame
        Columns `REFUSED`: `table` (contrasts, which covers equivalence; world_difference; specificity;
        confusion), the claim, role, reason. Empty when everything could be estimated.
    """
    found = panels(items)
    parts = [
        _estimate_all(found, settings, treatments)[1].assign(table="contrasts"),
        _world_differences(found, settings, treatments)[1].assign(table="world_difference"),
        refused_dissociations(items),
        refused_runs(items),
    ]
    return pd.concat([part.reindex(columns=REFUSED) for part in parts], ignore_index=True).fillna("")


def _stamped(table: pd.DataFrame, refused: pd.DataFrame, settings: Any, within: Sequence[str] = ()) -> pd.DataFrame:
    return adjusted(table, refused, within).assign(family_hash=family_hash(settings))


# --- one row per claim -------------------------------------------------------------------------------


def _pairs(settings: Any, treatments: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [(t, c) for t in treatments for c in settings.controls if t != c]
    for claim in settings.confirmatory:
        if (claim.condition, claim.control) not in pairs:
            raise UserError(
                f"confirmatory claim {claim.condition} minus {claim.control} is not among the contrasts: "
                f"treatments are {', '.join(treatments)}, controls are {', '.join(settings.controls)}"
            )
    return pairs


class _Rows:
    """Estimates and refusals as they are made."""

    def __init__(self, settings: Any) -> None:
        self.declared = declared(settings)
        self.made: list[dict] = []
        self.refused: list[dict] = []

    def add(self, claim: dict, unit: str, estimate: Callable[[], Estimate | dict]) -> None:
        wanted = "base" if claim["world"] else "both"
        named = tuple(claim[name] for name in NAMED)
        role = "confirmatory" if unit == wanted and named in self.declared else "exploratory"
        row = {**claim, "unit": unit, "role": role}
        try:
            made = estimate()
        except NotEstimable as reason:
            self.refused.append({**row, "reason": str(reason)})
        else:
            self.made.append({**row, **(asdict(made) if isinstance(made, Estimate) else made)})

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return pd.DataFrame(self.made), pd.DataFrame(self.refused, columns=[*KEY, "role", "reason"])


def _estimate_all(found: list[Panel], settings: Any, treatments: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every contrast at every unit: what could be estimated, and what could not."""
    pairs, rows = _pairs(settings, treatments), _Rows(settings)
    for panel in found:
        for pair in pairs:
            claim = _claim(panel.base_model, panel.world, pair, panel.probe)
            sides = [panel.runs(condition) for condition in pair]
            rows.add(claim, "items", lambda sides=sides: est.over_items(*sides))
            rows.add(claim, "runs", lambda sides=sides: est.over_runs(*sides))
            rows.add(claim, "both", lambda sides=sides: est.crossed(*sides))
    for group, world, probe, checkpoints in nests(found):
        for pair in pairs:
            rows.add(
                _claim(group, world, pair, probe),
                "base",
                lambda members=checkpoints, pair=pair: _over_checkpoints(members, pair),
            )
    _refuse_unmeasured(rows, found)
    return rows.tables()


def _claim(base_model: str, world: str, pair: tuple[str, str], probe: tuple[str, str, str]) -> dict:
    family, ring, outcome = probe
    values = (base_model, world, *pair, family, outcome, ring)
    return dict(zip(CLAIM, values, strict=True))


def _over_checkpoints(checkpoints: list[Panel], pair: tuple[str, str]) -> Estimate:
    """The contrast over the checkpoints that ran both conditions."""
    ran = [panel for panel in checkpoints if set(pair) <= panel.conditions]
    return est.over_checkpoints([_sides(panel, pair) for panel in ran], _n_items(ran))


def _sides(panel: Panel, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    return panel.runs(pair[0]), panel.runs(pair[1])


def _n_items(checkpoints: list[Panel]) -> int:
    return len(set().union(*(panel.items for panel in checkpoints))) if checkpoints else 0


def _refuse_unmeasured(rows: _Rows, found: list[Panel]) -> None:
    """A declared claim on a probe that was never measured is refused, not forgotten."""
    for base, world in sorted({(p.group if p.world else p.base_model, p.world) for p in found}):
        mine = [p for p in found if (p.group if p.world else p.base_model, p.world) == (base, world)]
        measured = {p.probe for p in mine}
        for condition, control, family, outcome, ring in sorted(rows.declared):
            if (family, ring, outcome) not in measured:
                claim = _claim(base, world, (condition, control), (family, ring, outcome))
                rows.add(claim, "base" if world else "both", _unmeasured)


def _unmeasured() -> Estimate:
    raise NotEstimable("this family, ring and outcome were not measured")


def _world_differences(
    found: list[Panel], settings: Any, treatments: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    pairs, rows = _pairs(settings, treatments), _Rows(settings)
    members_of = {(group, probe, world): members for group, world, probe, members in nests(found)}
    both = [(group, probe) for group, probe, world in members_of if world == "coupled"]
    for group, probe in (key for key in both if (*key, "decoupled") in members_of):
        coupled, decoupled = members_of[group, probe, "coupled"], members_of[group, probe, "decoupled"]
        for pair in pairs:
            rows.add(
                _claim(group, "coupled - decoupled", pair, probe),
                "base",
                lambda worlds=(coupled, decoupled), pair=pair: _between_worlds(*worlds, pair),
            )
    return rows.tables()


def _between_worlds(coupled: list[Panel], decoupled: list[Panel], pair: tuple[str, str]) -> dict:
    values = [
        est.checkpoint_differences([_sides(p, pair) for p in world if set(pair) <= p.conditions])
        for world in (coupled, decoupled)
    ]
    if min(len(v) for v in values) < 2:
        raise NotEstimable("fewer than two base checkpoints in a world: no variance between pretrainings")
    return {
        "test": "Welch t over checkpoints",
        "n_coupled": len(values[0]),
        "n_decoupled": len(values[1]),
        "n_items": _n_items([*coupled, *decoupled]),
        "coupled": float(values[0].mean()),
        "decoupled": float(values[1].mean()),
        **asdict(est.welch(*values)),
    }
