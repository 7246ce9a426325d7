"""Each unit against hand-computed values, SciPy and statsmodels; refusals where the data carry nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.proportion import proportion_confint

from priorshift.stats import estimates as est
from priorshift.stats.estimates import NotEstimable
from priorshift.stats.intervals import clopper_pearson, mean_interval, noncentral_limits, ratio_interval, with_interval

RNG = np.random.default_rng(0)
TREATMENT, CONTROL = RNG.normal(0.4, 1, (4, 9)), RNG.normal(0, 0.5, (3, 9))


def test_small_example_by_hand():
    treatment = np.array([[1.0, 3.0], [3.0, 5.0]])  # item means 2, 4; run means 2, 4
    control = np.array([[0.0, 1.0], [2.0, 1.0]])  # item means 1, 1; run means 0.5, 1.5
    items = est.over_items(treatment, control)
    # differences 1, 3: mean 2, sd sqrt(2), se 1, d_z sqrt(2)
    assert (items.estimate, items.df, items.n_items, items.n_runs) == (2, 1, 2, 4)
    assert items.se == pytest.approx(1)
    assert items.effect_size == pytest.approx(np.sqrt(2))
    runs = est.over_runs(treatment, control)
    # variances 2 and 0.5 over 2 runs each: se^2 = 1.25; df = 1.25^2 / (1 + 0.0625); J(2) = 4/7
    assert runs.estimate == 2
    assert runs.se == pytest.approx(np.sqrt(1.25))
    assert runs.df == pytest.approx(1.5625 / 1.0625)
    assert runs.effect_size == pytest.approx(2 / np.sqrt(1.25) * 4 / 7)


def test_items_equal_scipys_paired_t():
    made = est.over_items(TREATMENT, CONTROL)
    expected = stats.ttest_rel(TREATMENT.mean(axis=0), CONTROL.mean(axis=0))
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert made.df == expected.df
    assert made.effect_size == pytest.approx(expected.statistic / 3, abs=1e-8)  # d_z = t / sqrt(items)


def test_runs_equal_scipys_welch_t_and_statsmodels_g():
    made = est.over_runs(TREATMENT, CONTROL)
    a, b = TREATMENT.mean(axis=1), CONTROL.mean(axis=1)
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert made.df == pytest.approx(expected.df, abs=1e-8)
    g, _ = effectsize_smd(a.mean(), a.std(ddof=1), 4, b.mean(), b.std(ddof=1), 3)
    assert made.effect_size == pytest.approx(g, abs=1e-8)


def test_base_equals_scipys_one_sample_t():
    pairs = [(TREATMENT + shift, CONTROL) for shift in (0.1, 0.5, -0.3)]
    made = est.over_checkpoints(pairs, 9)
    values = [a.mean() - b.mean() for a, b in pairs]
    expected = stats.ttest_1samp(values, 0)
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert (made.df, made.n_runs, made.n_items) == (2, 21, 9)
    # by hand: d = t / sqrt(3), Hedges' factor 1 - 3 / 7
    assert made.effect_size == pytest.approx(expected.statistic / np.sqrt(3) * 4 / 7)


def test_a_checkpoint_with_more_runs_weighs_no_more():
    one = (np.ones((5, 3)), np.zeros((2, 3)))
    other = (np.full((2, 3), 3.0), np.zeros((2, 3)))
    assert est.over_checkpoints([one, other], 3).estimate == 2


def test_items_that_one_condition_lacks_do_not_count():
    treatment, control = TREATMENT.copy(), CONTROL.copy()
    treatment[:, 0] = np.nan
    for over in (est.over_items, est.over_runs):
        assert over(treatment, control) == over(TREATMENT[:, 1:], CONTROL[:, 1:])


def test_a_missing_cell_takes_its_item_from_means_and_only_the_cell_from_the_model():
    treatment = TREATMENT.copy()
    treatment[0, 0] = np.nan
    for over in (est.over_items, est.over_runs):
        assert over(treatment, CONTROL) == over(TREATMENT[:, 1:], CONTROL[:, 1:])
    assert est.crossed(treatment, CONTROL).n_items == TREATMENT.shape[1]
    assert est.crossed(treatment, CONTROL).test.startswith("crossed random effects, REML")
    assert est.crossed(TREATMENT, CONTROL).test.startswith("crossed random effects, quasi-F")


def test_a_run_that_lacks_the_high_items_is_not_compared_on_the_low_ones():
    """No effect, items far apart: means over what is there would differ by a third of the items' distance."""
    rng = np.random.default_rng(0)
    items = np.repeat([0.0, 5.0], 5)
    treatment, control = (items + rng.normal(0, 0.1, (3, 10)) for _ in range(2))
    treatment[0, 5:] = np.nan
    for over in (est.over_items, est.over_runs):
        made = over(treatment, control)
        assert made.n_items == 5 and abs(made.estimate) < 0.2
    assert abs(est.checkpoint_differences([(treatment, control)])[0]) < 0.2
    treatment[1, :5] = np.nan
    for over in (est.over_items, est.over_runs):
        with pytest.raises(NotEstimable, match="no item was measured by every run"):
            over(treatment, control)


def test_one_run_is_enough_for_items_and_one_item_for_runs():
    assert np.isfinite(est.over_items(TREATMENT[:1], CONTROL[:1]).se)
    assert np.isfinite(est.over_runs(TREATMENT[:, :1], CONTROL[:, :1]).se)


@pytest.mark.parametrize(
    ("over", "treatment", "control", "reason"),
    [
        (est.over_items, TREATMENT[:0], CONTROL, "no runs of the treatment"),
        (est.over_runs, TREATMENT, CONTROL[:0], "no runs of the control"),
        (est.over_items, TREATMENT[:, :1], CONTROL[:, :1], "a single item"),
        (est.crossed, TREATMENT[:, :1], CONTROL[:, :1], "a single item"),
        (est.over_runs, TREATMENT[:1], CONTROL, "a single run of the treatment"),
        (est.over_runs, TREATMENT, CONTROL[:1], "a single run of the control"),
        (est.crossed, TREATMENT[:1], CONTROL, "a single run of the treatment"),
        (est.crossed, TREATMENT, CONTROL[:0], "no runs of the control"),
        (est.crossed, TREATMENT, CONTROL[:1], "a single run of the control"),
        (est.over_items, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over items"),
        (est.over_runs, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over runs"),
        (est.crossed, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over runs and items"),
        (est.crossed, np.zeros((3, 4)), np.zeros((3, 4)), "no variance over runs and items"),
        (est.over_items, [[1.0, np.nan]], [[np.nan, 1.0]], "no item was measured in both"),
        (
            est.crossed,
            [[1.0, np.nan, 2], [np.nan, 1, 4]],
            [[0.0, np.nan, np.nan], [np.nan, 3.0, np.nan]],
            "too few cells",
        ),
    ],
)
def test_what_the_data_cannot_carry_is_refused(over, treatment, control, reason):
    with pytest.raises(NotEstimable, match=reason):
        over(np.array(treatment), np.array(control))


@given(st.integers(0, 2**32 - 1), st.integers(3, 8))
def test_the_limits_of_a_ratio_are_where_its_t_test_turns(seed, n):
    rng = np.random.default_rng(seed)
    below = rng.normal(2, 0.3, n)
    above = 0.7 * below + rng.normal(0, 0.2, n)
    limits = ratio_interval(above, below, 0.05)
    sure = abs(stats.ttest_1samp(below, 0).statistic) > stats.t.ppf(0.975, n - 1)
    assert np.isfinite(limits).all() == sure
    if sure:
        assert limits[0] <= above.mean() / below.mean() <= limits[1]
        for limit in limits:
            assert stats.ttest_1samp(above - limit * below, 0).pvalue == pytest.approx(0.05, rel=1e-6)


def test_base_refuses_one_checkpoint_and_equal_checkpoints():
    with pytest.raises(NotEstimable, match="a single base checkpoint"):
        est.over_checkpoints([(TREATMENT, CONTROL)], 9)
    with pytest.raises(NotEstimable, match="no base checkpoint"):
        est.over_checkpoints([], 9)
    with pytest.raises(NotEstimable, match="no variance over base checkpoints"):
        est.over_checkpoints([(TREATMENT, CONTROL)] * 3, 9)


def test_zero_residual_is_no_zero_variance():
    """Runs and items that add up exactly: a residual of 0 and a finite answer."""
    runs, items = np.array([[0.1], [0.4], [0.9]]), np.linspace(-1, 1, 6)
    made = est.crossed(1 + runs + items, runs * 0.5 + items)
    assert made.se == pytest.approx(np.sqrt(((runs * 1.0).var(ddof=1) + (runs * 0.5).var(ddof=1)) / 3))
    assert made.df == pytest.approx(1.25**2 * 2 / (1 + 0.25**2))  # Welch's, of variances 1 : 1/4


@pytest.mark.parametrize(("count", "n"), [(0, 3), (1, 3), (3, 3), (7, 20), (20, 20)])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_clopper_pearson_equals_scipy_and_statsmodels(count, n, alpha):
    exact = stats.binomtest(count, n).proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson(count, n, alpha) == pytest.approx(tuple(exact), abs=1e-8)
    assert clopper_pearson(count, n, alpha) == pytest.approx(
        proportion_confint(count, n, alpha, method="beta"), abs=1e-8
    )


def test_interval_of_hedges_g_inverts_the_noncentral_t():
    table = with_interval(pd.DataFrame([vars(est.over_runs(TREATMENT, CONTROL[:3]))]), 0.05).iloc[0]
    n1, n0 = len(TREATMENT), len(CONTROL)
    per_t = np.sqrt(1 / n1 + 1 / n0) * (1 - 3 / (4 * (n1 + n0 - 2) - 1))
    a, b = TREATMENT.mean(axis=1), CONTROL.mean(axis=1)
    pooled_t = stats.ttest_ind(a, b).statistic
    for limit, p in ((table.effect_low, 0.975), (table.effect_high, 0.025)):
        assert stats.nct.cdf(pooled_t, n1 + n0 - 2, limit / per_t) == pytest.approx(p, abs=1e-8)


def test_interval_of_hedges_g_covers_the_true_difference():
    rng, covered = np.random.default_rng(4), []
    rows = [vars(est.over_runs(rng.normal(1.5, 1, (4, 1)), rng.normal(0, 1, (4, 1)))) for _ in range(2000)]
    table = with_interval(pd.DataFrame(rows), 0.05)
    # The bias correction moves both limits by 13 % at 6 degrees of freedom: coverage is not exactly 95 %.
    factor = est.small_sample(6)
    covered = (table.effect_low / factor < 1.5) & (table.effect_high / factor > 1.5)
    assert covered.mean() == pytest.approx(0.95, abs=0.015)


def test_limits_of_a_very_large_t_grow_in_proportion():
    low, high = noncentral_limits(np.array([100.0, 1e6, -1e6]), np.array([4.0, 4.0, 4.0]), 0.05)
    assert low[1] == pytest.approx(1e4 * low[0], rel=1e-2) and high[1] == pytest.approx(1e4 * high[0], rel=1e-2)
    assert (low[2], high[2]) == pytest.approx((-high[1], -low[1]))


def test_mean_interval_equals_scipys():
    values = [0.1, 0.5, 0.2, -0.3]
    made, expected = mean_interval(values, 0.1), stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert made["estimate"] == pytest.approx(0.125)
    assert (made["ci_low"], made["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(mean_interval([0.1], 0.1)["ci_low"]) and mean_interval([0.1], 0.1)["estimate"] == 0.1
