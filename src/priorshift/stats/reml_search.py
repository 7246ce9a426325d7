"""The theta of least REML deviance: Newton's steps along the bounds, and a bounded descent where they fail."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from priorshift.stats.reml import Curve, Reml

NEWTON_STEPS = 30
CONVERGED = 1e-8  # of the deviance, the gain of a further step: as a rule it is 1e-14
NOTHING = 1e-4  # a standard deviation, over the residual's, that is 0
REOPENED = 0.1  # where a standard deviation of 0 goes on from, when 0 is not its best
REOPENINGS = 4
OPENED, VALLEY = 0.01, 0.1  # a control's SD: where it goes on from 0 along its slope, and below what that is tried


def search(model: Reml, start: np.ndarray) -> np.ndarray:
    """Theta of least REML deviance. Values that are no better than 0 are 0."""
    best, theta = _settle(model, start)
    # Where every run measured every item the start has the signs of the mean squares, which are right.
    for signed in np.flatnonzero(model.signed & (not model.complete)).tolist():
        if not _sure_of_sign(model, theta, signed):
            mirrored = start * np.where(np.arange(len(start)) == signed, -1.0, 1.0)
            best, theta = min((best, theta), _settle(model, mirrored), key=lambda pair: pair[0])
    for which in np.flatnonzero(~model.signed)[::-1]:
        if 0 < theta[which] < 0.02:
            value, trial = _descend(model, *_close(model, theta, [which]))
            if value <= best + 1e-6:
                best, theta = value, trial
    return theta


def _settle(model: Reml, start: np.ndarray) -> tuple[float, np.ndarray]:
    """Least deviance and its theta, at which no standard deviation of 0 had better be greater."""
    best, theta = _descend(model, start, np.ones(len(start), dtype=bool))
    for _ in range(REOPENINGS):
        opened = [_descend(model, again, again != 0) for again in _reopen(model, theta)]
        value, trial = min(opened, key=lambda pair: pair[0], default=(best, theta))
        if value >= best:
            break
        best, theta = value, trial
    return best, theta


def _reopen(model: Reml, theta: np.ndarray) -> list[np.ndarray]:
    """Starts from which the deviance may fall below that of theta: where something is 0, or all but 0.

    Where the control's SD is 0, (0, 0, s) and (0, s, 0) are one covariance. From the second the deviance has a slope
    towards a small SD that goes wholly with the treatment's, or wholly against it. Between them lies a flat valley, and
    a descent may end anywhere in it.
    """
    starts = []
    for first in (model.item.start, model.domain.start):
        if first < len(theta) and theta[first] < VALLEY and theta[first + 2] > 0:
            turned = theta.copy()
            turned[first : first + 3] = 0.0, np.hypot(theta[first + 1], theta[first + 2]), 0.0
            slope = _profiled(model, turned, curved=False).slope[first]
            turned[first : first + 2] = max(theta[first], OPENED), np.copysign(turned[first + 1], -slope)
            starts.append(turned)
    closed = theta == 0
    if closed.any():
        # Elsewhere the deviance has no slope at 0: its curvature says whether it falls from there.
        values, axes = np.linalg.eigh(_profiled(model, theta, curved=True).curvature[np.ix_(closed, closed)])
        if values[0] < 0:
            again = theta.copy()
            again[closed] = REOPENED * axes[:, 0] * np.sign(axes[np.abs(axes[:, 0]).argmax(), 0])
            starts.append(np.where(model.signed, again, np.abs(again)))
    return starts


def is_least_without_domains(model: Reml, theta: np.ndarray) -> bool:
    """Whether the deviance grows with any variance of the domains, at a theta where these are 0.

    It is a function of their covariance L L': its slopes by that are half the second derivatives by L.
    """
    bend = _profiled(model, theta, curved=True).curvature[model.domain, model.domain][:2, :2]
    return bool(np.linalg.eigvalsh(bend)[0] >= 0)


def _profiled(model: Reml, theta: np.ndarray, curved: bool) -> Curve:
    """Deviance with the residual variance at its best, up to a constant."""
    log, squares, _ = model.curves(theta, curved)
    degrees, slope = model.n - 2, squares.slope / squares.value
    bend = squares.curvature / squares.value - np.outer(slope, slope)
    value = log.value + degrees * float(np.log(squares.value))
    return Curve(value, log.slope + degrees * slope, log.curvature + degrees * bend)


def _sure_of_sign(model: Reml, theta: np.ndarray, signed: int) -> bool:
    """Whether a covariance lies five standard errors from 0: the least deviance has its sign then."""
    curvature = _profiled(model, theta, curved=True).curvature[signed, signed]
    return bool(theta[signed] ** 2 * curvature / 2 > 25)


def _close(model: Reml, theta: np.ndarray, which: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Theta with these standard deviations at 0, and what is free then."""
    theta = theta.copy()
    theta[which] = 0.0
    for first in (model.item.start, model.domain.start):
        if first < len(theta) and theta[first] == 0:
            # All of the treatment's part stands in one element then.
            theta[first + 1 : first + 3] = 0.0, np.hypot(theta[first + 1], theta[first + 2])
    free = theta != 0
    for first in (model.item.start, model.domain.start):
        if first < len(theta) and theta[first] != 0:
            free[first + 1] = True
    return theta, free


def _descend(model: Reml, theta: np.ndarray, free: np.ndarray) -> tuple[float, np.ndarray]:
    """Least deviance and its theta from a start. The elements that are not free stay."""
    if (found := _newton(model, theta, free)) is not None:
        return found
    theta = theta.copy()

    def deviance(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta[free] = values
        curve = _profiled(model, theta, curved=False)
        return curve.value, curve.slope[free]

    bounds = [(None if signed else 0.0, None) for signed in model.signed[free]]
    options = {"ftol": 1e-11, "gtol": 1e-6, "maxiter": 500}
    near = minimize(deviance, theta[free], jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    theta[free] = near.x
    closed = np.flatnonzero(~model.signed & (theta == 0)).tolist()
    return _newton(model, *_close(model, theta, closed)) or (float(near.fun), theta)


def _newton(model: Reml, theta: np.ndarray, free: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Newton's steps to the least deviance, along the bounds that they meet. None where they do not lead there.

    They end where the expected gain no longer shrinks: the slopes have more digits there than the deviance.
    """
    gain, best = np.inf, None
    for _ in range(NEWTON_STEPS):
        now = _profiled(model, theta, curved=True)
        slope, curvature = now.slope[free], now.curvature[np.ix_(free, free)]
        if not np.isfinite(curvature).all():
            break
        values, axes = np.linalg.eigh(curvature)
        # Where the deviance does not curve upwards, down the slope all the same (Nocedal & Wright 2006, section 3.4).
        step = axes @ (axes.T @ slope / np.maximum(np.abs(values), 1e-8 * np.abs(values).max(initial=1e-300)))
        expected = float(slope @ step)
        upwards = bool((values > 0).all())
        if upwards and best is not None and expected >= 0.25 * gain:
            break
        gain, best = (expected, (now.value, theta)) if upwards else (np.inf, None)
        if not upwards or expected > 1:
            step *= min(1.0, 1 / np.max(np.abs(step) / (np.abs(theta[free]) + 0.3), initial=1.0))
        theta = theta.copy()
        theta[free] -= step
        met = np.flatnonzero(~model.signed & free & (theta <= NOTHING)).tolist()
        if met:
            theta, free = _close(model, theta, met)
            gain, best = np.inf, None
    return best if gain < CONVERGED else None
