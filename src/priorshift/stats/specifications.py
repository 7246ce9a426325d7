"""The specification curve: the declared contrasts under other choices of scoring, exclusion, ring, control and unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.stats.contrasts import estimate_contrasts
from priorshift.stats.declared import CONTRAST_KEY, Settings, choose_unit, list_contrasts
from priorshift.stats.panels import RUN_KEY

SPECIFICATIONS = [
    "base_model", "world", "condition", "family", "outcome", "scoring", "exclusion", "ring", "control", "unit",
    "n_runs", "n_items", "estimate", "ci_low", "ci_high", "p_value", "declared",
]  # fmt: skip
# Log-odds of the outcome against all other candidates: by a continuation's summed logprob (the declared one), its mean
# per token, or its first token. Then those against the adaptive class alone, and the outcome's own logprob.
SCORINGS = ("log_odds", "log_odds_of_means", "log_odds_of_first_tokens", "log_odds_against_adaptive", "logprob")
OTHER_SCORE = {"log_odds_of_means": "logprob_mean", "log_odds_of_first_tokens": "logprob_first"}
ITEM_KEY = [*RUN_KEY, "family", "ring", "item"]


def estimate_specifications(
    items: pd.DataFrame, settings: Settings, adaptive: Sequence[str], measured: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The declared contrasts under other choices (nats): scoring (`SCORINGS`), exclusion, ring, control and unit.

    No correction: a pattern is shown, nothing tested.

    Parameters
    ----------
    items : DataFrame
        As for `contrasts.estimate_contrasts`, and with logprob, logprob_mean, logprob_first and the same of the base
        model (base_logprob ...), in nats.
    adaptive : sequence of str
        Outcome and class of action of the adaptive disposition.
    measured : DataFrame, optional
        The same with the items that the study excludes: rows of `exclusion` "none", beside those "applied".

    Returns
    -------
    DataFrame
        Columns `SPECIFICATIONS`, ascending by estimate within condition, family and outcome. `declared` marks the
        choices of the declared claims, of whatever kind and world.
    """
    declared = list_contrasts(settings)
    followed = {(condition, family, outcome) for condition, _, family, outcome, _ in declared}
    parts = [part for part in _estimate_ways(items, settings, adaptive, measured, followed) if len(part)]
    if not parts:
        return pd.DataFrame(columns=SPECIFICATIONS)
    table = pd.concat(parts)
    table = table[[key in followed for key in _list_keys(table, ("condition", "family", "outcome"))]]
    tested_here = [
        tuple(contrast) in declared and unit == choose_unit(world)
        for unit, world, *contrast in _list_keys(table, ("unit", "world", *CONTRAST_KEY))
    ]
    as_declared = (
        (table["scoring"] == SCORINGS[0]) & (table["exclusion"] == "applied") & np.array(tested_here, dtype=bool)
    )
    order = ["condition", "family", "outcome", "rounded"]
    # Units of one choice have one estimate: rounding must not say which of them stands first.
    table = table.assign(declared=as_declared, rounded=table["estimate"].round(9))
    return table.sort_values(order, kind="stable", ignore_index=True)[SPECIFICATIONS]


def _estimate_ways(
    items: pd.DataFrame,
    settings: Settings,
    adaptive: Sequence[str],
    measured: pd.DataFrame | None,
    followed: set[tuple[str, str, str]],
) -> Iterator[pd.DataFrame]:
    """The contrasts of every scoring and exclusion, on the families of the contrasts that are followed."""
    treatments = sorted({condition for condition, _, _ in followed})
    ways = {"applied": items}
    if measured is not None and len(measured) != len(items):
        ways["none"] = measured
    for exclusion, table in ways.items():
        compared = table["condition"].isin([*treatments, *settings.controls])
        own = table[compared & table["family"].isin({family for _, family, _ in followed})]
        for scoring in SCORINGS if len(own) else ():  # the study may exclude every item of these families
            scored = _score(own, scoring, adaptive)
            if len(scored):  # the adaptive class may be no outcome of these families
                estimated = estimate_contrasts(scored, settings, treatments)
                yield estimated.assign(scoring=scoring, exclusion=exclusion)


def _list_keys(table: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    return list(table[list(names)].itertuples(index=False, name=None))


def _score(items: pd.DataFrame, scoring: str, adaptive: Sequence[str]) -> pd.DataFrame:
    """The items table with another score as its shift. The outcome that is the reference itself has no rows."""
    if scoring == "log_odds":
        return items
    if score := OTHER_SCORE.get(scoring):
        after, before = _compute_log_odds(items, score), _compute_log_odds(items, f"base_{score}")
        known = ~np.isposinf(before)  # no log-odds where a run's other outcomes of the item are missing
        return items[known].assign(shift=after[known] - before[known])
    change = items["logprob"] - items["base_logprob"]
    if scoring == "logprob":
        return items.assign(shift=change)
    reference = items["outcome"].isin(list(adaptive))
    against = items[reference].assign(against=change[reference])[[*ITEM_KEY, "against"]]
    others = items[~reference].assign(shift=change[~reference]).merge(against, on=ITEM_KEY)
    return others.assign(shift=others["shift"] - others["against"])


def _compute_log_odds(items: pd.DataFrame, score: str) -> np.ndarray:
    """Each row's log-odds (nats) against the item's other outcomes."""
    wide = items.pivot(index=ITEM_KEY, columns="outcome", values=score)
    values = wide.fillna(-np.inf).to_numpy(float)  # outcomes of other families
    others = [logsumexp(np.delete(values, k, axis=1), axis=1) for k in range(values.shape[1])]
    at = wide.index.get_indexer(pd.MultiIndex.from_frame(items[ITEM_KEY])), wide.columns.get_indexer(items["outcome"])
    return values[at] - np.stack(others, axis=1)[at]
