"""The restricted likelihood against that of the dense covariance, its derivatives, and Satterthwaite's df."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reml_models import DOMAINS, draw, models

from priorshift.stats.reml import CONTRAST, Reml, factor_covariance, satterthwaite
from priorshift.stats.reml_search import search


def draw_theta(model, seed=1):
    theta = np.random.default_rng(seed).uniform(0.2, 1.5, len(model.signed))
    return np.where(model.signed, -theta, theta)


def dense(model, treatment, control, pooled, domains, theta):
    """log|V| + log|X'V^-1 X|, the residual sum of squares and the contrast's variance, from all observations."""
    y = np.concatenate([control, treatment])
    run, item = np.nonzero(~np.isnan(y))
    side = (run >= len(control)).astype(int)
    values = (y[run, item] - model.means[side]) / model.unit
    x = np.eye(2)[side]

    def covariance(part):
        first, cross, last = theta[part]
        lower = np.array([[first, 0], [cross, last]])
        return (lower @ lower.T)[np.ix_(side, side)]

    matrix = np.eye(len(values)) + (item[:, None] == item) * covariance(model.item)
    matrix += (run[:, None] == run) * np.square(theta[: model.item.start][side * (not pooled)])
    if domains is not None:
        matrix += (domains[item][:, None] == domains[item]) * covariance(model.domain)
    inverse = np.linalg.inv(matrix)
    xx = x.T @ inverse @ x
    rest = values - x @ np.linalg.solve(xx, x.T @ inverse @ values)
    log = np.linalg.slogdet(matrix)[1] + np.linalg.slogdet(xx)[1]
    return log, rest @ inverse @ rest, CONTRAST @ np.linalg.inv(xx) @ CONTRAST


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("domains", [None, DOMAINS])
def test_restricted_likelihood_is_that_of_the_dense_covariance(pooled, domains):
    model = Reml(*draw(), pooled, domains)
    theta = draw_theta(model)
    found = [curve.value for curve in model.curves(theta)]
    assert found == pytest.approx(dense(model, *draw(), pooled, domains, theta), rel=1e-9)


@pytest.mark.parametrize("which", range(4))
def test_derivatives_are_those_of_differences(which):
    model, step = models()[which], 1e-5
    theta = draw_theta(model)
    moves = step * np.eye(len(theta))
    for part, curve in enumerate(model.curves(theta)):
        above, below = ([model.curves(theta + sign * move)[part] for move in moves] for sign in (1, -1))
        slope = [(a.value - b.value) / (2 * step) for a, b in zip(above, below, strict=True)]
        curvature = [(a.slope - b.slope) / (2 * step) for a, b in zip(above, below, strict=True)]
        assert curve.slope == pytest.approx(np.array(slope), rel=1e-5, abs=1e-6)
        assert curve.curvature == pytest.approx(np.array(curvature), rel=1e-5, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_triangle_gives_back_the_covariance_it_was_made_of(seed):
    root = np.random.default_rng(seed).normal(0, 1, (2, 2))
    first, cross, last = factor_covariance(root @ root.T)
    lower = np.array([[first, 0], [cross, last]])
    assert lower @ lower.T == pytest.approx(root @ root.T, abs=1e-6)


def test_what_is_left_of_a_rank_one_covariance_is_zero_and_no_rounding():
    direction = np.array([0.3, 0.7])
    noisy = np.outer(direction, direction) * (1 + 1e-15) + np.diag([0.0, 3e-17])
    assert factor_covariance(noisy)[2] == 0


def find_df(treatment, control, domains=None):
    model = Reml(treatment, control, False, domains)
    return satterthwaite(model, search(model, np.where(model.signed, 0.1, 0.5)))


@pytest.mark.parametrize("domains", [None, DOMAINS])
def test_degrees_of_freedom_depend_on_no_unit_constant_order_or_rounding(domains):
    treatment, control = draw()
    df, noise = find_df(treatment, control, domains), np.random.default_rng(2).standard_normal(treatment.shape)
    order = np.random.default_rng(3).permutation(treatment.shape[1])
    for other in (
        find_df(1000 * treatment, 1000 * control, domains),
        find_df(treatment + 7, control, domains),
        find_df(treatment + 1e-13 * noise, control, domains),
        find_df(treatment[:, order], control[::-1][:, order], None if domains is None else domains[order]),
    ):
        assert other == pytest.approx(df, rel=1e-6)


def test_a_run_variance_far_above_the_residual_keeps_its_part():
    """Three runs a side whose SD is forty times the residual's: some two to four degrees of freedom, not ninety."""
    g = np.random.default_rng(0)
    treatment = 5 + 0.4 * g.standard_normal((3, 1)) + 0.01 * g.standard_normal((3, 24))
    control = 0.1 * g.standard_normal((3, 1)) + 0.01 * g.standard_normal((3, 24))
    treatment[0, 0] = np.nan
    df = find_df(treatment, control)
    assert 2 < df < 4 and find_df(treatment - 5, control) == pytest.approx(df, rel=1e-6)
