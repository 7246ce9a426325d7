"""Two crossed panels of shifts with known variance components: what power and level are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """Variances (squared nats) of the model of `crossed`, in its order: control, treatment."""

    var_run: np.ndarray  # [2]
    cov_item: np.ndarray  # [2, 2]
    var_residual: float

    @classmethod
    def from_sds(
        cls, sd_run: float | tuple[float, float], sd_item: float, sd_slope: float, sd_residual: float
    ) -> Components:
        """From standard deviations: `sd_item` of the items, `sd_slope` of their differences between conditions.

        `sd_run` is one for both conditions, or (control, treatment).
        """
        slope = sd_slope**2 / 4 * np.array([[1, -1], [-1, 1]])
        return cls(np.square(np.broadcast_to(sd_run, 2)), sd_item**2 + slope, sd_residual**2)


def simulate(
    rng: np.random.Generator, components: Components, n_runs: tuple[int, int], n_items: int, effect: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """(treatment, control), each [runs, items] in nats: normal runs, items and residuals around 0 and `effect`.

    Parameters
    ----------
    components : Components or CrossedFit
        Also a `crossed.CrossedFit`, whose variances have the same names.
    n_runs : (treatment runs, control runs)
    effect : float
        Treatment minus control, nats.
    """
    # A covariance of rank one is allowed: Cholesky would refuse it.
    values, axes = np.linalg.eigh(components.cov_item)
    item = axes * np.sqrt(np.maximum(values, 0.0)) @ rng.standard_normal((2, n_items))
    sd_run, sd_residual = np.sqrt(components.var_run), np.sqrt(components.var_residual)

    def draw_side(which: int, runs: int) -> np.ndarray:
        of_run = sd_run[which] * rng.standard_normal((runs, 1))
        return which * effect + of_run + item[which] + sd_residual * rng.standard_normal((runs, n_items))

    return draw_side(1, n_runs[0]), draw_side(0, n_runs[1])
