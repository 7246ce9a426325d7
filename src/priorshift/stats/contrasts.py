"""Contrasts of conditions at each unit, and of worlds: shifts in, rows out, and a reason where there is no row.

A p-value is a claim about what it generalizes to, so each row names its unit:

=====  ==========================================  ===============================================
unit   test                                        generalizes to
=====  ==========================================  ===============================================
items  paired t over items of seed means, d_z      new items, these very adapters
runs   Welch t over run means, Hedges' g           new fine-tunes, these very items
both   crossed random effects of run and item      new fine-tunes and new items, this base model
base   t over base checkpoints, runs within them   new pretrainings, these items and training sets
=====  ==========================================  ===============================================

Where the column `domains` says random, new items may be of new domains too. Then unit `items` is a t over domains, and
unit `both` has a random factor for them. Where it says fixed, new items are items of these domains, and the reason
stands there. Units `runs` and `base` speak of these very items, so their domains are fixed.

What the data cannot carry is left out of every table and listed, with the reason, as not estimable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import partial

import numpy as np
import pandas as pd

from priorshift.errors import UserError
from priorshift.stats.declared import CLAIM, KEY, Settings, choose_unit, sort_claims
from priorshift.stats.estimates import (
    Estimate,
    Sides,
    Tested,
    compare_within_checkpoints,
    estimate_crossed,
    estimate_over_checkpoints,
    warn_of_level,
)
from priorshift.stats.intervals import add_intervals
from priorshift.stats.over_items import estimate_over_items
from priorshift.stats.panels import Panel, Probe, Row, build_panels, group_checkpoints, share_items
from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.training_sets import compare_by_seed, fit_training_sets
from priorshift.stats.welch import estimate_over_runs, welch

UNCORRECTED = [
    *KEY, "test", "n_runs", "n_items", "domains", "sd_domain", "estimate", "ci_low", "ci_high", "effect_size",
    "effect_size_name", "statistic", "df", "p_value", "effect_low", "effect_high",
]  # fmt: skip
WORLD_COUNTS = ["test", "n_coupled", "n_decoupled", "n_items", "coupled", "decoupled"]
Pair = tuple[str, str]  # condition, control


def estimate_contrasts(items: pd.DataFrame, settings: Settings, treatments: Sequence[str]) -> pd.DataFrame:
    """Each treatment minus each control, at every unit (nats), without any correction.

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`.
    treatments : sequence of str
        Conditions; the controls are those of `settings`.

    Returns
    -------
    DataFrame
        Columns `UNCORRECTED`. ci_low and ci_high: the 1 - alpha interval, effect_low and effect_high that of
        the effect size. For unit `base`, base_model holds the group. n_runs counts the runs of both conditions.
        Effect sizes: d_z (items), hedges_g (runs), d_total = estimate / sqrt(sum of variance components) (both),
        hedges_g_z (base: mean / sd over checkpoints, bias-corrected). All rows are finite.
    """
    estimated, _ = estimate_pairs(build_panels(items), settings, list_pairs(settings, treatments), items)
    return add_intervals(estimated, settings.alpha)[UNCORRECTED]


def list_pairs(settings: Settings, treatments: Sequence[str]) -> list[Pair]:
    """Each treatment with each control.

    Raises
    ------
    UserError
        A declared claim is about a pair that is not among them.
    """
    pairs = [(t, c) for t in treatments for c in settings.controls if t != c]
    for claim in settings.claims:
        if (claim.condition, claim.control) not in pairs:
            raise UserError(
                f"the claim {claim.condition} minus {claim.control} is not among the contrasts: treatments "
                f"are {', '.join(treatments)}, controls are {', '.join(settings.controls)}; name the two there"
            )
    return pairs


def list_other_pairs(conditions: pd.Series, settings: Settings) -> list[Pair]:
    """Each condition that is no treatment, with the first control."""
    first = settings.controls[0]
    return [(c, first) for c in sorted(set(conditions)) if c not in (first, *settings.treatments)]


class _Rows:
    """Estimates and refusals as they are made."""

    def __init__(self) -> None:
        self.made: list[Row] = []
        self.refused: list[Row] = []

    def add(self, claim: Row, unit: str, estimator: Callable[[], Estimate | Row]) -> None:
        """One estimate, or its refusal."""
        try:
            made = estimator()
        except NotEstimable as reason:
            self.refuse(claim, unit, str(reason))
        else:
            self.made.append({**claim, "unit": unit, **(asdict(made) if isinstance(made, Estimate) else made)})

    def refuse(self, claim: Row, unit: str, reason: str) -> None:
        self.refused.append({"kind": "", **claim, "unit": unit, "reason": reason})

    def to_tables(self, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Made and refused (`kind`: what was claimed, where only that is refused). `columns`: without any rows."""
        made = pd.DataFrame(self.made) if self.made else pd.DataFrame(columns=list(dict.fromkeys(columns)))
        return made, pd.DataFrame(self.refused, columns=[*KEY, "kind", "reason"])


def estimate_pairs(
    panels: list[Panel],
    settings: Settings,
    pairs: Sequence[Pair],
    measured: pd.DataFrame,
    other_pairs: Sequence[Pair] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contrasts of `pairs` at every unit, of `other_pairs` at `both` and `base`: what could be estimated, and not.

    Parameters
    ----------
    panels : list of Panel
    measured : DataFrame
        All items that were measured: declared claims of which nothing is left in `panels` are refused.

    Returns
    -------
    DataFrame, DataFrame
        KEY and the fields of `estimates.Estimate`; KEY, kind and reason.
    """
    rows = _Rows()
    for panel in panels:
        for pair in (*pairs, *other_pairs):
            claim = _make_claim(panel.base_model, panel.world, pair, panel.probe)
            sides = _select_sides(panel, pair)
            if pair in pairs:
                rows.add(claim, "items", partial(estimate_over_items, *sides, panel.domains))
                rows.add(claim, "runs", partial(estimate_over_runs, *sides))
            rows.add(claim, "both", partial(estimate_crossed, *sides, panel.domains))
    for group, world, probe, checkpoints in group_checkpoints(panels):
        for pair in (*pairs, *other_pairs):
            rows.add(_make_claim(group, world, pair, probe), "base", partial(_estimate_base, checkpoints, pair))
    _refuse_unmeasured(rows, panels, settings, measured)
    return rows.to_tables([*KEY, *(field.name for field in fields(Estimate))])


def _make_claim(base_model: str, world: str, pair: Pair, probe: Probe) -> Row:
    family, ring, outcome = probe
    values = (base_model, world, *pair, family, outcome, ring)
    return dict(zip(CLAIM, values, strict=True))


def _estimate_base(checkpoints: list[Panel], pair: Pair) -> Estimate:
    """The contrast over the checkpoints that ran both conditions."""
    ran = share_items(_keep_ran(checkpoints, pair))
    made = estimate_over_checkpoints([_select_sides(panel, pair) for panel in ran])
    by_seed = compare_by_seed(ran, *pair)
    return made if by_seed is None else replace(made, **fit_training_sets(by_seed)._asdict())


def _keep_ran(checkpoints: list[Panel], pair: Pair) -> list[Panel]:
    return [panel for panel in checkpoints if set(pair) <= panel.conditions]


def _select_sides(panel: Panel, pair: Pair) -> Sides:
    return panel.select(pair[0]), panel.select(pair[1])


def _refuse_unmeasured(rows: _Rows, panels: list[Panel], settings: Settings, items: pd.DataFrame) -> None:
    """A declared claim on a probe or world that was never measured, or of which no item is left, is refused."""
    models = items[["base_model", "group", "world"]].drop_duplicates().fillna({"world": ""})
    measured: dict[tuple[str, str], set[Probe]] = {
        (group if world else base_model, world): set() for base_model, group, world in models.to_numpy()
    }
    for panel in panels:
        measured[panel.group if panel.world else panel.base_model, panel.world].add(panel.probe)
    for claim in sort_claims(settings):
        probe, pair = (claim.family, claim.ring, claim.outcome), (claim.condition, claim.control)
        for (base, world), probes in sorted(measured.items()):
            if probe not in probes and (claim.worlds is None or world in claim.worlds):
                refused = _make_claim(base, world, pair, probe) | {"kind": claim.claim}
                reason = "no item of this family, ring and outcome was measured and kept"
                rows.refuse(refused, choose_unit(world), reason)
        for world in sorted(set(claim.worlds or ()) - {world for _, world in measured}):
            refused = _make_claim("", world, pair, probe) | {"kind": claim.claim}
            rows.refuse(refused, choose_unit(world), "no base model of this world")


def compare_worlds(panels: list[Panel], pairs: Sequence[Pair]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coupled minus decoupled of each pair at unit `base` (nats): what could be estimated, and not.

    Returns
    -------
    DataFrame, DataFrame
        KEY, `WORLD_COUNTS` and the fields of `estimates.Tested`; KEY, kind and reason.
    """
    rows = _Rows()
    of_world = {(group, probe, world): members for group, world, probe, members in group_checkpoints(panels)}
    for group, probe in [(group, probe) for group, probe, world in of_world if world == "coupled"]:
        if (group, probe, "decoupled") not in of_world:
            continue
        worlds = of_world[group, probe, "coupled"], of_world[group, probe, "decoupled"]
        for pair in pairs:
            claim = _make_claim(group, "coupled - decoupled", pair, probe)
            rows.add(claim, "base", partial(_estimate_difference, *worlds, pair))
    return rows.to_tables([*KEY, *WORLD_COUNTS, "caution", *(field.name for field in fields(Tested))])


def _estimate_difference(coupled: list[Panel], decoupled: list[Panel], pair: Pair) -> Row:
    ran = [_keep_ran(world, pair) for world in (coupled, decoupled)]
    if min(map(len, ran)) < 2:
        raise NotEstimable("fewer than two base checkpoints in a world: no variance between pretrainings")
    sides = [_select_sides(panel, pair) for panel in share_items([*ran[0], *ran[1]])]
    differences, n_items = compare_within_checkpoints(sides)
    values = np.split(differences, [len(ran[0])])
    return {
        "test": "Welch t over checkpoints",
        "n_coupled": len(values[0]),
        "n_decoupled": len(values[1]),
        "n_items": n_items,
        "coupled": float(values[0].mean()),
        "decoupled": float(values[1].mean()),
        "caution": warn_of_level(*map(len, ran)),
        **asdict(welch(*values)),
    }
