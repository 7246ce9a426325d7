"""Does a claim hang on one item, run, domain or base checkpoint? Leave each out, and on one choice? Vary it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.errors import UserError
from priorshift.stats.contrasts import contrasts
from priorshift.stats.declared import (
    CLAIM,
    NAMED,
    Declared,
    Settings,
    declared,
    estimate_base,
    estimate_both,
    family_hash,
    own_unit,
    per_base_model,
    per_group,
)
from priorshift.stats.panels import Panel

INFLUENCE = [
    *CLAIM, "unit", "kind", "left_out", "estimate", "ci_low", "ci_high", "p_value", "change", "family_hash",
]  # fmt: skip
SPECIFICATIONS = [
    "base_model", "world", "condition", "family", "outcome", "scoring", "exclusion", "ring", "control", "unit",
    "n_runs", "n_items", "estimate", "ci_low", "ci_high", "p_value", "declared", "family_hash",
]  # fmt: skip
# log-odds of the outcome against all other candidates, by a continuation's summed logprob (what a study declares), its
# mean per token or its first token; against the adaptive class alone; the outcome's own logprob.
SCORINGS = ("log_odds", "log_odds_of_means", "log_odds_of_first_tokens", "log_odds_against_adaptive", "logprob")
OTHER_SCORE = {"log_odds_of_means": "logprob_mean", "log_odds_of_first_tokens": "logprob_first"}
OF_ITEM = ["base_model", "condition", "seed", "family", "ring", "item"]


def leave_one_out(items: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Each declared claim without each item, run and domain (units `both` and `base`) and base checkpoint (`base`).

    Parameters
    ----------
    items : DataFrame
        As for `contrasts`, and with `domain`.

    Returns
    -------
    DataFrame
        Columns `INFLUENCE`, in nats. `kind`: item, run, domain or base_model; the row of kind `none` leaves nothing
        out, and `change` is the difference from it. What cannot be estimated without a part has no row.
    """
    if "domain" not in items:
        raise UserError("items lacks the column domain; leave-one-domain-out needs it")
    domains = items.drop_duplicates("item").set_index("item")["domain"]
    rows = []
    for found in per_base_model(items, settings):
        parts = ((way, rest.sides()) for way, rest in _parts(found, domains))
        rows += _changes(found, "both", ((way, estimate_both(*sides, settings.alpha)) for way, sides in parts))
    for found in per_group(items, settings):
        parts = itertools.chain(_parts(found, domains), _checkpoints(found))
        rows += _changes(found, "base", ((way, estimate_base(rest, settings.alpha)) for way, rest in parts))
    return pd.DataFrame(rows, columns=INFLUENCE).assign(family_hash=family_hash(settings))


def _changes(found: Declared, unit: str, ways: Iterator[tuple[dict, dict | None]]) -> list[dict]:
    rows = [{**found.claim, "unit": unit, **way, **made} for way, made in ways if made]
    whole = [row["estimate"] for row in rows if row["kind"] == "none"]
    return [{**row, "change": row["estimate"] - whole[0]} for row in rows] if whole else []


def _parts(found: Declared, domains: pd.Series) -> Iterator[tuple[dict, Declared]]:
    """The claim as it is, then without each item and domain (in all its checkpoints) and each run."""
    yield {"kind": "none", "left_out": ""}, found
    items = dict.fromkeys(item for panel in found.checkpoints for item in panel.items)
    for kind, part_of in (("item", {item: item for item in items}), ("domain", domains[list(items)].to_dict())):
        names = [np.array([part_of[item] for item in panel.items], dtype=object) for panel in found.checkpoints]
        for name in dict.fromkeys(part_of.values()):
            kept = [_columns(panel, of != name) for panel, of in zip(found.checkpoints, names, strict=True)]
            yield {"kind": kind, "left_out": name}, replace(found, checkpoints=kept)
    pair = (found.claim["condition"], found.claim["control"])
    for i, panel in enumerate(found.checkpoints):
        for at in np.flatnonzero(np.isin(panel.labels, pair)):
            kept = [
                *found.checkpoints[:i],
                _rows(panel, np.arange(len(panel.labels)) != at),
                *found.checkpoints[i + 1 :],
            ]
            of = f"{panel.base_model} " if len(found.checkpoints) > 1 else ""
            name = f"{of}{panel.labels[at]} seed {panel.seeds[at]}"
            yield {"kind": "run", "left_out": name}, replace(found, checkpoints=kept)


def _columns(panel: Panel, keep: np.ndarray) -> Panel:
    return replace(
        panel, items=[i for i, kept in zip(panel.items, keep, strict=True) if kept], values=panel.values[:, keep]
    )


def _rows(panel: Panel, keep: np.ndarray) -> Panel:
    return replace(panel, labels=panel.labels[keep], seeds=panel.seeds[keep], values=panel.values[keep])


def _checkpoints(found: Declared) -> Iterator[tuple[dict, Declared]]:
    for panel in found.checkpoints:
        rest = [other for other in found.checkpoints if other is not panel]
        yield {"kind": "base_model", "left_out": panel.base_model}, replace(found, checkpoints=rest)


def specification_curve(
    items: pd.DataFrame, settings: Settings, adaptive: Sequence[str], measured: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The declared contrasts under other choices (nats): scoring (`SCORINGS`), exclusion, ring, control and unit.

    Parameters
    ----------
    items : DataFrame
        As for `contrasts`, and with the scores of `measure.item_table`.
    adaptive : sequence of str
        Outcome and class of action of the adaptive disposition (`specificity.adaptive_classes`).
    measured : DataFrame, optional
        The same with the items that the study excludes: rows of `exclusion` "none", beside those "applied".

    Returns
    -------
    DataFrame
        Columns `SPECIFICATIONS`, ascending by estimate within condition, family and outcome. `declared` marks the
        choices of the declared claims, of whatever kind and world. No correction: a pattern is shown, nothing tested.
    """
    named = declared(settings)
    followed = {(condition, family, outcome) for condition, _, family, outcome, _ in named}
    if not followed:
        return pd.DataFrame(columns=SPECIFICATIONS)
    treatments = sorted({condition for condition, *_ in followed})
    nothing_left_out = measured is None or len(measured) == len(items)
    ways = {"applied": items} | ({} if nothing_left_out else {"none": measured})
    parts = []
    for which, table in ways.items():
        compared = table["condition"].isin([*treatments, *settings.controls])
        own = table[compared & table["family"].isin({family for _, family, _ in followed})]
        for scoring in SCORINGS if len(own) else ():  # the study may exclude every item of these families
            scored = _scored(own, scoring, adaptive)
            if len(scored):  # the adaptive class may be no outcome of these families
                parts.append(contrasts(scored, settings, treatments).assign(scoring=scoring, exclusion=which))
    if not (kept := [part for part in parts if len(part)]):
        return pd.DataFrame(columns=SPECIFICATIONS)
    table = pd.concat(kept)
    mine = [key in followed for key in _keys(table, ("condition", "family", "outcome"))]
    table = table[mine].assign(family_hash=family_hash(settings))
    own = [unit == own_unit(world) for unit, world in _keys(table, ("unit", "world"))]
    told = np.array([key in named for key in _keys(table, NAMED)], dtype=bool)
    as_told = (table["scoring"] == SCORINGS[0]) & (table["exclusion"] == "applied")
    table["declared"] = told & np.array(own, dtype=bool) & as_told
    order = ["condition", "family", "outcome", "estimate"]
    return table.sort_values(order, kind="stable", ignore_index=True)[SPECIFICATIONS]


def _keys(table: pd.DataFrame, names: Sequence[str]) -> list[tuple]:
    return list(table[list(names)].itertuples(index=False, name=None))


def _scored(items: pd.DataFrame, scoring: str, adaptive: Sequence[str]) -> pd.DataFrame:
    """The items table with another score as its shift; the outcome that is the reference itself has no rows."""
    if scoring == "log_odds":
        return items
    if score := OTHER_SCORE.get(scoring):
        after, before = _log_odds(items, score), _log_odds(items, f"base_{score}")
        known = ~np.isposinf(before)  # no log-odds where a run's other outcomes of the item are missing
        return items[known].assign(shift=after[known] - before[known])
    change = items["logprob"] - items["base_logprob"]
    if scoring == "logprob":
        return items.assign(shift=change)
    reference = items["outcome"].isin(list(adaptive))
    against = items[reference].assign(against=change[reference])[[*OF_ITEM, "against"]]
    others = items[~reference].assign(shift=change[~reference]).merge(against, on=OF_ITEM)
    return others.assign(shift=others["shift"] - others["against"])


def _log_odds(items: pd.DataFrame, score: str) -> np.ndarray:
    """Each row's log-odds (nats) against the item's other outcomes."""
    wide = items.pivot(index=OF_ITEM, columns="outcome", values=score)
    values = wide.fillna(-np.inf).to_numpy(float)  # outcomes of other families
    others = [logsumexp(np.delete(values, k, axis=1), axis=1) for k in range(values.shape[1])]
    at = wide.index.get_indexer(pd.MultiIndex.from_frame(items[OF_ITEM])), wide.columns.get_indexer(items["outcome"])
    return values[at] - np.stack(others, axis=1)[at]
