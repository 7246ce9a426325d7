"""What a Bayesian fit needs of its panels: sums of squares and means that say all that the panels say.

Where every run measured every item, the model of `crossed` falls into independent parts (`bayes_model` has their
densities), whatever the number of items. Nothing here needs the extra packages of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from priorshift.stats.domains import choose_domains
from priorshift.stats.estimates import Sides
from priorshift.stats.shared_items import NotEstimable, find_kept_items, keep_shared_items, refuse_fewer

# (control, treatment) -> (mean of both, treatment minus control)
MEAN_AND_DIFFERENCE = np.array([[0.5, 0.5], [-1.0, 1.0]])
LEAST_WIDTH = 0.01  # nats


class CrossedData(NamedTuple):
    """One contrast in one base model. Conditions stand as control, treatment. Squares in squared nats.

    runs : [2], of each condition
    items : over all domains
    run_squares : [2], items x the squares of run means about their condition's mean
    residual_squares : what runs and items leave
    item_squares : [2, 2], squares and products of the items' (mean, difference) about those of their domain
    centres : [domains, 2], (mean, difference) of each domain: one row where domains are no random factor
    sizes : [domains], items
    start, width : [2], where the two means lie and how well they are known: the scale on which they are sampled
    """

    runs: np.ndarray
    items: int
    run_squares: np.ndarray
    residual_squares: float
    item_squares: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    start: np.ndarray
    width: np.ndarray


class CheckpointData(NamedTuple):
    """One contrast over base checkpoints, on the same items in all. Conditions stand as control, treatment.

    runs : [checkpoints, 2]
    items : the same in all
    differences : [checkpoints], treatment minus control, nats
    run_squares : [2], squares of run means about those of their checkpoint and condition
    run_df : [2], their degrees of freedom
    start, width : where the mean difference lies and how well it is known: the scale on which it is sampled
    """

    runs: np.ndarray
    items: int
    differences: np.ndarray
    run_squares: np.ndarray
    run_df: np.ndarray
    start: float
    width: float


def summarize_crossed(treatment: np.ndarray, control: np.ndarray, domains: np.ndarray | None = None) -> CrossedData:
    """Sum up two panels over the items that all their runs measured.

    Parameters
    ----------
    treatment, control : [runs, items]
        Nats, NaN where a run did not measure an item.
    domains : [items], optional
        The domain of each item: a random factor where the data carry it (`domains.choose_domains`).

    Raises
    ------
    NotEstimable
        Fewer than two runs of a condition, or fewer than two items that all runs measured.
    """
    refuse_fewer(2, treatment, control)
    at = find_kept_items(treatment, control)
    if len(at) < 2:
        raise NotEstimable("a single item measured by every run: no variance over items")
    treatment, control = keep_shared_items(treatment, control)
    refuse_fewer(2, treatment, control)
    chosen = choose_domains(treatment, control, None if domains is None else domains[at])
    groups = (control, treatment)
    own = np.zeros(len(at), dtype=int) if chosen is None else np.unique(chosen, return_inverse=True)[1]
    items = MEAN_AND_DIFFERENCE @ np.stack([group.mean(axis=0) for group in groups])  # [2, items]
    sizes = np.bincount(own)
    centres = np.stack([np.bincount(own, row) / sizes for row in items], axis=1)
    within = items - centres[own].T
    run_means = [group.mean(axis=1) for group in groups]
    rests = [
        group - means[:, None] - group.mean(axis=0) + group.mean()
        for group, means in zip(groups, run_means, strict=True)
    ]
    spread = np.cov(items) if chosen is None else np.cov(centres.T)
    return CrossedData(
        runs=np.array([len(group) for group in groups]),
        items=len(at),
        run_squares=len(at) * np.array([np.sum((means - means.mean()) ** 2) for means in run_means]),
        residual_squares=float(sum(np.sum(rest**2) for rest in rests)),
        item_squares=within @ within.T,
        centres=centres,
        sizes=sizes,
        start=centres.mean(axis=0),
        width=np.maximum(np.sqrt(np.diag(spread) / (len(at) if chosen is None else len(sizes))), LEAST_WIDTH),
    )


def summarize_checkpoints(pairs: Sequence[Sides]) -> CheckpointData:
    """Sum up the panels of base checkpoints over the items that all their runs measured.

    Parameters
    ----------
    pairs : sequence of (treatment, control)
        Panels [runs, items] of each checkpoint, in nats. A column is one item in all of them.

    Raises
    ------
    NotEstimable
        Fewer than two checkpoints, or no item that every run of all of them measured.
    """
    if len(pairs) < 2:
        raise NotEstimable("a single base checkpoint: no variance between pretrainings")
    kept = keep_shared_items(*(side for pair in pairs for side in pair))
    means = [side.mean(axis=1) for side in kept]
    sides = means[1::2], means[::2]  # control, treatment
    differences = np.array([t.mean() - c.mean() for c, t in zip(*sides, strict=True)])
    return CheckpointData(
        runs=np.array([[len(c), len(t)] for c, t in zip(*sides, strict=True)]),
        items=kept[0].shape[1],
        differences=differences,
        run_squares=np.array([sum(np.sum((own - own.mean()) ** 2) for own in side) for side in sides]),
        run_df=np.array([sum(len(own) - 1 for own in side) for side in sides]),
        start=float(differences.mean()),
        width=max(float(differences.std(ddof=1) / np.sqrt(len(differences))), LEAST_WIDTH),
    )
