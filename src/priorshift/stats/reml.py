"""REML of the crossed model of `crossed` for any pattern of missing cells, and Satterthwaite's df.

theta holds the Cholesky factors of the random effects' covariances in units of the residual standard deviation, as in
lme4 (Bates et al. 2015, J. Stat. Softw. 67(1), section 3). First come the runs': control and treatment, or one value
for both. Then come the items', and where domains are random theirs: each the three elements of a lower triangle
(control's SD, covariance, treatment's SD given it). The degrees of freedom are those of lmerTest (Kuznetsova et al.
2017, J. Stat. Softw. 82(13)). Derivatives are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CONTRAST = np.array([-1.0, 1.0])
# A variance below this share of the one it is part of is rounding.
ROUNDING = 1e-10
# Of a Hessian with unit diagonal: flatter directions carry no information.
FLAT = 1e-7
# Second derivatives of L L' by the elements of L.
BEND = np.zeros((3, 3, 2, 2))
BEND[0, 0, 0, 0] = BEND[1, 1, 1, 1] = BEND[2, 2, 1, 1] = 2.0
BEND[0, 1] = BEND[1, 0] = [[0, 1], [1, 0]]


def factor_covariance(ratio: np.ndarray) -> np.ndarray:
    """Relative Cholesky factor (control's SD, covariance, treatment's SD) of a covariance over the residual's."""
    first = np.sqrt(max(ratio[0, 0], 0.0))
    cross = ratio[0, 1] / first if first > 1e-9 else 0.0
    rest = ratio[1, 1] - cross**2
    return np.array([first, cross, np.sqrt(rest) if rest > ROUNDING * max(ratio[1, 1], 0.0) else 0.0])


@dataclass(frozen=True)
class Curve:
    """A function of theta at one point, with its first and second derivatives."""

    value: float
    slope: np.ndarray  # [parameters]
    curvature: np.ndarray  # [parameters, parameters]


class Reml:
    """REML deviance of one contrast at theta. Items, then runs and domains are eliminated by Woodbury's identity.

    `gram` is `[Z, X, y]'[Z, X, y]`, with Z the indicators of runs and of domains within conditions. `products`
    [patterns x 2 x 2, columns x columns] starts from the same columns, summed within item and condition. They are
    multiplied and added up over the items that share a `pattern`: how many runs of either condition measured them. That
    is all that the data say, whatever the number of items.

    Parameters
    ----------
    domains : [items], whole numbers from 0; None where domains are no random factor
    """

    def __init__(
        self, treatment: np.ndarray, control: np.ndarray, pooled_runs: bool, domains: np.ndarray | None = None
    ) -> None:
        # Each condition centred, all scaled: neither changes the deviance's shape, and its digits are kept.
        y = np.concatenate([panel - np.nanmean(panel) for panel in (control, treatment)])  # [runs, items]
        observed = ~np.isnan(y)
        self.means = np.array([np.nanmean(control), np.nanmean(treatment)])
        self.unit = float(np.sqrt(np.mean(y[observed] ** 2))) or 1.0
        side = np.repeat([0, 1], [len(control), len(treatment)])
        self.complete = bool(observed.all())
        self.n, self.runs, self.n_domains = int(observed.sum()), len(y), 0 if domains is None else domains.max() + 1
        self.effects_at = self.runs + 2 * self.n_domains  # the first of the two fixed effects' columns
        columns = np.zeros((*y.shape, self.effects_at + 3))  # [runs, items, columns]
        for run in range(self.runs):
            columns[run, :, run] = observed[run]
            columns[run, :, self.effects_at + side[run]] = observed[run]
            if domains is not None:
                columns[run, np.arange(y.shape[1]), self.runs + 2 * domains + side[run]] = observed[run]
        columns[:, :, -1] = np.where(observed, y / self.unit, 0.0)
        flat = columns.reshape(-1, columns.shape[-1])
        self.gram = flat.T @ flat
        sums = np.stack([columns[side == c].sum(axis=0) for c in (0, 1)])  # [2, items, columns]
        counts = np.stack([observed[side == c].sum(axis=0) for c in (0, 1)], axis=1)  # [items, 2]
        self.patterns, which, self.times = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        products = [
            np.einsum("ckp,dkq->cdpq", *[sums[:, which == j]] * 2, optimize=True) for j in range(len(self.times))
        ]
        self.products = np.stack(products).reshape(4 * len(products), -1)
        self._place(side * (not pooled_runs), 1 if pooled_runs else 2)

    def _place(self, which_run: np.ndarray, n_runs: int) -> None:
        """Where theta's elements stand: `item` and `domain` slices, which may be negative, and what each scales."""
        self.item = slice(n_runs, n_runs + 3)
        self.domain = slice(n_runs + 3, n_runs + (6 if self.n_domains else 3))
        self.signed = np.zeros(self.domain.stop, dtype=bool)
        self.signed[[n_runs + 1, n_runs + 4][: 1 + bool(self.n_domains)]] = True
        # The scale matrix is linear in theta: these are its slopes.
        self.slopes = np.zeros((self.domain.stop, self.effects_at + 2, self.effects_at + 2))
        self.slopes[which_run, np.arange(self.runs), np.arange(self.runs)] = 1.0
        for domain in range(self.n_domains):
            at = self.runs + 2 * domain
            for element, (row, column) in zip(range(*self.domain.indices(99)), ((0, 0), (1, 0), (1, 1)), strict=True):
                self.slopes[element, at + row, at + column] = 1.0

    def _scale(self, theta: np.ndarray) -> np.ndarray:
        """Relative scales of Z's columns, and 1 for the fixed effects."""
        scale = np.tensordot(theta, self.slopes, axes=1)
        scale[[-2, -1], [-2, -1]] = 1.0
        return scale

    def curves(self, theta: np.ndarray, curved: bool = True) -> tuple[Curve, Curve, Curve]:
        """log|V / s2| + log|X'V^-1 X|, the residual sum of squares and the contrast's variance (both over s2).

        By matrix calculus: `K = D'[Z, X]'A^-1 [Z, X] D + diag(1, 0)`, with A the items' part of V / s2 and D the
        scales, and t the same of y. Then the sum is `log|A| + log|K|`, and the squares are `y'A^-1 y - t'K^-1 t`.
        `curved`: with second derivatives, else zeros in their place.
        """
        scale, at = self._scale(theta), self.item
        (log_a, d_log, dd_log), (gram, d_gram, dd_gram) = self._items(theta[at], curved)
        among, beside = gram[:-1, :-1] @ scale, gram[:-1, -1]
        inverse = np.linalg.inv(self._core(scale, among))
        t = scale.T @ beside
        beta, contrast = inverse @ t, inverse[:, -2:] @ CONTRAST
        one = self.slopes.swapaxes(1, 2) @ among
        d_core, d_t = one + one.swapaxes(1, 2), self.slopes.swapaxes(1, 2) @ beside
        d_core[at] += scale.T @ d_gram[:, :-1, :-1] @ scale
        d_t[at] += d_gram[:, :-1, -1] @ scale
        d_squares = (d_core @ beta) @ beta - 2 * d_t @ beta
        d_squares[at] += d_gram[:, -1, -1]
        left = inverse @ d_core
        d_sum = np.trace(left, axis1=1, axis2=2)
        d_sum[at] += d_log
        bends = [np.zeros((len(theta), len(theta))) for _ in range(3)]
        if curved:
            moved, turned = d_t - d_core @ beta, d_core @ contrast
            bends[0] = self._bend(scale, gram, d_gram, dd_gram, inverse) - np.einsum("ipq,jqp->ij", left, left)
            bends[0][at, at] += dd_log
            bends[1] = self._bend(scale, gram, d_gram, dd_gram, np.outer(beta, beta)) - 2 * moved @ inverse @ moved.T
            bends[1] -= 2 * self._bend_beside(scale, d_gram, dd_gram, beta)
            bends[1][at, at] += dd_gram[..., -1, -1]
            bends[2] = 2 * turned @ inverse @ turned.T
            bends[2] -= self._bend(scale, gram, d_gram, dd_gram, np.outer(contrast, contrast))
        log = Curve(log_a - float(np.linalg.slogdet(inverse)[1]), d_sum, bends[0])
        squares = Curve(float(gram[-1, -1] - t @ beta), d_squares, bends[1])
        return log, squares, Curve(float(contrast[-2:] @ CONTRAST), -(d_core @ contrast) @ contrast, bends[2])

    def _core(self, scale: np.ndarray, among: np.ndarray) -> np.ndarray:
        core = scale.T @ among
        core[np.arange(self.effects_at), np.arange(self.effects_at)] += 1.0
        return core

    def _bend(
        self, scale: np.ndarray, gram: np.ndarray, d_gram: np.ndarray, dd_gram: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """tr(weight K'') for every two elements of theta. `weight` is symmetric."""
        n, at = len(self.slopes), self.item
        weighed = (self.slopes @ weight).reshape(n, -1)
        bend = 2 * weighed @ (gram[:-1, :-1] @ self.slopes).reshape(n, -1).T
        mixed = 2 * weighed @ (d_gram[:, :-1, :-1] @ scale).reshape(3, -1).T
        bend[:, at] += mixed
        bend[at] += mixed.T
        bend[at, at] += np.tensordot(dd_gram[..., :-1, :-1], scale @ weight @ scale.T, axes=2)
        return bend

    def _bend_beside(self, scale: np.ndarray, d_gram: np.ndarray, dd_gram: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """beta't'' for every two elements of theta."""
        n, at = len(self.slopes), self.item
        bend, mixed = np.zeros((n, n)), (self.slopes @ beta) @ d_gram[:, :-1, -1].T
        bend[:, at] += mixed
        bend[at] += mixed.T
        bend[at, at] += dd_gram[..., :-1, -1] @ (scale @ beta)
        return bend

    def _items(self, elements: np.ndarray, curved: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """log|A|, and [Z, X, y]'A^-1 [Z, X, y], each with first and second derivatives by the items' three elements."""
        first, cross, last = elements
        spread = np.array([[first**2, first * cross], [first * cross, cross**2 + last**2]])
        slope = np.array([[[2 * first, cross], [cross, 0]], [[0, first], [first, 2 * cross]], [[0, 0], [0, 2 * last]]])
        counts = self.patterns[:, :, None] * np.eye(2)  # N of each pattern
        solve = np.linalg.inv(np.eye(2) + spread @ counts)  # [patterns, 2, 2]: (I + S N)^-1
        along, back = solve[:, None] @ slope, solve.swapaxes(1, 2)
        weights, d_weights, turned = solve @ spread, along @ back[:, None], along @ counts[:, None]
        log = -float(np.linalg.slogdet(solve)[1] @ self.times)
        gram, d_gram = self.gram - self._gather(weights[:, None])[0], -self._gather(d_weights)
        dd_log, dd_gram = np.zeros((3, 3)), np.zeros((3, 3, 1, 1))
        if curved:
            bent = solve[:, None, None] @ BEND
            traced = np.trace(bent @ counts[:, None, None], axis1=3, axis2=4)
            dd_log = np.tensordot(self.times, traced - np.einsum("pikl,pjlk->pij", turned, turned), axes=1)
            twice = turned[:, :, None] @ d_weights[:, None]
            dd_weights = bent @ back[:, None, None] - twice - twice.swapaxes(3, 4)
            dd_gram = -self._gather(dd_weights.reshape(-1, 9, 2, 2)).reshape(3, 3, *gram.shape)
        d_log = np.tensordot(self.times, np.trace(turned, axis1=2, axis2=3), axes=1)
        return (log, d_log, dd_log), (gram, d_gram, dd_gram)

    def _gather(self, weights: np.ndarray) -> np.ndarray:
        """Weights [patterns, n, 2, 2] of the products -> their sums [n, columns, columns]."""
        n = weights.shape[1]
        return (weights.swapaxes(0, 1).reshape(n, -1) @ self.products).reshape(n, *self.gram.shape)

    def effects(self, theta: np.ndarray) -> tuple[float, float, float]:
        """Estimate and standard error of the contrast, and the residual SD, at theta, in the data's unit."""
        scale, (_, (gram, _, _)) = self._scale(theta), self._items(theta[self.item], curved=False)
        inverse = np.linalg.inv(self._core(scale, gram[:-1, :-1] @ scale))
        t = scale.T @ gram[:-1, -1]
        beta = inverse @ t
        sigma = float(np.sqrt(max(float(gram[-1, -1] - t @ beta), 0.0) / (self.n - 2)))
        spread = float(CONTRAST @ inverse[-2:, -2:] @ CONTRAST)
        estimate = float(CONTRAST @ (self.means + beta[-2:] * self.unit))
        return estimate, sigma * float(np.sqrt(spread)) * self.unit, sigma * self.unit


def satterthwaite(model: Reml, theta: np.ndarray) -> float:
    """df = 2 Var^2 / (g' A g): g the gradient of Var by (theta, sigma), A = 2 Hessian^-1 of the deviance.

    As lmerTest. A theta of 0 has no part, since Var depends on its square. Directions are judged by the Hessian scaled
    to a unit diagonal, so that no unit and no constant in the data matters. Those in which the deviance is flat or does
    not curve upwards are left out.
    """
    log, squares, spread = model.curves(theta)
    variance = squares.value / (model.n - 2)
    # By (theta, log sigma): deviance = log + 2 (n - 2) log sigma + squares / sigma^2, Var = sigma^2 spread.
    inner, across = log.curvature + squares.curvature / variance, -2 * squares.slope / variance
    hessian = np.block([[inner, across[:, None]], [across, np.array(4.0 * (model.n - 2))]])
    slopes = np.append(spread.slope / spread.value, 2.0)  # of log Var
    free = np.append((theta != 0) | model.signed, True) & (np.diag(hessian) > 0)
    size = np.sqrt(np.diag(hessian)[free])
    values, vectors = np.linalg.eigh(hessian[np.ix_(free, free)] / np.outer(size, size))
    keep = values > FLAT
    along = vectors[:, keep].T @ (slopes[free] / size)
    return float(1 / np.sum(along**2 / values[keep]))
