"""Welch's t over run means: SciPy's, statsmodels' g, Student's t where variances are equal, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd

from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.welch import estimate_over_runs, welch

RNG = np.random.default_rng(0)
TREATMENT, CONTROL = RNG.normal(0.4, 1, (4, 9)), RNG.normal(0, 0.5, (3, 9))


def test_runs_equal_scipys_welch_t_and_statsmodels_g():
    made = estimate_over_runs(TREATMENT, CONTROL)
    a, b = TREATMENT.mean(axis=1), CONTROL.mean(axis=1)
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert made.df == pytest.approx(expected.df, abs=1e-8)
    g, _ = effectsize_smd(a.mean(), a.std(ddof=1), 4, b.mean(), b.std(ddof=1), 3)
    assert made.effect_size == pytest.approx(g, abs=1e-8)


@pytest.mark.parametrize("test", [welch, lambda a, b: estimate_over_runs(a[:, None], b[:, None])])
def test_equal_variances_and_numbers_have_the_degrees_of_freedom_of_students_t(test):
    made = test(np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0]))
    assert made.df == pytest.approx(4) and made.se == pytest.approx(np.sqrt(2 / 3)) and made.estimate == -4


def test_a_side_without_variance_leaves_the_others_degrees_of_freedom():
    made = welch(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.0, 0.0, 0.0]))
    assert made.df == pytest.approx(2) and made.se == pytest.approx(np.sqrt(7 / 3 / 3))
    with pytest.raises(NotEstimable, match="no variance over runs"):
        welch(np.ones(3), np.zeros(4))


def test_two_against_more_runs_are_warned_of():
    assert estimate_over_runs(TREATMENT[:2], CONTROL).caution and not estimate_over_runs(TREATMENT, CONTROL).caution
