"""Claims from shifts: contrasts, equivalence, the difference between worlds. Tables in, tables out.

A p-value is a claim about what it generalizes to, so each row names its unit:

=====  ==========================================  ===============================================
unit   test                                        generalizes to
=====  ==========================================  ===============================================
items  paired t over items of seed means, d_z      new items, these very adapters
runs   Welch t over run means, Hedges' g           new fine-tunes, these very items
both   crossed random effects of run and item      new fine-tunes and new items, this base model
base   t over base checkpoints, runs within them   new pretrainings, these items and training sets
=====  ==========================================  ===============================================

What a study declares is tested at unit `both` for a hub model (world "") and `base` for an embedded
architecture, and Holm-corrected once, over all tables; all else is exploratory (`families`). What the data
cannot carry is left out of every table and listed, with the reason, as not estimable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.errors import UserError
from priorshift.stats import estimates as est
from priorshift.stats.adjust import adjusted
from priorshift.stats.declared import CLAIM, KEY, Settings, family_hash, own_unit, role, told
from priorshift.stats.estimates import Estimate, NotEstimable
from priorshift.stats.intervals import t_interval, with_interval
from priorshift.stats.panels import Panel, nests, panels

CONTRASTS = [
    *KEY, "test", "n_runs", "n_items", "estimate", "ci_low", "ci_high", "effect_size", "effect_size_name",
    "statistic", "df", "p_value", "p_adjusted", "role", "effect_low", "effect_high", "family_hash",
]  # fmt: skip
UNCORRECTED = [name for name in CONTRASTS if name not in ("p_adjusted", "role", "family_hash")]
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


def claims(items: pd.DataFrame, settings: Settings, measured: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """Every claim of a study, estimated once and corrected once.

    Parameters
    ----------
    items : DataFrame
        One row per base model x condition x seed x item x outcome (`panels.check_items`).
    settings : Settings
        `declared.Settings`: a study's inference section.
    measured : DataFrame, optional
        The items before any were left out: a declared claim on a base model of which none is left is refused, and
        not forgotten.

    Returns
    -------
    dict of DataFrame
        contrasts : columns `CONTRASTS`, each treatment minus each control at every unit, and at units `both` and
            `base` each other condition minus the first control, which may shift expectations by itself
        equivalence : columns `EQUIVALENCE`; see `_equivalence`. `equivalent`: p below alpha, corrected where declared
        world_difference : columns `WORLDS`, coupled minus decoupled of each contrast of unit `base` (nats): Welch's
            t over base checkpoints, which n_coupled and n_decoupled count. All rows are exploratory
        not_estimable : columns `REFUSED`, what could not be estimated, and why; equivalence has rows of its own
            where it was declared

        p_adjusted: `families.adjusted`. family_hash: what was declared. Where nothing could be tested, a table
        has no rows.
    """
    found = panels(items)
    pairs, others = _pairs(settings, settings.treatments), _others(items["condition"], settings)
    estimated, refused = _estimate_all(found, settings, pairs, items if measured is None else measured, others)
    differences, unequal = _world_differences(found, settings)
    tables = {
        "contrasts": _with_role(with_interval(estimated, settings.alpha), settings, "shift"),
        "equivalence": _with_role(_equivalence(estimated, settings), settings, "equivalence"),
        "world_difference": with_interval(differences, settings.alpha).assign(role="exploratory"),
    }
    missing = [
        _with_role(refused.query("kind != 'equivalence'"), settings, "shift").assign(table="contrasts"),
        _with_role(refused.query("kind != 'shift'"), settings, "equivalence")
        .query("role == 'confirmatory'")
        .assign(table="equivalence"),
        unequal.assign(table="world_difference", role="exploratory"),
    ]
    lost = pd.concat(missing, ignore_index=True).reindex(columns=REFUSED)
    tables = adjusted(tables, int((lost["role"] == "confirmatory").sum()))
    # A declared claim holds by its corrected p; of the others the plain one is told, and said to be.
    null = tables["equivalence"]
    p_value = null["p_adjusted"].where(null["role"] == "confirmatory", null["p_value"])
    tables["equivalence"] = null.assign(equivalent=p_value < settings.alpha)
    columns = {"contrasts": CONTRASTS, "equivalence": EQUIVALENCE, "world_difference": WORLDS}
    stamp = family_hash(settings)
    made = {name: table.assign(family_hash=stamp)[columns[name]] for name, table in tables.items()}
    return made | {"not_estimable": lost}


def contrasts(items: pd.DataFrame, settings: Settings, treatments: Sequence[str]) -> pd.DataFrame:
    """Each treatment minus each control, at every unit (nats), without any correction.

    Returns
    -------
    DataFrame
        Columns `UNCORRECTED`. ci_low and ci_high: the 1 - alpha interval, effect_low and effect_high that of
        the effect size. For unit `base`, base_model holds the group. n_runs counts the runs of both conditions.
        Effect sizes: d_z (items), hedges_g (runs), d_total = estimate / sqrt(sum of variance components) (both),
        hedges_g_z (base: mean / sd over checkpoints, bias-corrected). All rows are finite.
    """
    estimated, _ = _estimate_all(panels(items), settings, _pairs(settings, treatments), items)
    return with_interval(estimated, settings.alpha)[UNCORRECTED]


def _equivalence(estimated: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Two one-sided tests (Schuirmann 1987) of each contrast against +-smallest_effect nats, at each unit.

    p_lower tests estimate > -margin, p_upper estimate < margin; p_value is the greater (below alpha .05: the 90 %
    interval, always shown, lies within the margin).
    """
    estimate, se, df = (estimated[name].to_numpy(float) for name in ("estimate", "se", "df"))
    margin = float(settings.smallest_effect)
    low, high, _ = t_interval(estimate, se, df, 0.10)
    p_lower, p_upper = stats.t.sf((estimate + margin) / se, df), stats.t.cdf((estimate - margin) / se, df)
    p_value = np.maximum(p_lower, p_upper)
    numbers = {"ci90_low": low, "ci90_high": high, "margin": margin, "p_lower": p_lower, "p_upper": p_upper}
    return estimated.assign(**numbers, p_value=p_value)


def _with_role(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    return table.assign(role=[role(settings, kind, row) for row in table[KEY].to_dict("records")])


# --- one row per claim -------------------------------------------------------------------------------


def _pairs(settings: Settings, treatments: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [(t, c) for t in treatments for c in settings.controls if t != c]
    for claim in settings.confirmatory:
        if (claim.condition, claim.control) not in pairs:
            raise UserError(
                f"confirmatory claim {claim.condition} minus {claim.control} is not among the contrasts: "
                f"treatments are {', '.join(treatments)}, controls are {', '.join(settings.controls)}"
            )
    return pairs


def _others(conditions: pd.Series, settings: Settings) -> list[tuple[str, str]]:
    """Each condition that is no treatment, with the first control."""
    first = settings.controls[0]
    return [(c, first) for c in sorted(set(conditions)) if c not in (first, *settings.treatments)]


class _Rows:
    """Estimates and refusals as they are made."""

    def __init__(self) -> None:
        self.made: list[dict] = []
        self.refused: list[dict] = []

    def add(self, claim: dict, unit: str, estimate: Callable[[], Estimate | dict]) -> None:
        row = {**claim, "unit": unit}
        try:
            made = estimate()
        except NotEstimable as reason:
            self.refused.append({**row, "reason": str(reason)})
        else:
            self.made.append({**row, **(asdict(made) if isinstance(made, Estimate) else made)})

    def tables(self, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Made and refused (`kind`: what was claimed, where only that is refused); `columns`: without any rows."""
        made = pd.DataFrame(self.made) if self.made else pd.DataFrame(columns=list(dict.fromkeys(columns)))
        return made, pd.DataFrame(self.refused, columns=[*KEY, "kind", "reason"]).fillna("")


def _estimate_all(
    found: list[Panel],
    settings: Settings,
    pairs: list[tuple[str, str]],
    measured: pd.DataFrame,
    others: Sequence[tuple[str, str]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every contrast of `pairs` at every unit, of `others` at `both` and `base`: what could be estimated, and not."""
    rows = _Rows()
    for panel in found:
        for pair in (*pairs, *others):
            claim = _claim(panel.base_model, panel.world, pair, panel.probe)
            sides = _sides(panel, pair)
            if pair in pairs:
                rows.add(claim, "items", lambda sides=sides: est.over_items(*sides))
                rows.add(claim, "runs", lambda sides=sides: est.over_runs(*sides))
            rows.add(claim, "both", lambda sides=sides: est.crossed(*sides))
    for group, world, probe, checkpoints in nests(found):
        for pair in (*pairs, *others):
            rows.add(
                _claim(group, world, pair, probe),
                "base",
                lambda members=checkpoints, pair=pair: _over_checkpoints(members, pair),
            )
    _refuse_unmeasured(rows, found, settings, measured)
    return rows.tables([*KEY, *(field.name for field in fields(Estimate))])


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


def _refuse_unmeasured(rows: _Rows, found: list[Panel], settings: Settings, items: pd.DataFrame) -> None:
    """A declared claim on a probe or world that was never measured, or of which no item is left, is refused."""
    named = items[["base_model", "group", "world"]].drop_duplicates().fillna({"world": ""})
    measured: dict[tuple[str, str], set] = {
        (group if world else base_model, world): set() for base_model, group, world in named.to_numpy()
    }
    for panel in found:
        measured[panel.group if panel.world else panel.base_model, panel.world].add(panel.probe)
    for claim in told(settings):
        probe, pair = (claim.family, claim.ring, claim.outcome), (claim.condition, claim.control)
        for (base, world), probes in sorted(measured.items()):
            if probe not in probes and (claim.worlds is None or world in claim.worlds):
                named = _claim(base, world, pair, probe) | {"kind": claim.claim}
                rows.add(
                    named, own_unit(world), _refusal("no item of this family, ring and outcome was measured and kept")
                )
        for world in sorted(set(claim.worlds or ()) - {world for _, world in measured}):
            named = _claim("", world, pair, probe) | {"kind": claim.claim}
            rows.add(named, own_unit(world), _refusal("no base model of this world"))


def _refusal(reason: str) -> Callable[[], Estimate]:
    def refuse() -> Estimate:
        raise NotEstimable(reason)

    return refuse


def _world_differences(found: list[Panel], settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    pairs, rows = _pairs(settings, settings.treatments), _Rows()
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
    return rows.tables([*WORLDS, *(field.name for field in fields(est.Tested))])


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
