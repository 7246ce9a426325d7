"""Two-way bootstrap of runs and items: a check of unit `both` that assumes no normal distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.stats.claim_panels import estimate_both, list_by_base_model
from priorshift.stats.declared import CLAIM, Settings
from priorshift.stats.domains import choose_domains

RESAMPLES = 2000
BOOTSTRAP = [
    *CLAIM, "unit", "n_runs", "n_items", "estimate", "ci_low", "ci_high", "boot_estimate", "boot_low", "boot_high",
    "resamples",
]  # fmt: skip


def bootstrap_claims(items: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Percentile intervals (1 - alpha) of each declared claim, beside those of the crossed model.

    A check of centre, symmetry and order of size. With three runs a side its intervals are too narrow: percentiles
    know nothing of the degrees of freedom that the crossed model's t has.

    Returns
    -------
    DataFrame
        Columns `BOOTSTRAP`, in nats; one row a declared claim and base model.
    """
    rows = []
    for claim in list_by_base_model(items, settings):
        treatment, control = claim.select_sides()
        model = estimate_both(claim, settings.alpha)
        if model is None:
            continue
        domains = choose_domains(treatment, control, claim.checkpoints[0].domains)
        differences = resample(treatment, control, RESAMPLES, np.random.default_rng(0), domains)
        if not len(differences):
            continue
        low, high = np.quantile(differences, [settings.alpha / 2, 1 - settings.alpha / 2])
        rows.append({
            **claim.claim, "unit": "both", "n_runs": len(treatment) + len(control), "n_items": treatment.shape[1],
            **model, "boot_estimate": differences.mean(), "boot_low": low, "boot_high": high,
            "resamples": len(differences),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=BOOTSTRAP)


def resample(
    treatment: np.ndarray,
    control: np.ndarray,
    resamples: int,
    rng: np.random.Generator,
    domains: np.ndarray | None = None,
) -> np.ndarray:
    """Treatment minus control (nats) in at most `resamples` samples of runs and, at once, of items.

    One less than there are is drawn of each, so that the variance is unbiased with few runs (Rao & Wu 1988, JASA 83,
    231). For runs and items at once see Owen (2007, Ann. Appl. Stat. 1, 386). The residual's part is counted more than
    once: intervals are, if anything, too wide.

    Parameters
    ----------
    treatment, control : [runs, items]
        NaN where a run did not measure an item; such a cell has no part in its item's mean.
    domains : [items], optional
        Drawn in the place of items, each with all its items.
    """
    means = [_average_items(side, resamples, rng) for side in (treatment, control)]  # [resamples, items] each
    differences = means[0] - means[1]
    drawn_as = np.arange(treatment.shape[1]) if domains is None else np.unique(domains, return_inverse=True)[1]
    weights = _draw_counts(drawn_as.max() + 1, resamples, rng)[:, drawn_as] * ~np.isnan(differences)
    drawn = weights.sum(axis=1)
    # Missing cells may leave a sample without an item that both sides measured: it has no difference.
    return ((weights * np.nan_to_num(differences)).sum(axis=1)[drawn > 0]) / drawn[drawn > 0]


def _draw_counts(n: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n is drawn, [resamples, n]."""
    return rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples).astype(float)


def _average_items(panel: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    weights = _draw_counts(len(panel), resamples, rng)
    with np.errstate(invalid="ignore"):
        return weights @ np.nan_to_num(panel) / (weights @ ~np.isnan(panel))
