"""Did whole distributions move more than another seed moves them? JSD at the level of runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb, prod
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

ENUMERABLE = 20_000  # arrangements; beyond, as many are drawn
DRAWN = 9_999
JSD_TESTS = [
    "base_model", "world", "condition", "control", "family", "ring", "unit", "test", "n_base_models", "n_runs",
    "n_items", "treatment_jsd", "control_jsd", "floor_jsd", "estimate", "n_arrangements", "exact", "p_value",
    "p_adjusted", "role",
]  # fmt: skip
Sides = tuple[np.ndarray, np.ndarray]  # treatment, control: one value a run


def jsd_tests(next_token: pd.DataFrame, settings: Any, treatments: Sequence[str]) -> pd.DataFrame:
    """Run means of the JSD from the base model (bits): each treatment against each control, in each group and world.

    Permutation of the run labels within each base model, one-sided: how often the difference, averaged over base
    models, is as large when the labels say nothing. Three runs a side can be arranged in 20 ways, so that one base
    model alone cannot give p below .05; three base models have 8000 arrangements. The claim is about new fine-tunes
    of these base models, hence unit `runs`.

    Returns
    -------
    DataFrame
        Columns `JSD_TESTS`; base_model holds the group, which is the base model itself outside the calibration
        worlds. treatment_jsd, control_jsd and estimate: means over base models of their run means, and the
        difference. floor_jsd: mean JSD between neutral runs of different seeds, where it was measured.
        p_adjusted: Benjamini-Hochberg over the table; all rows are exploratory. A base model that lacks two runs
        of either condition has no part in a row.
    """
    keys = ["group", "world", "family", "ring"]
    rows = []
    for key, table in next_token.assign(world=next_token["world"].fillna("")).groupby(keys, sort=True):
        runs = table.groupby(["base_model", "condition", "seed"], sort=True)["jsd"].mean()
        floor, n_items = table["jsd_floor"].mean(), table["item"].nunique()
        of = {name: values.to_numpy(float) for name, values in runs.groupby(level=["base_model", "condition"])}
        for pair in itertools.product(treatments, settings.controls):
            models = _sides(of, pair)
            if pair[0] == pair[1] or not models:
                continue
            means = np.array([[side.mean() for side in sides] for sides in models]).mean(axis=0)
            p_value, arrangements, exact = permutation_p(models)
            rows.append({
                "base_model": key[0], **dict(zip(keys[1:], key[1:], strict=True)), "condition": pair[0],
                "control": pair[1], "unit": "runs", "test": "permutation of run labels within base models, one-sided",
                "n_base_models": len(models), "n_runs": sum(len(side) for sides in models for side in sides),
                "n_items": n_items, "treatment_jsd": means[0], "control_jsd": means[1], "floor_jsd": floor,
                "estimate": means[0] - means[1], "n_arrangements": arrangements, "exact": exact, "p_value": p_value,
                "role": "exploratory",
            })  # fmt: skip
    made = pd.DataFrame(rows, columns=JSD_TESTS)
    if len(made):
        made["p_adjusted"] = multipletests(made["p_value"].to_numpy(float), method="fdr_bh")[1]
    return made


def _sides(of: dict[tuple[str, str], np.ndarray], pair: tuple[str, str]) -> list[Sides]:
    """The two conditions' runs in each base model that has two of both at least."""
    found = [tuple(of.get((model, name), np.array([])) for name in pair) for model in sorted({m for m, _ in of})]
    return [sides for sides in found if min(map(len, sides)) >= 2]


def permutation_p(models: Sequence[Sides]) -> tuple[float, int, bool]:
    """One-sided p of the mean over base models of mean(treatment) - mean(control), labels permuted within each.

    Returns p, the number of arrangements, and whether they are all that there are. Drawn arrangements:
    (1 + times) / (1 + drawn) (Phipson & Smyth 2010).
    """
    all_ways = prod(comb(len(a) + len(b), len(a)) for a, b in models)
    exact = all_ways <= ENUMERABLE
    rng, total, observed, size = np.random.default_rng(0), np.zeros(1), 0.0, 0.0
    for treatment, control in models:
        values, n = np.concatenate([treatment, control]), len(treatment)
        differences = _differences(values, _choices(len(values), n, None if exact else rng))
        # Each arrangement of one base model meets each of the others, or one drawn for it.
        total = np.add.outer(total, differences).ravel() if exact else total + differences
        observed += treatment.mean() - control.mean()
        size = max(size, float(np.abs(values).max()))
    as_large = int((total >= observed - 1e-12 * max(size, 1e-300)).sum())
    return (as_large / all_ways if exact else (1 + as_large) / (1 + DRAWN)), (all_ways if exact else DRAWN), exact


def _choices(runs: int, treated: int, rng: np.random.Generator | None) -> np.ndarray:
    """Which runs are called treated, [arrangements, treated]: every way, or `DRAWN` at random."""
    if rng is None:
        return np.array(list(itertools.combinations(range(runs), treated)))
    return np.argsort(rng.random((DRAWN, runs)), axis=1)[:, :treated]


def _differences(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    sums, n = values[chosen].sum(axis=1), chosen.shape[1]
    return sums / n - (values.sum() - sums) / (len(values) - n)
