"""When domains are a random factor, so that a claim is about new domains too."""

from __future__ import annotations

import numpy as np

SAME_ITEMS = "fixed (these very items)"  # of a test that speaks of no new items
LEAST_DOMAINS = 3  # with fewer, no variance over domains can be estimated


def choose_domains(treatment: np.ndarray, control: np.ndarray, domains: np.ndarray | None) -> np.ndarray | None:
    """The domain of each item where the data carry domains as a random factor, else None.

    They do where both conditions measured items of at least `LEAST_DOMAINS` domains, and more than one of some.

    Parameters
    ----------
    treatment, control : [runs, items]
        NaN where a run did not measure an item.
    domains : [items], or None where the table does not say them
    """
    if domains is None:
        return None
    in_both = ~(np.isnan(treatment).all(axis=0) | np.isnan(control).all(axis=0))
    counts = np.unique(domains[in_both], return_counts=True)[1]
    return domains if len(counts) >= LEAST_DOMAINS and counts.max() > 1 else None


def describe_domains(domains: np.ndarray | None, n_random: int) -> str:
    """What a table says of the domains: random, with their number, or fixed, and why."""
    if n_random:
        return f"random ({n_random})"
    return "fixed (not told)" if domains is None else f"fixed (fewer than {LEAST_DOMAINS}, or an item each)"
