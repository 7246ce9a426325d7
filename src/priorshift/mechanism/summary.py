"""Values of runs, averaged over the runs of a base model and over an architecture's checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from priorshift.stats.equivalence import add_equivalence
from priorshift.stats.intervals import fieller_interval, mean_interval
from priorshift.stats.panels import BASE

UNITS = ["unit", *BASE]


def iterate_units(rows: pd.DataFrame, by: Sequence[str], values: Sequence[str]) -> Iterator[tuple[dict, pd.DataFrame]]:
    """Each row of a summary: its keys, and the values that it is the mean of.

    Unit `runs` has a row for each base model, over its runs. Unit `base` has one for each architecture of a world,
    over the means of its checkpoints, and `base_model` names the architecture. Hub models have none.

    Parameters
    ----------
    rows : one row per run and what it was asked, with `BASE`
    by : columns that tell apart what was asked
    values : columns of numbers
    """
    for key, part in rows.groupby([*BASE, *by], sort=False, dropna=False):
        yield {"unit": "runs", **dict(zip([*BASE, *by], key, strict=True))}, part[list(values)]
    embedded = rows[rows["world"] != ""]
    means = embedded.groupby([*BASE, *by], sort=False, dropna=False)[list(values)].mean().reset_index()
    for key, part in means.groupby(["group", "world", *by], sort=False, dropna=False):
        named = {"base_model": key[0], **dict(zip(["group", "world", *by], key, strict=True))}
        yield {"unit": "base", **named}, part[list(values)]


def summarize(rows: pd.DataFrame, by: Sequence[str], values: Sequence[str], alpha: float) -> pd.DataFrame:
    """The mean of each value with its 1 - alpha interval by Student's t (`<value>_low`, `<value>_high`), and n.

    One run, or one checkpoint, has no interval: its limits are NaN.
    """
    made = []
    for row, part in iterate_units(rows, by, values):
        row |= {"n": len(part)}
        for value in values:
            mean = mean_interval(part[value], alpha)
            row |= {value: mean["estimate"], f"{value}_low": mean["ci_low"], f"{value}_high": mean["ci_high"]}
        made.append(row)
    return pd.DataFrame(made, columns=None if made else [*UNITS, *by, "n", *values])


def judge_equivalence(rows: pd.DataFrame, by: Sequence[str], value: str, margin: float, alpha: float) -> pd.DataFrame:
    """Judge whether the mean of a value lies within +- margin nats, by two one-sided tests (`stats.equivalence`).

    Returns
    -------
    DataFrame
        The keys of `iterate_units`, n, estimate, se, df, ci90_low, ci90_high, margin, p_value and equivalent: p_value
        lies below alpha. One run or checkpoint, and values that do not differ, leave no test: NaN, not equivalent.
    """
    made = []
    for row, part in iterate_units(rows, by, [value]):
        array = part[value].to_numpy(float)
        spread = array.std(ddof=1) / np.sqrt(len(array)) if len(array) > 1 else np.nan
        made.append(row | {"n": len(array), "estimate": array.mean(), "se": spread, "df": float(len(array) - 1)})
    with np.errstate(divide="ignore", invalid="ignore"):
        tested = add_equivalence(pd.DataFrame(made), margin).drop(columns=["p_lower", "p_upper"])
    return tested.assign(equivalent=tested["p_value"] < alpha)


def compute_shares(rows: pd.DataFrame, by: Sequence[str], part: str, whole: str, alpha: float) -> pd.DataFrame:
    """The share mean(part) / mean(whole) of paired values, with Fieller's interval.

    Returns
    -------
    DataFrame
        The keys of `iterate_units`, n, the two means, share, share_low and share_high. All three are NaN where the
        interval of the whole holds 0: nothing sure was there to share.
    """
    made = []
    for row, pairs in iterate_units(rows, by, [part, whole]):
        above, below = (pairs[name].to_numpy(float) for name in (part, whole))
        low, high = fieller_interval(above, below, alpha) if len(pairs) > 1 else (np.nan, np.nan)
        share = above.mean() / below.mean() if np.isfinite(low) else np.nan
        numbers = {part: above.mean(), whole: below.mean(), "share": share, "share_low": low, "share_high": high}
        made.append(row | {"n": len(pairs)} | numbers)
    return pd.DataFrame(made)
