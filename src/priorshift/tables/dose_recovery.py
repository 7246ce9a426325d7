"""Dose-response and recovery: run means in, tables out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.materials.schema import Materials
from priorshift.stats.adjust import benjamini_hochberg
from priorshift.stats.intervals import ratio_interval, t_interval
from priorshift.stats.panels import BASE, PROBE
from priorshift.study.params import Study


def doses(study: Study, materials: Materials) -> dict[str, dict[str, float]]:
    """Class of action -> condition -> the share of training decisions that take it, the rest taking the first class.

    The first disposition of the materials is the adaptive one. Only decisions told in words and trained as the
    study says count; a class needs at least three doses to have a trend.
    """
    adaptive, *others = [d.action for d in materials.dispositions.values()]
    made = {}
    for action in others:
        shares = {
            name: float(c.policy.get(action, 0.0))
            for name, c in study.conditions.items()
            if isinstance(c.policy, dict)
            and {k for k, share in c.policy.items() if share} <= {adaptive, action}
            and (c.task, c.answer, c.in_context, c.training) == ("decisions", "text", None, None)
        }
        if len(set(shares.values())) >= 3:
            made[action] = shares
    return made


def dose_points(shifts: pd.DataFrame, study: Study, materials: Materials) -> pd.DataFrame:
    """Run means with the dose they were trained at; for each class of action its own outcome.

    Parameters
    ----------
    shifts : `summaries.shift_by_run`
    """
    parts = []
    for action, shares in doses(study, materials).items():
        rows = shifts[shifts["condition"].isin(list(shares)) & _own(shifts, action, materials)]
        parts.append(rows.assign(action=action, dose=rows["condition"].map(shares)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*shifts.columns, "action", "dose"])


def dose_table(points: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The trend of the shift over doses (nats from dose 0 to dose 1): `tables/dose.csv`.

    Unit `runs`: least-squares slope over a base model's runs, Student's t. Unit `base`: t over the slopes of an
    embedded architecture's checkpoints. All rows are exploratory; p_adjusted: Benjamini-Hochberg within unit.
    """
    rows, slopes = [], []
    keys = [*BASE, "action", *PROBE]
    for key, part in points.groupby(keys, sort=True):
        if len(part) < 3 or part["dose"].nunique() < 2:
            continue
        fit = stats.linregress(part["dose"], part["shift"])
        claim = dict(zip(keys, key, strict=True))
        rows.append(claim | {"unit": "runs", "n_doses": part["dose"].nunique(), "n": len(part)} | _interval(
            fit.slope, fit.stderr, len(part) - 2, alpha))  # fmt: skip
        slopes.append(claim | {"slope": fit.slope, "n_doses": part["dose"].nunique()})
    nested = pd.DataFrame(slopes)
    nested = nested[nested["world"] != ""] if len(nested) else nested
    for key, part in nested.groupby(["group", "world", "action", *PROBE], sort=True) if len(nested) else ():
        if len(part) > 1:
            claim = dict(zip(["group", "world", "action", *PROBE], key, strict=True))
            row = {
                "base_model": claim["group"],
                **claim,
                "unit": "base",
                "n_doses": part["n_doses"].min(),
                "n": len(part),
            }
            rows.append(row | _mean(part["slope"].to_numpy(float), alpha))
    return _exploratory(rows)


def recovery_pairs(study: Study) -> Iterator[tuple[str, str, str]]:
    """(condition with stages, condition it goes on from, class of action that its first stage trains).

    A last stage that takes this class as often again undoes nothing, and is left out.
    """
    for name, condition in study.conditions.items():
        if condition.stages:
            policy, last = (study.conditions[condition.stages[at]].policy for at in (0, -1))
            action = max(policy, key=policy.get) if isinstance(policy, dict) else None
            if action and not (isinstance(last, dict) and last.get(action, 0) >= policy[action]):
                yield name, study.predecessor(name), action


def recovery_table(shifts: pd.DataFrame, study: Study, materials: Materials, alpha: float) -> pd.DataFrame:
    """How much of the shift a later stage undoes: `tables/recovery.csv`.

    Each run goes on from the run of the same seed before it. `estimate` is the mean of before - after over
    these pairs (nats) with a paired t interval over seeds (unit `runs`); one pair has no row. Unit `base`: the same
    over the means of an embedded architecture's checkpoints. share_undone = estimate / mean of before, with Fieller's
    interval (share_low, share_high), and empty where the interval of `before` holds 0: nothing sure was there to
    undo. All rows are exploratory; p_adjusted:
    Benjamini-Hochberg within unit.
    """
    rows = []
    for name, earlier, action in recovery_pairs(study):
        own = shifts[_own(shifts, action, materials)]
        keys = [*BASE, *PROBE]
        before = own[own["condition"] == earlier].set_index([*keys, "seed"])["shift"]
        after = own[own["condition"] == name].set_index([*keys, "seed"])["shift"]
        pairs = pd.concat([before.rename("before"), after.rename("after")], axis=1).dropna()
        told = {"condition": name, "earlier": earlier}
        for key, part in pairs.groupby(keys, sort=True):
            rows += _undone(dict(zip(keys, key, strict=True)) | told | {"unit": "runs"}, part, alpha)
        nested = pairs[pairs.index.get_level_values("world") != ""].groupby(keys, sort=True).mean()
        for key, part in nested.groupby(keys[1:], sort=True):
            claim = {"base_model": key[0], **dict(zip(keys[1:], key, strict=True))}
            rows += _undone(claim | told | {"unit": "base"}, part, alpha)
    return _exploratory(rows)


def _undone(claim: dict, pairs: pd.DataFrame, alpha: float) -> list[dict]:
    """The row of a claim from `before` and `after` of each seed or checkpoint; none from a single one."""
    if len(pairs) < 2:
        return []
    row = claim | {"n": len(pairs), "before": pairs["before"].mean(), "after": pairs["after"].mean()}
    row |= _mean((pairs["before"] - pairs["after"]).to_numpy(float), alpha)
    undone, before = (pairs["before"] - pairs["after"]).to_numpy(float), pairs["before"].to_numpy(float)
    low, high = ratio_interval(undone, before, alpha)
    share = row["estimate"] / row["before"] if np.isfinite(low) else np.nan
    return [row | {"share_undone": share, "share_low": low, "share_high": high}]


def _exploratory(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    # Where nothing varies there is no test (NaN), and no row.
    table = table[table["p_value"].notna()]
    adjusted = table.groupby("unit")["p_value"].transform(benjamini_hochberg)
    return table.assign(role="exploratory", p_adjusted=adjusted).reset_index(drop=True)


def _own(shifts: pd.DataFrame, action: str, materials: Materials) -> pd.Series:
    """Rows of the outcome that goes with a class of action; for choices that class itself."""
    outcome = materials.outcome_of(action)
    return shifts["outcome"] == np.where(shifts["family"] == "choice", action, outcome)


def _mean(values: np.ndarray, alpha: float) -> dict[str, float]:
    n = len(values)
    return _interval(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n - 1, alpha)


def _interval(estimate: float, se: float, df: int, alpha: float) -> dict[str, float]:
    low, high, p_value = t_interval(estimate, se, df, alpha)
    return {"estimate": estimate, "ci_low": low, "ci_high": high, "df": df, "p_value": float(p_value)}
