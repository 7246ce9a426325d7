"""Crossed random effects of one contrast: runs x items, item slopes, Satterthwaite degrees of freedom.

The model of one observation, condition c in {0: control, 1: treatment}, run r nested in c, item k::

    y_crk = mu_c + run_r + item_kc + e_crk
    run_r ~ N(0, s2_run)    (item_k0, item_k1) ~ N(0, Sigma)    e ~ N(0, s2)

or, in lme4, ``y ~ condition + (1 | run) + (condition | item)``. The contrast is mu_1 - mu_0.

Where every run measured every item (run numbers may differ), the data fall into independent sums of
squares, and REML has an exact solution. Inside the boundary the variance of the contrast is that of the
quasi-F of Clark (1973) and of Judd, Westfall & Kenny (2012, 2017), with h = 1/n_0 + 1/n_1 and m items::

    Var = (MS_run h + S_D - MS_e h) / m,        S_D: variance over items of the items' differences
    df  = (sum of a_i MS_i)^2 / sum of (a_i MS_i)^2 / df_i                        (Satterthwaite 1946)

On the boundary (a variance component or item correlation that would be beyond its limit) the mean squares
concerned are pooled with the residual, which is what REML does. Other data are fitted by REML with items
eliminated in closed form, and get Satterthwaite's degrees of freedom as lmerTest computes them.

Sources: Clark (1973) J. Verb. Learn. Verb. Behav. 12, 335; Judd, Westfall & Kenny (2012) JPSP 103, 54;
Westfall, Kenny & Judd (2014) JEP: General 143, 2020; Bates et al. (2015) J. Stat. Softw. 67(1);
Kuznetsova, Brockhoff & Christensen (2017) J. Stat. Softw. 82(13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

CONTRAST = np.array([-1.0, 1.0])
LOWER = np.array([0.0, 0.0, -np.inf, 0.0])  # of theta = (run, control item, covariance, treatment item)


@dataclass(frozen=True)
class CrossedFit:
    """One fitted contrast; estimate and se in nats, variances in squared nats."""

    estimate: float
    se: float
    df: float
    var_run: float
    cov_item: np.ndarray  # [2, 2]: control, treatment
    var_residual: float
    exact: bool  # the sums-of-squares solution, not an iterative fit
    singular: bool  # a component lies on its boundary

    @property
    def var_total(self) -> float:
        """Variance of one observation, mean of both conditions (Westfall, Kenny & Judd 2014, eq. 1)."""
        return self.var_run + float(np.trace(self.cov_item)) / 2 + self.var_residual


def fit_crossed(treatment: np.ndarray, control: np.ndarray) -> CrossedFit:
    """Fit the crossed model to two panels over the same item columns.

    Parameters
    ----------
    treatment, control : [runs, items]
        Shifts in nats, NaN where a run did not measure an item. At least three runs in all, one in each,
        and two items are needed; `estimates.crossed` checks that.
    """
    seen = ~(np.isnan(treatment).all(axis=0) & np.isnan(control).all(axis=0))
    treatment, control = treatment[:, seen], control[:, seen]
    if np.isnan(treatment).any() or np.isnan(control).any():
        return _fit_reml(treatment, control)
    return _fit_sums_of_squares(treatment, control)


def _sum_of_squares(values: np.ndarray) -> float:
    return float(np.sum(values**2))


def _fit_sums_of_squares(treatment: np.ndarray, control: np.ndarray) -> CrossedFit:
    """Exact REML where every run measured every item."""
    groups = (control, treatment)
    n, m = np.array([len(g) for g in groups]), treatment.shape[1]
    means = np.array([g.mean() for g in groups])
    items = np.stack([g.mean(axis=0) for g in groups])  # [2, items]
    runs = [g.mean(axis=1) for g in groups]
    df_run = int(n.sum()) - 2
    df_residual = df_run * (m - 1)
    ss_run = m * sum(_sum_of_squares(r - c) for r, c in zip(runs, means, strict=True))
    ss_residual = sum(
        _sum_of_squares(g - r[:, None] - i + c)
        for g, r, i, c in zip(groups, runs, items, means, strict=True)
    )
    cov = np.cov(items)  # expectation: Sigma + s2 diag(1/n)
    # In units of the residual: eigenvalues below it belong to no item variance that could be real.
    scale = np.sqrt(n)
    roots, axes = np.linalg.eigh(cov * np.outer(scale, scale))
    parts = [(ss_run / df_run, df_run, "run"), (roots[0], m - 1, 0), (roots[1], m - 1, 1)]
    ss, df, pooled = ss_residual, df_residual, set()
    for mean_square, part_df, name in sorted(parts, key=lambda part: part[0]):
        if mean_square >= ss / df:
            break
        ss, df = ss + mean_square * part_df, df + part_df
        pooled.add(name)
    s2 = ss / df
    ms_run = s2 if "run" in pooled else ss_run / df_run
    kept = np.array([s2 if j in pooled else roots[j] for j in (0, 1)])
    total_item = (axes * kept) @ axes.T / np.outer(scale, scale)
    cov_item = total_item - np.diag(s2 / n)
    h = float((1 / n).sum())
    spread = float(CONTRAST @ total_item @ CONTRAST)
    variance = (ms_run * h + spread - s2 * h) / m
    slopes_pooled = {0, 1} <= pooled
    if slopes_pooled and "run" in pooled:
        dof = float(df)
    elif slopes_pooled:
        dof = float(df_run)
    elif pooled and pooled != {"run"}:
        dof = np.nan  # below: one direction of the item effects is pooled
    elif pooled:
        dof = float(m - 1)
    else:
        parts_df = (ms_run * h) ** 2 / df_run + spread**2 / (m - 1) + (s2 * h) ** 2 / df_residual
        dof = (ms_run * h + spread - s2 * h) ** 2 / parts_df if parts_df > 0 else np.inf
    var_run = (ms_run - s2) / m
    if np.isnan(dof) and s2 > 0:
        theta = _theta(var_run / s2, cov_item / s2)
        model = _Reml(treatment, control)
        dof = _satterthwaite(model, theta, np.sqrt(s2) / model.unit)
    return CrossedFit(
        estimate=float(means[1] - means[0]),
        se=float(np.sqrt(max(variance, 0.0))),
        df=float(dof),
        var_run=float(var_run),
        cov_item=cov_item,
        var_residual=float(s2),
        exact=True,
        singular=bool(pooled),
    )


def _theta(ratio_run: float, ratio_item: np.ndarray) -> np.ndarray:
    """Relative Cholesky factors (lme4's theta) of variances given in units of the residual's."""
    first = np.sqrt(max(ratio_item[0, 0], 0.0))
    cross = ratio_item[0, 1] / first if first > 1e-9 else 0.0
    return np.array([np.sqrt(max(ratio_run, 0.0)), first, cross, np.sqrt(max(ratio_item[1, 1] - cross**2, 0.0))])


class _Reml:
    """REML deviance of one contrast at theta; items, then runs are eliminated by Woodbury's identity.

    `gram` is [Z_run, X, y]'[Z_run, X, y]; `products` [patterns, 2, 2, runs + 3, runs + 3] are the same
    columns summed within item and condition, multiplied and added up over the items that share a `pattern`
    (how many runs of either condition measured them): all that the data say, whatever the number of items.
    """

    def __init__(self, treatment: np.ndarray, control: np.ndarray) -> None:
        y = np.concatenate([control, treatment])  # [runs, items]
        observed = ~np.isnan(y)
        # Centred and scaled: the deviance keeps its digits, theta does not change.
        self.origin = float(np.mean(y[observed]))
        self.unit = float(np.std(y[observed])) or 1.0
        filled = np.where(observed, (y - self.origin) / self.unit, 0.0)
        side = np.repeat([0, 1], [len(control), len(treatment)])
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

    def parts(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        """log|V / s2|, X'V^-1 X and X'V^-1 y (times s2), and the residual sum of squares."""
        run, first, cross, second = theta
        lower = np.array([[first, 0.0], [cross, second]])
        inner = np.eye(2) + np.einsum("ji,kj,jl->kil", lower, self.patterns, lower)  # I + L'N_k L
        weights = lower @ np.linalg.inv(inner) @ lower.T
        gram = self.gram - np.tensordot(weights, self.products, axes=3)
        log_det = float(self.times @ np.linalg.slogdet(inner)[1])
        among, beside = gram[: self.runs, : self.runs], gram[: self.runs, self.runs :]
        core = np.eye(self.runs) + run**2 * among
        log_det += float(np.linalg.slogdet(core)[1])
        rest = gram[self.runs :, self.runs :] - run**2 * beside.T @ np.linalg.solve(core, beside)
        xx, xy = rest[:2, :2], rest[:2, 2]
        return log_det, xx, xy, float(rest[2, 2] - xy @ np.linalg.solve(xx, xy))

    def deviance(self, theta: np.ndarray, sigma: float) -> float:
        log_det, xx, _, rss = self.parts(theta)
        return log_det + np.linalg.slogdet(xx)[1] + 2 * (self.n - 2) * np.log(sigma) + rss / sigma**2

    def profiled(self, theta: np.ndarray) -> float:
        """Deviance with the residual variance at its best, up to a constant."""
        log_det, xx, _, rss = self.parts(theta)
        return log_det + np.linalg.slogdet(xx)[1] + (self.n - 2) * np.log(rss)

    def variance(self, theta: np.ndarray, sigma: float) -> float:
        return float(sigma**2 * CONTRAST @ np.linalg.solve(self.parts(theta)[1], CONTRAST))


def _fit_reml(treatment: np.ndarray, control: np.ndarray) -> CrossedFit:
    model = _Reml(treatment, control)
    theta = _search(model, _start(treatment, control))
    _, xx, xy, rss = model.parts(theta)
    sigma = np.sqrt(max(rss, 0.0) / (model.n - 2))
    beta = np.linalg.solve(xx, xy)
    lower = np.array([[theta[1], 0.0], [theta[2], theta[3]]])
    variance = model.variance(theta, sigma)
    s2 = float(sigma * model.unit) ** 2
    return CrossedFit(
        estimate=float(beta[1] - beta[0]) * model.unit,
        se=float(np.sqrt(variance)) * model.unit,
        df=_satterthwaite(model, theta, sigma) if sigma > 0 else np.nan,
        var_run=float(theta[0] ** 2 * s2),
        cov_item=lower @ lower.T * s2,
        var_residual=s2,
        exact=False,
        singular=bool((theta[[0, 1, 3]] == 0).any()),
    )


def _start(treatment: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Theta of the exact solution for the table with its gaps filled (run + item - grand mean)."""

    def filled(panel: np.ndarray) -> np.ndarray:
        run, grand = np.nanmean(panel, axis=1, keepdims=True), np.nanmean(panel)
        seen = ~np.isnan(panel).all(axis=0)
        item = np.full(panel.shape[1], grand)
        item[seen] = np.nanmean(panel[:, seen], axis=0)
        return np.where(np.isnan(panel), run + item - grand, panel)

    fit = _fit_sums_of_squares(filled(treatment), filled(control))
    if not fit.var_residual > 0:
        return np.array([1.0, 1.0, 0.0, 1.0])
    theta = _theta(fit.var_run / fit.var_residual, fit.cov_item / fit.var_residual)
    # Off the boundary, where the deviance has no slope.
    return np.where(np.isfinite(LOWER), np.maximum(theta, 0.1), theta)


def _search(model: _Reml, start: np.ndarray) -> np.ndarray:
    """Theta of least REML deviance; values that are no better than 0 are 0."""
    bounds = list(zip(LOWER, [None] * 4, strict=True))
    options = {"ftol": 1e-14, "gtol": 1e-7, "maxiter": 500}

    def descend(start: np.ndarray, free: np.ndarray) -> tuple[float, np.ndarray]:
        def at(values: np.ndarray) -> np.ndarray:
            theta = np.zeros(4)
            theta[free] = values
            return theta

        found = minimize(
            lambda values: model.profiled(at(values)),
            start[free],
            jac=lambda values: _gradient(lambda v: model.profiled(at(v)), values),
            method="L-BFGS-B",
            bounds=[bounds[i] for i in np.flatnonzero(free)],
            options=options,
        )
        return float(found.fun), at(found.x)

    everything = np.ones(4, dtype=bool)
    best, theta = descend(start, np.ones(4, dtype=bool))
    for nudge in (0.03, 0.2):
        # At 0 the deviance has no slope, so that a descent which touches 0 would stay: start again nearby.
        if (theta[[0, 1, 3]] < nudge).any():
            again = np.where(np.isfinite(LOWER), np.maximum(theta, nudge), theta)
            best, theta = min((best, theta), descend(again, np.ones(4, dtype=bool)), key=lambda pair: pair[0])
    for which in (0, 3, 1):
        if 0 < theta[which] < 0.02:
            free = theta != 0
            free[2] = True
            free[which] = False
            value, trial = descend(theta, free)
            if value <= best + 1e-6:
                best, theta = value, trial
    return theta


def _gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    steps = 1e-5 * np.maximum(np.abs(at), 0.1)
    moves = np.diag(steps)
    return np.array([(function(at + d) - function(at - d)) / (2 * s) for d, s in zip(moves, steps, strict=True)])


def _hessian(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences."""
    steps = 1e-3 * np.maximum(np.abs(at), 0.1)
    moves, size = np.diag(steps), len(at)
    middle = function(at)
    made = np.empty((size, size))
    for i in range(size):
        made[i, i] = (function(at + moves[i]) - 2 * middle + function(at - moves[i])) / steps[i] ** 2
        for j in range(i):
            corners = [function(at + a * moves[i] + b * moves[j]) * a * b for a in (1, -1) for b in (1, -1)]
            made[i, j] = made[j, i] = sum(corners) / (4 * steps[i] * steps[j])
    return made


def _satterthwaite(model: _Reml, theta: np.ndarray, sigma: float) -> float:
    """df = 2 Var^2 / (g' A g): g the gradient of Var by (theta, sigma), A = 2 Hessian^-1 of the deviance.

    As lmerTest: directions in which the deviance does not curve upwards are left out. A theta of 0 has no
    part, since Var depends on its square.
    """
    at = np.append(theta, sigma)
    values, vectors = np.linalg.eigh(_hessian(lambda p: model.deviance(p[:4], p[4]), at))
    keep = values > 1e-8 * values.max()
    slope = vectors[:, keep].T @ _gradient(lambda p: model.variance(p[:4], p[4]), at)
    return float(2 * model.variance(theta, sigma) ** 2 / np.sum(2 * slope**2 / values[keep]))
