"""Crossed random effects of one contrast: runs x items, item slopes, Satterthwaite degrees of freedom.

The model of one observation, condition c in {0: control, 1: treatment}, run r nested in c, item k::

    y_crk = mu_c + run_r + item_kc + e_crk
    run_r ~ N(0, s2_run_c)    (item_k0, item_k1) ~ N(0, Sigma)    e ~ N(0, s2)

The contrast is mu_1 - mu_0. Each condition has a run variance of its own, as in Welch's t. Training that moves a model
may also make its seeds differ more, and a common variance then rejects a true null too often. With run SDs of .05 and
.30 a 5 % test rejects 7.1 % with 5 runs a side, and 9.7 % with 3. Separate variances reject 5.6 % and 7.3 %
(`tests/support/coverage_both.csv`). In lme4, with the indicators ``in0`` and ``in1`` of the conditions::

    y ~ condition + (0 + in0 | run) + (0 + in1 | run) + (condition | item)        what every claim uses
    y ~ condition + (1 | run) + (condition | item)                                pooled_runs=True

The second is the textbook's. It is kept to be compared with the literature. Where all have as many runs and nothing
lies on a boundary, it differs in its degrees of freedom alone. Both agree with lmerTest (`tests/stats/r`).

Where every run measured every item (run numbers may differ), the data fall into independent sums of squares, and REML
has an exact solution. Inside the boundary the variance of the contrast is that of a quasi-F (Clark 1973, and Judd,
Westfall & Kenny 2012, 2017). The run mean squares are taken apart, and there are m items::

    Var = (MS_run0 / n_0 + MS_run1 / n_1 + S_D - MS_e (1 / n_0 + 1 / n_1)) / m
    df  = (sum of a_i MS_i)^2 / sum of (a_i MS_i)^2 / df_i                        (Satterthwaite 1946)

S_D is the variance over items of the items' differences. On the boundary a variance component or item correlation would
be beyond its limit. There the mean squares concerned are pooled with the residual, which is what REML does. Other data
are fitted by REML with items eliminated in closed form, and get Satterthwaite's degrees of freedom as lmerTest computes
them.

From: Clark (1973) J. Verb. Learn. Verb. Behav. 12, 335. Judd, Westfall & Kenny (2012) JPSP 103, 54. Westfall, Kenny
& Judd (2014) JEP: General 143, 2020. Bates et al. (2015) J. Stat. Softw. 67(1). Kuznetsova, Brockhoff & Christensen
(2017) J. Stat. Softw. 82(13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from priorshift.stats.reml import CONTRAST, Reml, factor_covariance, satterthwaite
from priorshift.stats.reml_search import is_least_without_domains, search


@dataclass(frozen=True)
class CrossedFit:
    """One fitted contrast. Estimate and se in nats, variances in squared nats."""

    estimate: float
    se: float
    df: float
    var_run: np.ndarray  # [2]: control, treatment; equal where pooled
    cov_item: np.ndarray  # [2, 2]: control, treatment
    var_residual: float
    exact: bool  # the sums-of-squares solution, not an iterative fit
    singular: bool  # a component lies on its boundary
    cov_domain: np.ndarray  # [2, 2], as cov_item; zeros where domains are no random factor
    n_domains: int = 0  # of the random factor

    @property
    def var_total(self) -> float:
        """Variance of one observation, mean of both conditions (Westfall, Kenny & Judd 2014, eq. 1)."""
        return float(self.var_run.mean() + np.trace(self.cov_item + self.cov_domain) / 2) + self.var_residual


def fit_crossed(
    treatment: np.ndarray, control: np.ndarray, pooled_runs: bool = False, domains: np.ndarray | None = None
) -> CrossedFit:
    """Fit the crossed model to two panels over the same item columns.

    Parameters
    ----------
    treatment, control : [runs, items]
        Shifts in nats, NaN where a run did not measure an item. At least two runs of each
        condition and two items are needed (pooled: three runs in all); `estimates.estimate_crossed` checks that.
    pooled_runs : bool
        One run variance for both conditions, as lme4's ``(1 | run)``; see the module's head.
    domains : [items], optional
        The domain of each item, where domains are a random factor too.
    """
    seen = ~(np.isnan(treatment).all(axis=0) & np.isnan(control).all(axis=0))
    treatment, control = treatment[:, seen], control[:, seen]
    if domains is not None:
        return fit_reml(treatment, control, pooled_runs, np.unique(domains[seen], return_inverse=True)[1])
    if np.isnan(treatment).any() or np.isnan(control).any():
        return fit_reml(treatment, control, pooled_runs)
    return _fit_sums_of_squares(treatment, control, pooled_runs)


@dataclass(frozen=True)
class _MeanSquares:
    """Balanced data as independent mean squares, what lies below the residual pooled with it."""

    run: np.ndarray  # [2]: control, treatment; equal where pooled_runs
    run_df: np.ndarray  # [1] where pooled_runs, else [2]
    item: np.ndarray  # [2, 2]: covariance over items of the item means
    item_df: int
    residual: float
    residual_df: float
    runs_pooled: list[bool]  # of each element of run_df: does it lie on the boundary?
    directions_pooled: int  # directions of the item effects on their boundary: 0, 1 or 2


def _sum_of_squares(values: np.ndarray) -> float:
    return float(np.sum(values**2))


def _mean_squares(groups: tuple[np.ndarray, np.ndarray], pooled_runs: bool) -> _MeanSquares:
    n, m = np.array([len(g) for g in groups]), groups[0].shape[1]
    items = np.stack([g.mean(axis=0) for g in groups])  # [2, items]
    runs = [g.mean(axis=1) for g in groups]
    ss_run = m * np.array([_sum_of_squares(r - g.mean()) for r, g in zip(runs, groups, strict=True)])
    df_run = n - 1
    if pooled_runs:
        ss_run, df_run = ss_run.sum(keepdims=True), df_run.sum(keepdims=True)
    df = int(n.sum() - 2) * (m - 1)
    ss = sum(_sum_of_squares(g - r[:, None] - g.mean(axis=0) + g.mean()) for g, r in zip(groups, runs, strict=True))
    if ss <= 1e-24 * float(np.square([np.abs(g).max() for g in groups]).max()) * df:
        ss = 0.0  # rounding, of data that add up exactly
    # Expectation Sigma + s2 diag(1/n). In units of the residual, eigenvalues below it belong to no item variance that
    # could be real.
    scale = np.sqrt(n)
    roots, axes = np.linalg.eigh(np.cov(items) * np.outer(scale, scale))
    squares = np.concatenate([ss_run / df_run, np.maximum(roots, 0.0)])
    dfs = np.concatenate([df_run, [m - 1, m - 1]])
    pooled = np.zeros(len(squares), dtype=bool)
    for part in np.argsort(squares, kind="stable"):
        if squares[part] >= ss / df:
            break
        ss, df, pooled[part] = ss + squares[part] * dfs[part], df + dfs[part], True
    squares = np.where(pooled, ss / df, squares)
    return _MeanSquares(
        run=np.broadcast_to(squares[:-2], 2),
        run_df=df_run,
        item=(axes * squares[-2:]) @ axes.T / np.outer(scale, scale),
        item_df=m - 1,
        residual=ss / df,
        residual_df=float(df),
        runs_pooled=pooled[:-2].tolist(),
        directions_pooled=int(pooled[-2:].sum()),
    )


def _fit_sums_of_squares(treatment: np.ndarray, control: np.ndarray, pooled_runs: bool) -> CrossedFit:
    """Exact REML where every run measured every item."""
    groups = (control, treatment)
    n, m = np.array([len(g) for g in groups]), treatment.shape[1]
    ms = _mean_squares(groups, pooled_runs)
    s2 = ms.residual
    var_run, cov_item = (ms.run - s2) / m, ms.item - np.diag(s2 / n)
    spread = float(CONTRAST @ ms.item @ CONTRAST)
    variance = float((ms.run / n).sum() + spread - s2 * (1 / n).sum()) / m
    if ms.directions_pooled == 1 and s2 > 0:
        # One direction of the item effects lies on the boundary: no sum of mean squares any more.
        theta = np.append(np.sqrt(np.maximum(var_run[: len(ms.run_df)] / s2, 0.0)), factor_covariance(cov_item / s2))
        df = satterthwaite(Reml(treatment, control, pooled_runs), theta)
    else:
        df = _satterthwaite_df(ms, n, spread)
    return CrossedFit(
        estimate=float(treatment.mean() - control.mean()),
        se=float(np.sqrt(max(variance, 0.0))),
        df=df,
        var_run=var_run,
        cov_item=cov_item,
        var_residual=s2,
        exact=True,
        singular=any(ms.runs_pooled) or ms.directions_pooled > 0,
        cov_domain=np.zeros((2, 2)),
    )


def _satterthwaite_df(ms: _MeanSquares, n: np.ndarray, spread: float) -> float:
    """Satterthwaite's df of m Var. A pooled mean square is part of the residual's."""
    weights = 1 / n if len(ms.run_df) == 2 else (1 / n).sum(keepdims=True)
    parts, of_residual = [], 0.0
    for i, (weight, df) in enumerate(zip(weights, ms.run_df, strict=True)):
        if ms.runs_pooled[i]:
            of_residual += weight * ms.residual
        else:
            parts.append((weight * ms.run[i], df))
    if not ms.directions_pooled:
        of_residual -= weights.sum() * ms.residual
        parts.append((spread, ms.item_df))
    parts.append((of_residual, ms.residual_df))
    below = sum(value**2 / df for value, df in parts)
    return float(sum(value for value, _ in parts) ** 2 / below) if below > 0 else np.inf


def fit_reml(
    treatment: np.ndarray, control: np.ndarray, pooled_runs: bool = False, domains: np.ndarray | None = None
) -> CrossedFit:
    """The same by iterative REML, whatever cells are missing. Without any, it finds the exact solution.

    Parameters
    ----------
    domains : [items], whole numbers from 0 without a gap; None where domains are no random factor
    """
    model = Reml(treatment, control, pooled_runs, domains)
    theta = _find_theta(model, treatment, control, pooled_runs, domains)
    estimate, se, sigma = model.effects(theta)
    item, domain = (_lower(theta[part]) for part in (model.item, model.domain))
    return CrossedFit(
        estimate=estimate,
        se=se,
        df=satterthwaite(model, theta) if sigma > 0 else np.nan,
        var_run=np.broadcast_to(np.square(theta[: model.item.start]) * sigma**2, 2),
        cov_item=item @ item.T * sigma**2,
        var_residual=sigma**2,
        exact=False,
        singular=bool((theta[~model.signed] == 0).any()),
        cov_domain=domain @ domain.T * sigma**2,
        n_domains=model.n_domains,
    )


def _lower(elements: np.ndarray) -> np.ndarray:
    first, cross, last = elements if len(elements) else (0.0, 0.0, 0.0)
    return np.array([[first, 0.0], [cross, last]])


def _find_theta(
    model: Reml, treatment: np.ndarray, control: np.ndarray, pooled_runs: bool, domains: np.ndarray | None
) -> np.ndarray:
    filled = _fill(treatment), _fill(control)
    start = _choose_start(*filled, pooled_runs)
    if domains is None:
        return search(model, start)
    item, domain, varies = _part_domains(*filled, domains)
    if not varies:
        # The mean squares show no variance of domains: the fit without them is the least deviance, as a rule.
        without = np.append(search(Reml(treatment, control, pooled_runs), start), np.zeros(3))
        if is_least_without_domains(model, without):
            return without
    return search(model, np.concatenate([start[: model.item.start], item, domain]))


def _choose_start(treatment: np.ndarray, control: np.ndarray, pooled_runs: bool) -> np.ndarray:
    """Theta of the exact solution of a table without gaps."""
    fit = _fit_sums_of_squares(treatment, control, pooled_runs)
    runs = 1 if pooled_runs else 2
    if not fit.var_residual > 0:
        return np.array([*[1.0] * runs, 1.0, 0.0, 1.0])
    theta = np.sqrt(np.maximum(fit.var_run[:runs] / fit.var_residual, 0.0))
    first, cross, last = factor_covariance(fit.cov_item / fit.var_residual)
    # Off the boundary, where the deviance has no slope.
    return np.array([*np.maximum(theta, 0.1), max(first, 0.1), cross, max(last, 0.1)])


def _fill(panel: np.ndarray) -> np.ndarray:
    """The panel with run + item - grand mean in its gaps."""
    run, grand = np.nanmean(panel, axis=1, keepdims=True), np.nanmean(panel)
    seen = ~np.isnan(panel).all(axis=0)
    item = np.full(panel.shape[1], grand)
    item[seen] = np.nanmean(panel[:, seen], axis=0)
    return np.where(np.isnan(panel), run + item - grand, panel)


def _part_domains(
    treatment: np.ndarray, control: np.ndarray, domains: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Start values of items within domains and of domains, by mean squares, and whether domains vary at all.

    Where every run measured every item and domains hold as many items each, this is the exact solution.
    """
    groups, m, n_domains = (control, treatment), control.shape[1], domains.max() + 1
    s2 = _mean_squares(groups, pooled_runs=False).residual
    items = np.stack([g.mean(axis=0) for g in groups])  # [2, items]
    means = np.stack([items[:, domains == d].mean(axis=1) for d in range(n_domains)], axis=1)
    within = items - means[:, domains]
    cov_within = within @ within.T / max(m - n_domains, 1)
    cov_domain = np.cov(means) - cov_within * n_domains / m
    cov_item = cov_within - np.diag(s2 / np.array([len(g) for g in groups]))
    if not s2 > 0:
        return np.array([1.0, 0.0, 1.0]), np.array([0.3, 0.0, 0.3]), False
    item, domain = (factor_covariance(_positive(covariance, s2) / s2) for covariance in (cov_item, cov_domain))
    return item, domain, bool(np.linalg.eigvalsh(cov_domain)[1] > 0)


def _positive(covariance: np.ndarray, s2: float) -> np.ndarray:
    """The covariance with every direction off the boundary, where the deviance has no slope."""
    values, axes = np.linalg.eigh(covariance)
    return (axes * np.maximum(values, 0.01 * s2)) @ axes.T
