"""The restricted likelihood against that of the dense covariance, and the elements of theta."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from priorshift.stats.reml import Reml, compute_theta, mark_nonnegative, satterthwaite, search
from priorshift.stats.simulation import Components, simulate


def draw(seed=0, runs=(4, 5), items=15):
    components = Components.from_sds(0.3, 0.5, 0.4, 0.3)
    return simulate(np.random.default_rng(seed), components, runs, items)


@pytest.mark.parametrize("pooled", [True, False])
def test_restricted_likelihood_is_that_of_the_dense_covariance(pooled):
    """The textbook's -2 log REML, from the covariance of all observations, at several theta in one call."""
    rng = np.random.default_rng(0)
    treatment, control = draw(runs=(3, 2), items=6)
    treatment[1, 2] = control[0, 4] = np.nan
    model, theta = Reml(treatment, control, pooled), rng.uniform(0.1, 2, (4, 4 if pooled else 5))
    sigma = rng.uniform(0.5, 2, 4)
    y = np.concatenate([control, treatment])
    run, item = np.nonzero(~np.isnan(y))
    values, side = (y[run, item] - model.origin) / model.scale, (run >= len(control)).astype(int)
    x = np.eye(2)[side]
    same_run, same_item = run[:, None] == run, item[:, None] == item
    found = model.deviance(theta, sigma)
    for (*runs, first, cross, second), s, deviance in zip(theta, sigma, found, strict=True):
        lower = np.array([[first, 0], [cross, second]])
        covariance = np.eye(len(y[run, item])) + same_item * (lower @ lower.T)[np.ix_(side, side)]
        covariance += same_run * np.square(np.array(runs)[side * (not pooled)])
        inverse = np.linalg.inv(covariance)
        rest = values - x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ values)
        log_dets = [np.linalg.slogdet(m)[1] for m in (covariance, x.T @ inverse @ x)]
        expected = sum(log_dets) + 2 * (len(values) - 2) * np.log(s) + rest @ inverse @ rest / s**2
        assert deviance == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_theta_gives_back_the_covariances_it_was_made_of(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 1, (2, 2))
    runs, item = rng.uniform(0, 2, 2), root @ root.T
    *sds, first, cross, second = compute_theta(runs, item)
    lower = np.array([[first, 0], [cross, second]])
    assert np.square(sds) == pytest.approx(runs) and lower @ lower.T == pytest.approx(item, abs=1e-6)


def test_only_the_covariance_of_theta_may_be_negative():
    assert mark_nonnegative(np.zeros(5)).tolist() == [True, True, True, False, True]
    assert mark_nonnegative(np.zeros(4)).tolist() == [True, True, False, True]


def test_no_theta_nearby_has_a_smaller_deviance_than_the_one_found():
    treatment, control = draw()
    treatment[0, 0] = control[2, 3] = np.nan
    model = Reml(treatment, control, pooled_runs=False)
    best = search(model, np.array([0.5, 0.5, 1.0, 0.0, 1.0]))
    moves = np.random.default_rng(1).normal(0, 0.05, (200, 5))
    moved = np.where(mark_nonnegative(best), np.maximum(best + moves, 0), best + moves)
    assert (model.profile(moved) >= model.profile(best) - 1e-8).all()


def test_degrees_of_freedom_do_not_depend_on_the_unit_of_the_shifts():
    treatment, control = draw()
    treatment[0, 0] = np.nan
    found = []
    for factor in (1, 1000):
        model = Reml(factor * treatment, factor * control, pooled_runs=False)
        theta = search(model, np.array([0.5, 0.5, 1.0, 0.0, 1.0]))
        sigma = float(np.sqrt(model.reduce(theta)[3] / (model.n - 2)))
        found.append(satterthwaite(model, theta, sigma))
    assert found[0] == pytest.approx(found[1], rel=1e-3) and 3 < found[0] < 14
