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

from dataclasses import dataclass

import numpy as np

from priorshift.reml import CONTRAST, LOWER, Reml, relative_theta, satterthwaite, search


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
        _sum_of_squares(g - r[:, None] - i + c) for g, r, i, c in zip(groups, runs, items, means, strict=True)
    )
    if ss_residual <= 1e-24 * float(np.square([np.abs(g).max() for g in groups]).max()) * df_residual:
        ss_residual = 0.0  # rounding, of data that add up exactly
    cov = np.cov(items)  # expectation: Sigma + s2 diag(1/n)
    # In units of the residual: eigenvalues below it belong to no item variance that could be real.
    scale = np.sqrt(n)
    roots, axes = np.linalg.eigh(cov * np.outer(scale, scale))
    roots = np.maximum(roots, 0.0)
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
        theta = relative_theta(var_run / s2, cov_item / s2)
        model = Reml(treatment, control)
        dof = satterthwaite(model, theta, np.sqrt(s2) / model.unit)
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


def _fit_reml(treatment: np.ndarray, control: np.ndarray) -> CrossedFit:
    model = Reml(treatment, control)
    theta = search(model, _start(treatment, control))
    _, xx, xy, rss = model.parts(theta)
    sigma = np.sqrt(max(rss, 0.0) / (model.n - 2))
    beta = np.linalg.solve(xx, xy)
    lower = np.array([[theta[1], 0.0], [theta[2], theta[3]]])
    variance = model.variance(theta, sigma)
    s2 = float(sigma * model.unit) ** 2
    return CrossedFit(
        estimate=float(beta[1] - beta[0]) * model.unit,
        se=float(np.sqrt(variance)) * model.unit,
        df=satterthwaite(model, theta, sigma) if sigma > 0 else np.nan,
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
    theta = relative_theta(fit.var_run / fit.var_residual, fit.cov_item / fit.var_residual)
    # Off the boundary, where the deviance has no slope.
    return np.where(np.isfinite(LOWER), np.maximum(theta, 0.1), theta)
