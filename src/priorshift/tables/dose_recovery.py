"""Dose-response and recovery: run means in, tables out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.materials.schema import Materials
from priorshift.stats.adjust import adjust_exploratory
from priorshift.stats.intervals import fieller_interval, t_interval
from priorshift.stats.panels import BASE, PROBE
from priorshift.study.params import StudyParams


def list_doses(study: StudyParams, materials: Materials) -> dict[str, dict[str, float]]:
    """List the doses of each class of action: which share of a condition's training decisions take it.

    The other decisions take the adaptive class, that of the materials' first disposition. Only decisions told in words
    and trained as the study says count. A class needs at least three doses to have a trend.

    Returns
    -------
    dict
        Class of action -> condition -> dose, 0 to 1.
    """
    adaptive, *others = [d.action for d in materials.dispositions.values()]
    made = {}
    for action in others:
        shares = {
            name: float(c.policy.get(action, 0.0))
            for name, c in study.conditions.items()
            if isinstance(c.policy, dict)
            and {k for k, share in c.policy.items() if share} <= {adaptive, action}
            and (c.task, c.answer, c.in_context, c.training, c.trigger) == ("decisions", "text", None, None, None)
        }
        if len(set(shares.values())) >= 3:
            made[action] = shares
    return made


def select_dose_points(shifts: pd.DataFrame, study: StudyParams, materials: Materials) -> pd.DataFrame:
    """Select the run means of conditions with a dose, on the outcome that goes with its class of action.

    Parameters
    ----------
    shifts : `runs.average_shifts`

    Returns
    -------
    DataFrame
        The rows of `shifts` with action and dose (0 to 1): `tables/dose_points.csv`.
    """
    parts = []
    for action, shares in list_doses(study, materials).items():
        rows = shifts[shifts["condition"].isin(list(shares)) & _match_outcome(shifts, action, materials)]
        parts.append(rows.assign(action=action, dose=rows["condition"].map(shares)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*shifts.columns, "action", "dose"])


def tabulate_doses(points: pd.DataFrame, nested: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Tabulate the trend of the shift over doses (nats from dose 0 to dose 1): `tables/dose.csv`.

    Unit `runs` is the least-squares slope over a base model's runs, with Student's t. Unit `base` is a t over the
    slopes of an embedded architecture's checkpoints. All rows are exploratory. p_adjusted:
    `adjust.adjust_exploratory`.

    Parameters
    ----------
    points : `select_dose_points`
    nested : the same, over the items alone that all base models of a group and world have: for unit `base`
    """
    rows = [
        claim | {"unit": "runs", "n_doses": n_doses, "n": n} | _test(fit.slope, fit.stderr, n - 2, alpha)
        for claim, fit, n_doses, n in _fit_slopes(points)
    ]
    slopes = [
        claim | {"slope": fit.slope, "n_doses": n_doses}
        for claim, fit, n_doses, _ in _fit_slopes(nested[nested["world"] != ""])
    ]
    of_checkpoints = pd.DataFrame(slopes, columns=[*BASE, "action", *PROBE, "slope", "n_doses"])
    for key, part in of_checkpoints.groupby(["group", "world", "action", *PROBE], sort=True):
        if len(part) > 1:
            claim = dict(zip(["group", "world", "action", *PROBE], key, strict=True))
            row = {
                "base_model": claim["group"],
                **claim,
                "unit": "base",
                "n_doses": part["n_doses"].min(),
                "n": len(part),
            }
            rows.append(row | _test_mean(part["slope"].to_numpy(float), alpha))
    return _add_role(rows)


def _fit_slopes(points: pd.DataFrame) -> Iterator[tuple[dict, Any, int, int]]:
    """(claim, least-squares fit over runs, doses, runs) of each base model and probe with enough of both."""
    keys = [*BASE, "action", *PROBE]
    for key, part in points.groupby(keys, sort=True):
        if len(part) >= 3 and part["dose"].nunique() >= 2:
            fit = stats.linregress(part["dose"], part["shift"])
            yield dict(zip(keys, key, strict=True)), fit, part["dose"].nunique(), len(part)


def list_recovery_pairs(study: StudyParams) -> Iterator[tuple[str, str, str]]:
    """List the conditions whose last stage undoes something.

    A last stage that takes the first stage's class as often again undoes nothing, and is left out.

    Yields
    ------
    condition, the condition that it goes on from, the class of action that its first stage trains
    """
    for name, condition in study.conditions.items():
        if condition.stages:
            policy, last = (study.conditions[condition.stages[at]].policy for at in (0, -1))
            action = max(policy, key=policy.get) if isinstance(policy, dict) else None
            if action and not (isinstance(last, dict) and last.get(action, 0) >= policy[action]):
                yield name, study.find_start(name), action


def tabulate_recovery(
    shifts: pd.DataFrame, nested: pd.DataFrame, study: StudyParams, materials: Materials, alpha: float
) -> pd.DataFrame:
    """Tabulate how much of the shift a later stage undoes: `tables/recovery.csv`.

    Each run goes on from the run of the same seed before it.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    nested : the same, over the items alone that all base models of a group and world have: for unit `base`

    Returns
    -------
    DataFrame
        before, after : mean shift (nats) before and after the later stage
        estimate, ci_low, ci_high : the mean of before - after over these pairs, with a paired t interval over seeds
            (unit `runs`; one pair has no row) or over the means of an architecture's checkpoints (unit `base`)
        share_undone, share_low, share_high : estimate / before with Fieller's interval; empty where the interval of
            `before` holds 0, because nothing sure was there to undo
        p_adjusted : `adjust.adjust_exploratory`; all rows are exploratory
    """
    rows, keys = [], [*BASE, *PROBE]
    for name, earlier, action in list_recovery_pairs(study):
        runs, embedded = (
            _pair_stages(own[_match_outcome(own, action, materials)], earlier, name)
            for own in (shifts, nested[nested["world"] != ""])
        )
        stages = {"condition": name, "earlier": earlier}
        for key, part in runs.groupby(keys, sort=True):
            rows += _compare_stages(dict(zip(keys, key, strict=True)) | stages | {"unit": "runs"}, part, alpha)
        for key, part in embedded.groupby(keys, sort=True).mean().groupby(keys[1:], sort=True):
            claim = {"base_model": key[0], **dict(zip(keys[1:], key, strict=True))}
            rows += _compare_stages(claim | stages | {"unit": "base"}, part, alpha)
    return _add_role(rows)


def _pair_stages(shifts: pd.DataFrame, earlier: str, later: str) -> pd.DataFrame:
    """`before` and `after` (nats) of each run that has both, by base model, probe and seed."""
    keys = [*BASE, *PROBE, "seed"]
    before, after = (shifts[shifts["condition"] == name].set_index(keys)["shift"] for name in (earlier, later))
    return pd.concat([before.rename("before"), after.rename("after")], axis=1).dropna()


def _compare_stages(claim: dict, pairs: pd.DataFrame, alpha: float) -> list[dict]:
    """The row of a claim from `before` and `after` of each seed or checkpoint. None from a single one."""
    if len(pairs) < 2:
        return []
    row = claim | {"n": len(pairs), "before": pairs["before"].mean(), "after": pairs["after"].mean()}
    row |= _test_mean((pairs["before"] - pairs["after"]).to_numpy(float), alpha)
    undone, before = (pairs["before"] - pairs["after"]).to_numpy(float), pairs["before"].to_numpy(float)
    low, high = fieller_interval(undone, before, alpha)
    share = row["estimate"] / row["before"] if np.isfinite(low) else np.nan
    return [row | {"share_undone": share, "share_low": low, "share_high": high}]


def _add_role(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    # Where nothing varies there is no test (NaN), and no row.
    table = table[table["p_value"].notna()]
    return table.assign(role="exploratory", p_adjusted=adjust_exploratory(table)).reset_index(drop=True)


def _match_outcome(shifts: pd.DataFrame, action: str, materials: Materials) -> pd.Series:
    """Rows of the outcome that goes with a class of action. For choices that class itself."""
    outcome = materials.find_outcome(action)
    return shifts["outcome"] == np.where(shifts["family"] == "choice", action, outcome)


def _test_mean(values: np.ndarray, alpha: float) -> dict[str, float]:
    n = len(values)
    return _test(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n - 1, alpha)


def _test(estimate: float, se: float, df: int, alpha: float) -> dict[str, float]:
    low, high, p_value = t_interval(estimate, se, df, alpha)
    return {"estimate": estimate, "ci_low": low, "ci_high": high, "df": df, "p_value": float(p_value)}
