"""One contrast over items of seed means: these very adapters, new items, and of new domains where the data carry it."""

from __future__ import annotations

import numpy as np

from priorshift.stats.domains import choose_domains, describe_domains
from priorshift.stats.estimates import Estimate
from priorshift.stats.shared_items import NotEstimable, find_kept_items, keep_shared_items, refuse_no_variance


def estimate_over_items(treatment: np.ndarray, control: np.ndarray, domains: np.ndarray | None = None) -> Estimate:
    """Paired t over items of seed means. D_z = mean / sd of the items' differences (Cohen 1988).

    Where domains are a random factor, t over domains of the mean difference of their items, each domain counting
    alike. With as many items in each that is the exact test (Raaijmakers et al. 1999, J. Mem. Lang. 41, 416).

    Parameters
    ----------
    treatment, control : shifts in nats, [runs, items]
    domains : the domain of each item, a random factor where the data carry it (`domains.choose_domains`)

    Raises
    ------
    NotEstimable
        Fewer than two items measured by every run, or no variance over them.

    Examples
    --------
    >>> made = estimate_over_items(np.array([[2.0, 4.0]]), np.array([[1.0, 1.0]]))
    >>> made.estimate, round(float(made.se), 6), made.df
    (2.0, 1.0, 1)
    >>> panels = np.array([[2.0, 4.0, 3.0, 5.0, 6.0, 4.0]]), np.ones((1, 6))
    >>> made = estimate_over_items(*panels, np.array(list("aabbcc")))  # domains' means are 2, 3 and 4
    >>> made.estimate, round(float(made.se * np.sqrt(3)), 6), made.df
    (3.0, 1.0, 2)
    """
    kept = find_kept_items(treatment, control)
    treatment, control = keep_shared_items(treatment, control)
    differences = _subtract_means(treatment, control)
    chosen = choose_domains(treatment, control, None if domains is None else domains[kept])
    parts = [] if chosen is None else [differences[chosen == name] for name in np.unique(chosen)]
    means = np.array([part.mean() for part in parts]) if parts else differences
    se, sd = float(means.std(ddof=1) / np.sqrt(len(means))), float(differences.std(ddof=1))
    refuse_no_variance(se, (treatment, control), "domains" if parts else "items")
    estimate = float(means.mean())
    return Estimate(
        unit="items",
        test="t over domains of paired differences" if parts else "paired t",
        n_runs=len(treatment) + len(control),
        n_items=len(differences),
        estimate=estimate,
        se=se,
        df=len(means) - 1,
        effect_size=estimate / sd,
        effect_size_name="d_z",
        effect_per_t=se / sd,
        domains=describe_domains(domains, len(parts)),
        sd_domain=_estimate_sd_domain(parts) if parts else 0.0,
    )


def _subtract_means(treatment: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Difference of the seed means of each item, [items]."""
    differences = treatment.mean(axis=0) - control.mean(axis=0)
    if len(differences) < 2:
        raise NotEstimable("a single item: no variance over items")
    return differences


def _estimate_sd_domain(parts: list[np.ndarray]) -> float:
    """SD between domains (nats): the variance of their means, less what items within them add to it.

    Items of a domain are taken to vary alike in all (pooled).
    """
    sizes = np.array([len(part) for part in parts])
    within = sum(float(np.sum((part - part.mean()) ** 2)) for part in parts) / (sizes.sum() - len(parts))
    between = float(np.var([part.mean() for part in parts], ddof=1)) - within * float((1 / sizes).mean())
    return float(np.sqrt(max(between, 0.0)))
