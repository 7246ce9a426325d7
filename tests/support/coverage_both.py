"""Does unit `both` keep its promises? Coverage and type I error by simulation: python tests/support/coverage_both.py

Writes coverage_both.csv beside itself (about a minute); tests/stats/test_crossed.py checks a part of it again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.crossed import fit_crossed
from priorshift.stats.simulation import Components, simulate

PATH = Path(__file__).with_suffix(".csv")
SIMULATIONS, ALPHA, EFFECT = 2000, 0.05, 0.3
# name: (treatment runs, control runs), items, (control, treatment) run SD, item SD, slope SD, residual SD; nats
SCENARIOS = {
    "even": ((5, 5), 60, (0.15, 0.15), 0.5, 0.3, 0.3),
    "runs matter": ((5, 5), 60, (0.3, 0.3), 0.5, 0.1, 0.3),
    "items matter": ((5, 5), 60, (0.05, 0.05), 0.5, 0.5, 0.3),
    "no slopes": ((5, 5), 60, (0.15, 0.15), 0.5, 0.0, 0.3),
    "unequal runs": ((5, 5), 60, (0.05, 0.3), 0.5, 0.3, 0.3),
    "unequal numbers": ((5, 3), 60, (0.15, 0.15), 0.5, 0.3, 0.3),
    "three runs": ((3, 3), 48, (0.15, 0.15), 0.5, 0.3, 0.3),
    "three unequal runs": ((3, 3), 48, (0.05, 0.3), 0.5, 0.3, 0.3),
}


def p_values(name: str, pooled_runs: bool, effect: float, count: int = SIMULATIONS, first: int = 0) -> np.ndarray:
    """Two-sided p of the true effect, in `count` simulated studies from the `first`; each has a seed of its own."""
    n_runs, n_items, *sds = SCENARIOS[name]
    components, made = Components.from_sds(*sds), []
    for i in range(first, first + count):
        rng = np.random.default_rng([list(SCENARIOS).index(name), effect > 0, i])
        fit = fit_crossed(*simulate(rng, components, n_runs, n_items, effect), pooled_runs)
        made.append(2 * stats.t.sf(abs(fit.estimate - effect) / fit.se, fit.df))
    return np.array(made)


def rates() -> pd.DataFrame:
    """One row a scenario and model: coverage and type I error with exact binomial 95 % intervals."""
    rows = []
    for name, (n_runs, n_items, sd_run, *sds) in SCENARIOS.items():
        for pooled in (False, True):
            covered = int((p_values(name, pooled, EFFECT) >= ALPHA).sum())
            rejected = int((p_values(name, pooled, 0.0) < ALPHA).sum())
            rows.append(
                {"scenario": name, "run_variances": "pooled" if pooled else "separate",
                 "treatment_runs": n_runs[0], "control_runs": n_runs[1], "items": n_items,
                 "sd_run_control": sd_run[0], "sd_run_treatment": sd_run[1],
                 **dict(zip(("sd_item", "sd_slope", "sd_residual"), sds, strict=True)), "simulations": SIMULATIONS,
                 **_rate("coverage", covered), **_rate("type_i", rejected)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _rate(name: str, count: int) -> dict[str, float]:
    low, high = stats.binomtest(count, SIMULATIONS).proportion_ci(0.95, method="exact")
    return {name: count / SIMULATIONS, f"{name}_low": low, f"{name}_high": high}


if __name__ == "__main__":
    rates().to_csv(PATH, index=False, float_format="%.6g")
