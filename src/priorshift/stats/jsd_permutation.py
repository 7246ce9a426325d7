"""Did whole distributions move more than another seed moves them? JSD at the level of runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from priorshift.stats.adjust import adjust_exploratory
from priorshift.stats.declared import Settings
from priorshift.stats.panels import RUN_KEY

ARRANGEMENTS = 19_999  # at most: where labels can be dealt out in fewer ways, all are taken
DIGITS = 12  # of a difference in bits: sums of the same numbers in another order count as equal
JSD_TESTS = [
    "base_model", "world", "condition", "control", "family", "ring", "jsd_from", "unit", "test", "n_base_models",
    "n_runs", "n_items", "treatment_jsd", "control_jsd", "estimate", "n_arrangements", "exact", "least_p", "p_value",
    "p_adjusted", "role",
]  # fmt: skip
FROM_BASE, FROM_NEUTRAL = "base model", "first neutral run"  # what a JSD is from
PERMUTED, TOO_FEW = "permutation of training sets' labels, one-sided", "none: too few training sets for p below alpha"


def compare_jsd(
    next_token: pd.DataFrame, settings: Settings, treatments: Sequence[str], neutral: str | None
) -> pd.DataFrame:
    """Run means of the JSD (bits) of each treatment against those of a control, in each group and world.

    From the base model, against each control: did this training move distributions further than that one? And from the
    first neutral run, against the other runs of the condition `neutral`. Their JSD from it is the seed-to-seed floor:
    do runs of the treatment lie further from a neutral run than another seed puts them?

    Permutation of the run labels, one-sided: how often the difference, averaged over base models, is as large when the
    labels say nothing. Base models share the training set of a condition and seed, so a label is dealt out to all of
    them at once. Whatever the number of base models, three seeds a side can be arranged in 20 ways, and cannot give p
    below .05. Five can in 252 ways. The floor has a seed less, the reference itself: 10 ways, and 126. Where no data
    could give p below alpha, there is no test: a row has its estimate, its floor and `least_p`, and no p. The claim is
    about new fine-tunes of these base models, hence unit `runs`.

    Parameters
    ----------
    next_token : DataFrame
        base_model, group, world, condition, seed, family, ring, item, jsd and jsd_reference (bits): from the base
        model, and from the first neutral run.
    neutral : str or None
        The condition whose runs differ by their seed alone; without one there is no floor.

    Returns
    -------
    DataFrame
        Columns `JSD_TESTS`; base_model holds the group, which is the base model itself outside the calibration
        worlds. treatment_jsd, control_jsd and estimate: means over base models of their run means, and the
        difference. least_p: the least that any data of these numbers of seeds could give. p_value and p_adjusted
        (`adjust.adjust_exploratory`) are NaN where there is no test. All rows are exploratory. A seed that a base model
        lacks, and a base model that lacks two seeds of either condition, has no part in a row.
    """
    ways = [(FROM_BASE, pair) for pair in itertools.product(treatments, settings.controls)]
    ways += [(FROM_NEUTRAL, (treatment, neutral)) for treatment in treatments if neutral]
    rows: list[dict[str, Any]] = []
    groups = next_token.assign(world=next_token["world"].fillna("")).groupby(["group", "world", "family", "ring"])
    for (group, world, family, ring), table in groups:
        key = {"base_model": group, "world": world, "family": family, "ring": ring}
        key |= {"n_items": table["item"].nunique(), "unit": "runs", "role": "exploratory"}
        runs = table.groupby(RUN_KEY, sort=True)[["jsd", "jsd_reference"]].mean()
        wide = {FROM_BASE: runs["jsd"].unstack("base_model"), FROM_NEUTRAL: runs["jsd_reference"].unstack("base_model")}
        for jsd_from, pair in ways:
            sides = _share_seeds(wide[jsd_from], pair)
            if pair[0] != pair[1] and sides is not None:
                named = {"condition": pair[0], "control": pair[1], "jsd_from": jsd_from}
                rows.append(key | named | _compare_sides(*sides, settings.alpha))
    made = pd.DataFrame(rows, columns=JSD_TESTS)
    return made.assign(p_adjusted=adjust_exploratory(made))


def _compare_sides(treatment: np.ndarray, control: np.ndarray, alpha: float) -> dict[str, Any]:
    """The part of a row that the two conditions' runs [seeds, base models] say."""
    means = float(treatment.mean()), float(control.mean())
    arrangements, exact, least_p = count_arrangements(len(treatment), len(control))
    tested = least_p < alpha
    return {
        "test": PERMUTED if tested else TOO_FEW,
        "n_base_models": treatment.shape[1],
        "n_runs": treatment.size + control.size,
        "treatment_jsd": means[0],
        "control_jsd": means[1],
        "estimate": means[0] - means[1],
        "n_arrangements": arrangements,
        "exact": exact,
        "least_p": least_p,
        "p_value": permute_labels(treatment.mean(axis=1), control.mean(axis=1)) if tested else np.nan,
    }


def _share_seeds(wide: pd.DataFrame, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray] | None:
    """The two conditions' runs [seeds, base models]: the seeds that every base model with two of both has."""
    conditions = wide.index.get_level_values("condition")
    both = [wide[conditions == name] for name in pair]
    models = [m for m in wide.columns if all(side[m].notna().sum() >= 2 for side in both)]
    treatment, control = (side[models].dropna().to_numpy(float) for side in both)
    return (treatment, control) if models and min(len(treatment), len(control)) >= 2 else None


def count_arrangements(treated: int, others: int) -> tuple[int, bool, float]:
    """In how many ways labels are dealt out to training sets, whether these are all, and the least p of any data.

    Examples
    --------
    >>> count_arrangements(3, 3)
    (20, True, 0.05)
    """
    every = comb(treated + others, treated)
    return (every, True, 1 / every) if every <= ARRANGEMENTS else (ARRANGEMENTS, False, 1 / (1 + ARRANGEMENTS))


def permute_labels(treatment: np.ndarray, control: np.ndarray) -> float:
    """One-sided p of mean(treatment) - mean(control), one value for each training set, labels permuted.

    The share of arrangements whose difference is as large. Where they are drawn, (1 + times) / (1 + drawn) (Phipson &
    Smyth 2010, SAGMB 9, 39).

    Examples
    --------
    >>> permute_labels(np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    0.05
    """

    def subtract_means(treated: np.ndarray, others: np.ndarray, axis: int) -> np.ndarray:
        return np.round(treated.mean(axis=axis) - others.mean(axis=axis), DIGITS)

    found = permutation_test(
        (treatment, control),
        subtract_means,
        alternative="greater",
        n_resamples=ARRANGEMENTS,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)
