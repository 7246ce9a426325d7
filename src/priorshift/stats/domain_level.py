"""How often each unit rejects a true null where items of a domain resemble each other, with domains random or fixed.

Data sets are simulated, as an audit of these tests set them. Each has six domains, few or many items in them, and a
share of the slope variance between domains. Slopes are the items' differences between conditions. Each test is held to
two claims. Its own: what its unit speaks of. And the widest, which a reader may take it for: new domains, new items and
new runs. Every mean is 0 over whatever is new, so each rejection is a false one. The share of intervals that hold the
truth is what remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.estimates import Sides, estimate_crossed
from priorshift.stats.intervals import count_rate
from priorshift.stats.over_items import estimate_over_items
from priorshift.stats.welch import estimate_over_runs

DOMAIN_LEVEL = [
    "n_domains", "items_per_domain", "share", "runs_per_side", "unit", "domains", "about", "comparisons", "rejections",
    "rate", "ci_low", "ci_high", "coverage", "alpha",
]  # fmt: skip
N_DOMAINS = 6
ITEMS_PER_DOMAIN, SHARES, RUNS_PER_SIDE = (4, 20, 50), (0.2, 0.5), (3, 5)
# Nats: of run effects, of items (common to both conditions), of their slopes, of the residual.
SD_RUN, SD_ITEM, SD_SLOPE, SD_RESIDUAL = 0.1, 0.5, 0.4, 0.2
WIDEST = "new domains, items and runs"


def simulate_domain_level(
    comparisons: int,
    alpha: float,
    items_per_domain: Sequence[int] = ITEMS_PER_DOMAIN,
    shares: Sequence[float] = SHARES,
    runs_per_side: Sequence[int] = RUNS_PER_SIDE,
    seed: int = 0,
) -> pd.DataFrame:
    """Count false rejections in every setting, with exact binomial 95 % intervals: `tables/domain_level.csv`.

    Parameters
    ----------
    comparisons : int
        Simulated data sets of each setting.
    shares : sequence of float
        Of the variance of items, and of their slopes, that lies between domains.

    Returns
    -------
    DataFrame
        Columns `DOMAIN_LEVEL`. domains: whether the test had them as a random factor. about: the claim that it is held
        to. coverage: the share of 1 - alpha intervals that hold the truth, 1 - rate.
    """
    rows = []
    for runs, size, share in product(runs_per_side, items_per_domain, shares):
        rng = np.random.default_rng([seed, runs, size, round(100 * share)])
        p_values: dict[tuple[str, str, str], list[float]] = {}
        for _ in range(comparisons):
            for key, p_value in _test(*_simulate(rng, runs, size, share)):
                p_values.setdefault(key, []).append(p_value)
        for key, values in p_values.items():
            rejections = int((np.array(values) < alpha).sum())
            rate, low, high = count_rate(rejections, len(values))
            counts = (len(values), rejections, rate, low, high, 1 - rate, alpha)
            rows.append((N_DOMAINS, size, share, runs, *key, *counts))
    return pd.DataFrame(rows, columns=DOMAIN_LEVEL)


def _simulate(
    rng: np.random.Generator, runs: int, size: int, share: float
) -> tuple[Sides, np.ndarray, dict[str, float]]:
    """Panels without an effect, the domain of each item, and the true difference by what is held as it is."""
    domains = np.repeat(np.arange(N_DOMAINS), size)

    def draw_parted(sd: float) -> tuple[np.ndarray, np.ndarray]:
        between, within = sd * np.sqrt(share), sd * np.sqrt(1 - share)
        of_domain = between * rng.standard_normal(N_DOMAINS)[domains]
        return of_domain, of_domain + within * rng.standard_normal(len(domains))

    (_, item), (of_domain, slope) = draw_parted(SD_ITEM), draw_parted(SD_SLOPE)
    of_runs = SD_RUN * rng.standard_normal((2, runs, 1))
    treatment, control = (
        item + sign * slope / 2 + of_run + SD_RESIDUAL * rng.standard_normal((runs, len(domains)))
        for sign, of_run in zip((1, -1), of_runs, strict=True)
    )
    truth = {
        "runs": float(of_runs[0].mean() - of_runs[1].mean()),
        "items": float(slope.mean()),
        "domains": float(of_domain.mean()),
    }
    return (treatment, control), domains, truth


def _test(sides: Sides, domains: np.ndarray, truth: dict[str, float]) -> Iterator[tuple[tuple[str, str, str], float]]:
    """((unit, domains, claim), p) of each test against its own claim, and against the widest."""
    same_domains = truth["domains"]
    for how, made, about, own in (
        ("fixed", estimate_over_items(*sides), "new items of these domains, these runs", truth["runs"] + same_domains),
        ("random", estimate_over_items(*sides, domains), "new domains and items, these runs", truth["runs"]),
        ("fixed", estimate_over_runs(*sides), "new runs, these items", truth["items"]),
        ("fixed", estimate_crossed(*sides), "new items of these domains, new runs", same_domains),
        ("random", estimate_crossed(*sides, domains), WIDEST, 0.0),
    ):
        for claim, value in {about: own, WIDEST: 0.0}.items():
            yield (made.unit, how, claim), float(2 * stats.t.sf(abs(made.estimate - value) / made.se, made.df))
