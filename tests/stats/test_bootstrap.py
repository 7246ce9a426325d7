"""The two-way bootstrap against the variance it stands for, and beside the crossed model."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_items import settings, study

from priorshift.stats.bootstrap import BOOTSTRAP, bootstrap_claims, resample


def test_variance_is_that_of_runs_and_items_without_bias():
    """Runs and items that add up exactly: the variance is s1^2 / n1 + s0^2 / n0 + S_D / m, by hand."""
    rng = np.random.default_rng(1)
    runs = rng.normal(0, 1, (3, 1)), rng.normal(0, 0.5, (4, 1))
    items = rng.normal(0, 1, (2, 25))
    treatment, control = runs[0] + items[0] + 2, runs[1] + items[1]
    draws = resample(treatment, control, 20_000, np.random.default_rng(0))
    expected = runs[0].var(ddof=1) / 3 + runs[1].var(ddof=1) / 4 + np.var(items[0] - items[1], ddof=1) / 25
    assert draws.var() == pytest.approx(expected, rel=0.05)
    assert draws.mean() == pytest.approx(treatment.mean() - control.mean(), abs=0.03)


def test_missing_cells_leave_no_gap():
    rng = np.random.default_rng(2)
    treatment, control = rng.normal(1, 1, (3, 8)), rng.normal(0, 1, (3, 8))
    treatment[0, :4] = control[:2, 5] = np.nan
    draws = resample(treatment, control, 500, rng)
    assert np.isfinite(draws).all() and 450 < len(draws) < 500 and draws.mean() == pytest.approx(1, abs=0.8)


def test_one_row_for_each_declared_claim_and_base_model():
    table = bootstrap_claims(study(), settings())
    assert list(table.columns) == BOOTSTRAP and len(table) == 7 * 2
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert ((table.boot_low < table.estimate) & (table.estimate < table.boot_high)).all()
    # Intervals of the two ways are of one order: the bootstrap knows no t, so it is the narrower with three runs.
    ratio = (table.boot_high - table.boot_low) / (table.ci_high - table.ci_low)
    assert ratio.between(0.3, 1.5).all() and ratio.median() < 1
