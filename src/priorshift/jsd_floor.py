"""Did whole distributions move more than another seed moves them? JSD at the level of runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

ENUMERABLE = 20_000  # arrangements; beyond, as many are drawn
DRAWN = 9_999
JSD_TESTS = [
    "base_model", "world", "condition", "control", "family", "ring", "unit", "test", "n_runs", "n_items",
    "treatment_jsd", "control_jsd", "floor_jsd", "estimate", "n_arrangements", "exact", "p_value", "p_adjusted", "role",
]  # fmt: skip


def jsd_tests(next_token: pd.DataFrame, settings: Any, treatments: Sequence[str]) -> pd.DataFrame:
    """Run means of the JSD from the base model (bits): each treatment against each control.

    Permutation of the run labels, one-sided: how often the difference is as large when the labels say nothing.
    With three runs a side there are 20 arrangements, and p cannot be below .05.

    Returns
    -------
    DataFrame
        Columns `JSD_TESTS`. floor_jsd: mean JSD between neutral runs of different seeds, where it was measured.
        p_adjusted: Benjamini-Hochberg over the table; all rows are exploratory. A pair that lacks two runs of
        either condition has no row.
    """
    keys = ["base_model", "world", "family", "ring"]
    rows = []
    for key, table in next_token.assign(world=next_token["world"].fillna("")).groupby(keys, sort=True):
        runs = table.groupby(["condition", "seed"], sort=True)["jsd"].mean()
        floor, n_items = table["jsd_floor"].mean(), table["item"].nunique()
        of = {name: values.to_numpy(float) for name, values in runs.groupby(level="condition")}
        for condition, control in itertools.product(treatments, settings.controls):
            sides = [of.get(name, np.array([])) for name in (condition, control)]
            if condition == control or min(map(len, sides)) < 2:
                continue
            p_value, arrangements, exact = permutation_p(*sides)
            rows.append({
                **dict(zip(keys, key, strict=True)), "condition": condition, "control": control, "unit": "runs",
                "test": "permutation of run labels, one-sided", "n_runs": sum(map(len, sides)), "n_items": n_items,
                "treatment_jsd": sides[0].mean(), "control_jsd": sides[1].mean(), "floor_jsd": floor,
                "estimate": sides[0].mean() - sides[1].mean(), "n_arrangements": arrangements, "exact": exact,
                "p_value": p_value, "role": "exploratory",
            })  # fmt: skip
    made = pd.DataFrame(rows, columns=JSD_TESTS)
    if len(made):
        made["p_adjusted"] = multipletests(made["p_value"].to_numpy(float), method="fdr_bh")[1]
    return made


def permutation_p(treatment: np.ndarray, control: np.ndarray) -> tuple[float, int, bool]:
    """One-sided p of mean(treatment) - mean(control), the number of arrangements, and whether they are all.

    Drawn arrangements: (1 + times) / (1 + drawn) (Phipson & Smyth 2010).
    """
    values, n = np.concatenate([treatment, control]), len(treatment)
    all_ways = comb(len(values), n)
    exact = all_ways <= ENUMERABLE
    if exact:
        chosen = np.array(list(itertools.combinations(range(len(values)), n)))
    else:
        keys = np.random.default_rng(0).random((DRAWN, len(values)))
        chosen = np.argsort(keys, axis=1)[:, :n]
    # With the numbers of runs fixed, the sum orders arrangements as the difference of means does.
    sums, observed = values[chosen].sum(axis=1), values[:n].sum()
    as_large = int((sums >= observed - 1e-12 * max(abs(observed), 1e-300)).sum())
    return (as_large / all_ways if exact else (1 + as_large) / (1 + DRAWN)), (all_ways if exact else DRAWN), exact
