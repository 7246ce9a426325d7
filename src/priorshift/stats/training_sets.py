"""Unit `base` where training sets are random too: base checkpoints crossed with seeds.

All base checkpoints share the training sets of a seed, and adapters' first weights. Unit `base` is about these very
ones. Here a seed is a random factor, what all that is trained with it has in common. A checkpoint's difference of two
conditions with seed s, over items, is

    d_bs = mu + checkpoint_b + seed_s + e_bs

With B checkpoints and S seeds the mean's variance is `(MS_checkpoint + MS_seed - MS_e) / (B S)`, with Satterthwaite's
degrees of freedom. This is the quasi-F of two crossed random factors, as in `crossed`. Mean squares that are no greater
than the residual's are pooled with it, which is what REML does. Where seeds do not vary, the interval is that of unit
`base`.

Simulated data sets have 3 to 5 checkpoints and 3 to 10 seeds, 3,000 sets each. This test rejects 1 to 7 % of true
nulls over new training sets. Unit `base`, to which they are fixed, rejects 5 % (seeds do not vary) to 57 % (they alone
do).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from priorshift.stats.panels import Panel
from priorshift.stats.shared_items import find_kept_items


class SetsFit(NamedTuple):
    """sd_sets: SD over seeds of what runs of a seed share. se_sets, df_sets: of the mean difference. Nats."""

    sd_sets: float
    se_sets: float
    df_sets: float


def fit_training_sets(differences: np.ndarray) -> SetsFit:
    """Fit checkpoints and seeds as crossed random factors.

    Parameters
    ----------
    differences : [checkpoints, seeds], two of each at least
        Condition minus control, nats.

    Examples
    --------
    >>> fit = fit_training_sets(np.array([[1.0, 3.0], [2.0, 4.0]]))  # additive: no residual
    >>> round(fit.sd_sets**2, 6), round(fit.se_sets**2, 6)
    (2.0, 1.25)
    """
    n_base, n_sets = differences.shape
    rows, columns, mean = differences.mean(axis=1), differences.mean(axis=0), differences.mean()
    squares = np.array([n_sets * rows.var(ddof=1), n_base * columns.var(ddof=1)])
    df = np.array([n_base - 1, n_sets - 1])
    rest, rest_df = float(np.sum((differences - rows[:, None] - columns + mean) ** 2)), int(df.prod())
    if rest <= 1e-24 * float(np.square(differences).max()) * rest_df:
        rest = 0.0  # rounding, of differences that add up exactly
    pooled = np.zeros(2, dtype=bool)
    for part in np.argsort(squares, kind="stable"):
        if squares[part] > rest / rest_df:
            break
        rest, rest_df, pooled[part] = rest + squares[part] * df[part], rest_df + int(df[part]), True
    residual = rest / rest_df
    # What is pooled is part of the residual, which stands in the sum once for each of two factors that are not.
    share = residual * (pooled.sum() - 1)
    parts = [*zip(squares[~pooled], df[~pooled], strict=True), (share, rest_df)]
    total = sum(value for value, _ in parts)
    below = sum(value**2 / own for value, own in parts)
    return SetsFit(
        sd_sets=float(np.sqrt(max(squares[1] - residual, 0.0) / n_base)) if not pooled[1] else 0.0,
        se_sets=float(np.sqrt(total / differences.size)),
        df_sets=float(total**2 / below) if below > 0 else np.inf,
    )


def compare_by_seed(panels: Sequence[Panel], condition: str, control: str) -> np.ndarray | None:
    """Condition minus control of each checkpoint and seed (nats), [checkpoints, seeds]. None where they do not cross.

    They do where all checkpoints ran both conditions with the same seeds, two at least. Each of these runs must have
    measured the items that are compared.
    """
    sides = [panel.select(name) for panel in panels for name in (condition, control)]
    seeds = [panel.seeds[panel.labels == name] for panel in panels for name in (condition, control)]
    if len(panels) < 2 or len(seeds[0]) < 2 or any(set(own) != set(seeds[0]) for own in seeds):
        return None
    at = find_kept_items(*sides)
    means = [side[:, at].mean(axis=1)[np.argsort(own)] for side, own in zip(sides, seeds, strict=True)]
    differences = np.array([a - b for a, b in zip(means[::2], means[1::2], strict=True)])
    return differences if np.isfinite(differences).all() else None
