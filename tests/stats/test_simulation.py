"""Simulated panels have the variances, and the effect, that they were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from priorshift.stats.simulation import Components, simulate


def test_simulated_panels_have_the_variances_they_were_asked_for():
    components = Components.from_sds((0.2, 0.6), 0.5, 0.4, 0.3)
    treatment, control = simulate(np.random.default_rng(0), components, (400, 300), 2000, effect=1.0)
    assert treatment.shape == (400, 2000) and control.shape == (300, 2000)
    # means of runs: run variance and the residual's share; of items: likewise
    assert treatment.mean(axis=1).std() == pytest.approx(0.6, rel=0.1)
    assert control.mean(axis=1).std() == pytest.approx(0.2, rel=0.1)
    differences = treatment.mean(axis=0) - control.mean(axis=0)
    assert differences.std() == pytest.approx(0.4, rel=0.05)
    assert (treatment.mean(axis=0) + control.mean(axis=0)).std() == pytest.approx(2 * 0.5, rel=0.05)
    assert differences.mean() == pytest.approx(1.0, abs=0.15)


def test_components_by_hand():
    made = Components.from_sds((0.2, 0.6), 0.5, 0.4, 0.3)
    assert made.var_run == pytest.approx([0.04, 0.36]) and made.var_residual == pytest.approx(0.09)
    # The difference of a pair of item effects has variance 0.16, their mean 0.25.
    contrast, mean = np.array([-1, 1]), np.array([0.5, 0.5])
    assert contrast @ made.cov_item @ contrast == pytest.approx(0.16)
    assert mean @ made.cov_item @ mean == pytest.approx(0.25)


def test_items_of_no_slope_are_the_same_in_both_conditions():
    """Their covariance has rank one."""
    components = Components.from_sds(0.0, 0.5, 0.0, 0.0)
    treatment, control = simulate(np.random.default_rng(0), components, (3, 2), 20, effect=0.5)
    assert treatment == pytest.approx(np.tile(control[0] + 0.5, (3, 1))) and control[0].std() > 0.2
