"""Response probabilities -> scale scores, their biases, and self-report beside behavior. Tables in, tables out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.stats.panels import RUN

FORM = ["label_set", "order"]


def compute_expected_answers(scales: pd.DataFrame) -> pd.DataFrame:
    """Compute the expected answer to each item, label set and order, under the run and under its base model.

    Parameters
    ----------
    scales : DataFrame
        `scales.parquet`: one row per response option, with logprob and base_logprob (nats).

    Returns
    -------
    DataFrame
        expected : the mean level among the options, 0 (least) to 1 (most), their probabilities made to sum to 1
        option_mass : what these probabilities sum to before
        keyed : expected, or 1 - expected where reverse-keyed
        base_expected, base_option_mass, base_keyed : the same under the base model
    """
    rows = scales.assign(level=scales["level"] / scales.groupby(["scale", "label_set"])["level"].transform("max"))
    keys = [*RUN, "scale", "outcome", "item", "key", *FORM]
    table = None
    for prefix in ("", "base_"):
        mass = np.exp(rows[f"{prefix}logprob"])
        parts = rows[keys].assign(mass=mass, weighted=mass * rows["level"])
        sums = parts.groupby(keys, sort=True)[["mass", "weighted"]].sum()
        made = pd.DataFrame({
            f"{prefix}option_mass": sums["mass"], f"{prefix}expected": sums["weighted"] / sums["mass"]
        })  # fmt: skip
        table = made if table is None else table.join(made)
    table = table.reset_index()
    forward = table["key"] > 0
    for prefix in ("", "base_"):
        expected = table[f"{prefix}expected"]
        table[f"{prefix}keyed"] = expected.where(forward, 1 - expected)
    return table


def score_scales(scales: pd.DataFrame) -> pd.DataFrame:
    """Score each run's scales, a row each: `tables/scales.csv`. Scores lie between 0 (least) and 1 (most).

    Returns
    -------
    DataFrame
        score, base_score, shift : mean over forward items and mean over reverse-keyed items, averaged, so
            that a model that agrees to everything scores .5 whatever the number of items of each key; a licensed
            scale without reverse-keyed items scores its forward ones, agreement and all
        acquiescence : (mean agreement with forward + with reverse-keyed items) / 2 - .5, between -.5 and .5; empty
            where items have one key
        option_mass : mean probability of all response options together
        order_sensitivity : mean over items and label sets of the SD of the expected answer over option orders
        label_set_sensitivity : greatest minus least score over label sets; empty where there is one
        alpha : Cronbach's (1951) alpha of the keyed items, the cases being all runs of the base model
        n_items, n_orders, n_runs : what the numbers rest on
    """
    rows = compute_expected_answers(scales)
    keys = [*RUN, "scale", "outcome"]
    table = rows.groupby(keys, sort=True).agg(n_items=("item", "nunique"), n_orders=("order", "nunique"))
    for prefix in ("", "base_"):
        by_key = rows.groupby([*keys, "key"], sort=True)
        table[f"{prefix}score"] = by_key[f"{prefix}keyed"].mean().groupby(keys).mean()
        agreement = by_key[f"{prefix}expected"].mean().groupby(keys)
        table[f"{prefix}acquiescence"] = (agreement.mean() - 0.5).where(agreement.size() > 1)
        table[f"{prefix}option_mass"] = rows.groupby(keys)[f"{prefix}option_mass"].mean()
    table["shift"] = table["score"] - table["base_score"]
    spread = rows.groupby([*keys, "item", "label_set"])["expected"].std(ddof=1)
    table["order_sensitivity"] = spread.groupby(keys).mean()
    by_set = rows.groupby([*keys, "label_set", "key"])["keyed"].mean().groupby([*keys, "label_set"]).mean()
    by_set = by_set.groupby(keys)
    table["label_set_sensitivity"] = (by_set.max() - by_set.min()).where(by_set.size() > 1)
    table = table.reset_index()
    reliability = _tabulate_alphas(rows)
    return table.merge(reliability, on=["base_model", "scale"], how="left")


def cronbach_alpha(scores: np.ndarray) -> float:
    """Cronbach's alpha of `scores` [cases, items] (Cronbach 1951, Psychometrika 16, 297). NaN if cases do not differ.

    Examples
    --------
    >>> round(cronbach_alpha(np.array([[1, 2], [2, 3], [3, 5]])), 2)
    0.95
    """
    n_cases, k = scores.shape
    if n_cases < 2 or k < 2:
        return float("nan")
    total = scores.sum(axis=1).var(ddof=1)
    return float(k / (k - 1) * (1 - scores.var(axis=0, ddof=1).sum() / total)) if total > 0 else float("nan")


def _tabulate_alphas(rows: pd.DataFrame) -> pd.DataFrame:
    made = []
    for (base_model, scale), part in rows.groupby(["base_model", "scale"], sort=True):
        cases = part.pivot_table(index=["condition", "seed"], columns="item", values="keyed")
        made.append(
            {"base_model": base_model, "scale": scale, "alpha": cronbach_alpha(cases.to_numpy()), "n_runs": len(cases)}
        )
    return pd.DataFrame(made)


def compare_self_report(
    scores: pd.DataFrame, shifts: pd.DataFrame, action_of: dict[str, str], ring: str
) -> pd.DataFrame:
    """Set self-report beside behavior, a row for each run and scale: `tables/self_report.csv`.

    Parameters
    ----------
    scores : `score_scales`
    shifts : `runs.average_shifts`
    action_of : outcome -> the class of action that goes with it
    ring : the ring of the items that choice and interpretation shifts are taken from

    Returns
    -------
    DataFrame
        scale_shift (0 to 1), choice_shift and interpretation_shift (nats) of the scale's outcome.
    """
    table = scores[[*RUN, "scale", "outcome", "shift"]].rename(columns={"shift": "scale_shift"})
    near = shifts[shifts["ring"] == ring]
    for family in ("choice", "interpretation"):
        part = near[near["family"] == family]
        part = part[[*RUN, "outcome", "shift"]].rename(columns={"shift": f"{family}_shift"})
        outcome = table["outcome"].map(action_of) if family == "choice" else table["outcome"]
        table = table.assign(of=outcome).merge(part.rename(columns={"outcome": "of"}), on=[*RUN, "of"], how="left")
        table = table.drop(columns="of")
    return table
