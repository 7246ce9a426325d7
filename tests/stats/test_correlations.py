"""Correlations' limits and covariances, against hand-computed values and simulated samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from priorshift.stats.correlations import correct_for_halves, covary_correlations, fisher_error, limit_correlation


def test_limits_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=20)
    y = 0.5 * x + rng.normal(size=20)
    made = stats.pearsonr(x, y)
    low, high = made.confidence_interval(0.9)
    assert limit_correlation(made.statistic, fisher_error(19), 0.1) == pytest.approx((low, high))


def test_too_few_degrees_of_freedom_leave_no_limits():
    assert math.isnan(fisher_error(2)) and all(map(math.isnan, limit_correlation(0.5, fisher_error(2), 0.05)))


@pytest.mark.parametrize("half, whole", [(0.0, 0.0), (0.6, 0.75), (1.0, 1.0), (-0.5, -1.0), (-1.0, -1.0)])
def test_halves_are_stepped_up_by_spearman_and_brown(half, whole):
    assert correct_for_halves(half) == pytest.approx(whole)
    assert math.isnan(correct_for_halves(float("nan")))


def test_covariances_of_correlations_are_those_of_simulated_samples():
    true = np.array([[1, 0.5, 0.3, 0.2], [0.5, 1, 0.4, 0.1], [0.3, 0.4, 1, 0.6], [0.2, 0.1, 0.6, 1]])
    samples = np.random.default_rng(1).multivariate_normal(np.zeros(4), true, size=(4000, 200))
    centred = samples - samples.mean(axis=1, keepdims=True)
    sums = np.einsum("sni,snj->sij", centred, centred)
    sizes = np.sqrt(np.einsum("sii->si", sums))
    found = sums / (sizes[:, :, None] * sizes[:, None, :])
    pairs = [(0, 1), (0, 2), (2, 3), (1, 3)]
    expected = np.cov([found[:, i, j] for i, j in pairs]) * 198
    assert covary_correlations(true, pairs) == pytest.approx(expected, abs=0.06)
