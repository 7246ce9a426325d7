"""REML of the model of `crossed` for any pattern of missing cells, and Satterthwaite's df.

theta = (*runs, control item, covariance, treatment item) are the Cholesky factors of the random effects'
covariances in units of the residual standard deviation, as in lme4 (Bates et al. 2015, J. Stat. Softw.
67(1), section 3); `runs` is (control run, treatment run), or one value where both conditions share it. The
degrees of freedom are those of lmerTest (Kuznetsova et al. 2017, J. Stat. Softw. 82(13)).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

CONTRAST = np.array([-1.0, 1.0])
COVARIANCE = -2  # of theta: the one element that may be negative


def compute_theta(ratio_runs: np.ndarray, ratio_item: np.ndarray) -> np.ndarray:
    """Relative Cholesky factors (lme4's theta) of variances given in units of the residual's."""
    first = np.sqrt(max(ratio_item[0, 0], 0.0))
    cross = ratio_item[0, 1] / first if first > 1e-9 else 0.0
    runs = np.sqrt(np.maximum(ratio_runs, 0.0))
    return np.array([*runs, first, cross, np.sqrt(max(ratio_item[1, 1] - cross**2, 0.0))])


def mark_nonnegative(theta: np.ndarray) -> np.ndarray:
    """Which elements of theta cannot be negative."""
    return np.arange(len(theta)) != len(theta) + COVARIANCE


class Reml:
    """REML deviance of one contrast at theta; items, then runs are eliminated by Woodbury's identity.

    Its functions take theta [..., elements] and return [...]: derivatives by differences are one call each.
    `gram` is [Z_run, X, y]'[Z_run, X, y]; `products` [patterns, 2, 2, runs + 3, runs + 3] are the same
    columns summed within item and condition, multiplied and added up over the items that share a `pattern`
    (how many runs of either condition measured them): all that the data say, whatever the number of items.
    """

    def __init__(self, treatment: np.ndarray, control: np.ndarray, pooled_runs: bool) -> None:
        y = np.concatenate([control, treatment])  # [runs, items]
        observed = ~np.isnan(y)
        # Centred and scaled: the deviance keeps its digits, theta does not change.
        self.origin = float(np.mean(y[observed]))
        self.scale = float(np.std(y[observed])) or 1.0
        filled = np.where(observed, (y - self.origin) / self.scale, 0.0)
        side = np.repeat([0, 1], [len(control), len(treatment)])
        self.which_run = side * (not pooled_runs)  # the element of theta that scales each run
        self.runs, self.n = len(y), int(observed.sum())
        columns = np.zeros((*y.shape, self.runs + 3))  # [runs, items, columns]
        for run in range(self.runs):
            columns[run, :, run] = observed[run]
            columns[run, :, self.runs + side[run]] = observed[run]
        columns[:, :, -1] = filled
        flat = columns.reshape(-1, self.runs + 3)
        self.gram = flat.T @ flat
        sums = np.stack([columns[side == c].sum(axis=0) for c in (0, 1)])  # [2, items, columns]
        counts = np.stack([observed[side == c].sum(axis=0) for c in (0, 1)], axis=1)  # [items, 2]
        self.patterns, which, self.times = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        self.products = np.stack(
            [np.einsum("ckp,dkq->cdpq", *[sums[:, which == j]] * 2, optimize=True) for j in range(len(self.times))]
        )

    def reduce(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """log|V / s2|, X'V^-1 X and X'V^-1 y (times s2), and the residual sum of squares."""
        lower = np.zeros((*theta.shape[:-1], 2, 2))
        lower[..., 0, 0], lower[..., 1, 0], lower[..., 1, 1] = np.moveaxis(theta[..., -3:], -1, 0)
        upper = lower.swapaxes(-1, -2)
        inner = np.eye(2) + (upper[..., None, :, :] * self.patterns[:, None, :]) @ lower[..., None, :, :]  # I + L'N_k L
        weights = lower[..., None, :, :] @ np.linalg.inv(inner) @ upper[..., None, :, :]
        gram = self.gram - np.tensordot(weights, self.products, axes=3)
        log_det = np.linalg.slogdet(inner)[1] @ self.times
        among, beside = gram[..., : self.runs, : self.runs], gram[..., : self.runs, self.runs :]
        sd_run = theta[..., self.which_run]
        core = np.eye(self.runs) + sd_run[..., :, None] * sd_run[..., None, :] * among
        log_det += np.linalg.slogdet(core)[1]
        scaled = sd_run[..., None] * beside
        rest = gram[..., self.runs :, self.runs :] - scaled.swapaxes(-1, -2) @ np.linalg.solve(core, scaled)
        xx, xy = rest[..., :2, :2], rest[..., :2, 2]
        explained = (xy * np.linalg.solve(xx, xy[..., None])[..., 0]).sum(axis=-1)
        return log_det, xx, xy, rest[..., 2, 2] - explained

    def deviance(self, theta: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        log_det, xx, _, rss = self.reduce(theta)
        return log_det + np.linalg.slogdet(xx)[1] + 2 * (self.n - 2) * np.log(sigma) + rss / sigma**2

    def profile(self, theta: np.ndarray) -> np.ndarray:
        """Deviance with the residual variance at its best, up to a constant."""
        log_det, xx, _, rss = self.reduce(theta)
        return log_det + np.linalg.slogdet(xx)[1] + (self.n - 2) * np.log(rss)

    def variance(self, theta: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Variance of the contrast, in squared units."""
        return sigma**2 * (np.linalg.inv(self.reduce(theta)[1]) @ CONTRAST @ CONTRAST)


def search(model: Reml, start: np.ndarray) -> np.ndarray:
    """Theta of least REML deviance; values that are no better than 0 are 0."""
    positive = mark_nonnegative(start)
    bounds = [(0.0 if at_least else None, None) for at_least in positive]
    options = {"ftol": 1e-14, "gtol": 1e-7, "maxiter": 500}

    def descend(start: np.ndarray, free: np.ndarray) -> tuple[float, np.ndarray]:
        def at(values: np.ndarray) -> np.ndarray:
            theta = np.zeros((*values.shape[:-1], len(start)))
            theta[..., free] = values
            return theta

        def deviance(values: np.ndarray) -> np.ndarray:
            return model.profile(at(values))

        found = minimize(
            lambda values: _slopes(deviance, values),
            start[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[bounds[i] for i in np.flatnonzero(free)],
            options=options,
        )
        return float(found.fun), at(found.x)

    best, theta = descend(start, np.ones(len(start), dtype=bool))
    for nudge in (0.03, 0.2):
        # At 0 the deviance has no slope, so that a descent which touches 0 would stay: start again nearby.
        if (theta[positive] < nudge).any():
            again = np.where(positive, np.maximum(theta, nudge), theta)
            best, theta = min((best, theta), descend(again, np.ones(len(theta), dtype=bool)), key=lambda pair: pair[0])
    *runs, first, second = np.flatnonzero(positive)
    for which in (*runs, second, first):
        if 0 < theta[which] < 0.02:
            free = theta != 0
            free[COVARIANCE] = True
            free[which] = False
            value, trial = descend(theta, free)
            if value <= best + 1e-6:
                best, theta = value, trial
    return theta


def _slopes(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> tuple[float, np.ndarray]:
    """A function of points [..., elements] at one point, and its slopes there by central differences."""
    steps = 1e-5 * np.maximum(np.abs(at), 0.1)
    moves = np.diag(steps)
    values = function(at + np.concatenate([0 * moves[:1], moves, -moves]))
    above, below = np.split(values[1:], 2)
    return float(values[0]), (above - below) / (2 * steps)


def _hessian(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences: of the sum and the difference of every two moves."""
    moves = np.diag(5e-4 * np.maximum(np.abs(at), 0.1))
    together, apart = moves[:, None] + moves, moves[:, None] - moves
    values = function(at + np.stack([together, -together, apart, -apart]))
    return (values[0] + values[1] - values[2] - values[3]) / (4 * np.outer(moves.diagonal(), moves.diagonal()))


def satterthwaite(model: Reml, theta: np.ndarray, sigma: float) -> float:
    """df = 2 Var^2 / (g' A g): g the gradient of Var by (theta, sigma), A = 2 Hessian^-1 of the deviance.

    As lmerTest: directions in which the deviance does not curve upwards are left out. A theta of 0 has no
    part, since Var depends on its square.
    """
    at = np.append(theta, sigma)
    values, vectors = np.linalg.eigh(_hessian(lambda p: model.deviance(p[..., :-1], p[..., -1]), at))
    keep = values > 1e-8 * values.max()
    variance, slopes = _slopes(lambda p: model.variance(p[..., :-1], p[..., -1]), at)
    along = vectors[:, keep].T @ slopes
    return float(2 * variance**2 / np.sum(2 * along**2 / values[keep]))
