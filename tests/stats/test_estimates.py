"""Each unit against hand-computed values, SciPy and statsmodels; refusals where the data carry nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from priorshift.stats.estimates import (
    compare_within_checkpoints,
    estimate_crossed,
    estimate_over_checkpoints,
    one_sample_t,
)
from priorshift.stats.over_items import estimate_over_items
from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.welch import estimate_over_runs

RNG = np.random.default_rng(0)
TREATMENT, CONTROL = RNG.normal(0.4, 1, (4, 9)), RNG.normal(0, 0.5, (3, 9))


def test_small_example_by_hand():
    treatment = np.array([[1.0, 3.0], [3.0, 5.0]])  # item means 2, 4; run means 2, 4
    control = np.array([[0.0, 1.0], [2.0, 1.0]])  # item means 1, 1; run means 0.5, 1.5
    items = estimate_over_items(treatment, control)
    # differences 1, 3: mean 2, sd sqrt(2), se 1, d_z sqrt(2)
    assert (items.estimate, items.df, items.n_items, items.n_runs) == (2, 1, 2, 4)
    assert items.se == pytest.approx(1)
    assert items.effect_size == pytest.approx(np.sqrt(2))
    runs = estimate_over_runs(treatment, control)
    # variances 2 and 0.5 over 2 runs each: se^2 = 1.25; df = 1.25^2 / (1 + 0.0625); J(2) = 4/7
    assert runs.estimate == 2
    assert runs.se == pytest.approx(np.sqrt(1.25))
    assert runs.df == pytest.approx(1.5625 / 1.0625)
    assert runs.effect_size == pytest.approx(2 / np.sqrt(1.25) * 4 / 7)


def test_base_equals_scipys_one_sample_t():
    pairs = [(TREATMENT + shift, CONTROL) for shift in (0.1, 0.5, -0.3)]
    made = estimate_over_checkpoints(pairs)
    values = [a.mean() - b.mean() for a, b in pairs]
    expected = stats.ttest_1samp(values, 0)
    assert made.estimate / made.se == pytest.approx(expected.statistic, abs=1e-8)
    assert (made.df, made.n_runs, made.n_items) == (2, 21, 9)
    # by hand: d = t / sqrt(3), Hedges' factor 1 - 3 / 7
    assert made.effect_size == pytest.approx(expected.statistic / np.sqrt(3) * 4 / 7)


def test_a_checkpoint_with_more_runs_weighs_no_more():
    one = (np.ones((5, 3)), np.zeros((2, 3)))
    other = (np.full((2, 3), 3.0), np.zeros((2, 3)))
    assert estimate_over_checkpoints([one, other]).estimate == 2


def test_checkpoints_are_compared_on_the_items_that_every_run_of_all_measured():
    """Items differ by 5 nats in what training does to them: other items would pass for another checkpoint."""
    effect = np.repeat([0.0, 5.0], 5)
    pairs = [(RNG.normal(0, 0.01, (3, 10)) + effect, RNG.normal(0, 0.01, (3, 10))) for _ in range(3)]
    pairs[0][0][0, :4] = np.nan  # one run lacks four items of no effect
    pairs[1][1][:, 8:] = np.nan  # a condition lacks two of 5 nats
    made = estimate_over_checkpoints(pairs)
    assert made.n_items == 4 and made.estimate == pytest.approx(15 / 4, abs=0.05) and made.se < 0.02
    assert made == estimate_over_checkpoints([tuple(side[:, 4:8] for side in pair) for pair in pairs])
    pairs[2][0][1, 4:8] = np.nan
    with pytest.raises(NotEstimable, match=r"no item .* every run"):
        estimate_over_checkpoints(pairs)
    pairs[2][0][:, 4:] = np.nan
    pairs[1][1][:, :8] = np.nan
    with pytest.raises(NotEstimable, match=r"no item .* every base checkpoint"):
        estimate_over_checkpoints(pairs)


def test_items_that_one_condition_lacks_do_not_count():
    treatment, control = TREATMENT.copy(), CONTROL.copy()
    treatment[:, 0] = np.nan
    for over in (estimate_over_items, estimate_over_runs):
        assert over(treatment, control) == over(TREATMENT[:, 1:], CONTROL[:, 1:])


def test_a_missing_cell_takes_its_item_from_means_and_only_the_cell_from_the_model():
    treatment = TREATMENT.copy()
    treatment[0, 0] = np.nan
    for over in (estimate_over_items, estimate_over_runs):
        assert over(treatment, CONTROL) == over(TREATMENT[:, 1:], CONTROL[:, 1:])
    assert estimate_crossed(treatment, CONTROL).n_items == TREATMENT.shape[1]
    assert estimate_crossed(treatment, CONTROL).test.startswith("crossed random effects, REML")
    assert estimate_crossed(TREATMENT, CONTROL).test.startswith("crossed random effects, quasi-F")


def test_a_run_that_lacks_the_high_items_is_not_compared_on_the_low_ones():
    """No effect, items far apart: means over what is there would differ by a third of the items' distance."""
    rng = np.random.default_rng(0)
    items = np.repeat([0.0, 5.0], 5)
    treatment, control = (items + rng.normal(0, 0.1, (3, 10)) for _ in range(2))
    treatment[0, 5:] = np.nan
    for over in (estimate_over_items, estimate_over_runs):
        made = over(treatment, control)
        assert made.n_items == 5 and abs(made.estimate) < 0.2
    differences, n_items = compare_within_checkpoints([(treatment, control)])
    assert abs(differences[0]) < 0.2 and n_items == 5
    treatment[1, :5] = np.nan
    for over in (estimate_over_items, estimate_over_runs):
        with pytest.raises(NotEstimable, match=r"no item .* every run"):
            over(treatment, control)


def test_one_run_is_enough_for_items_and_one_item_for_runs():
    assert np.isfinite(estimate_over_items(TREATMENT[:1], CONTROL[:1]).se)
    assert np.isfinite(estimate_over_runs(TREATMENT[:, :1], CONTROL[:, :1]).se)


@pytest.mark.parametrize(
    ("over", "treatment", "control", "reason"),
    [
        (estimate_over_items, TREATMENT[:0], CONTROL, "no runs of the treatment"),
        (estimate_over_runs, TREATMENT, CONTROL[:0], "no runs of the control"),
        (estimate_over_items, TREATMENT[:, :1], CONTROL[:, :1], "a single item"),
        (estimate_crossed, TREATMENT[:, :1], CONTROL[:, :1], "a single item"),
        (estimate_over_runs, TREATMENT[:1], CONTROL, "a single run of the treatment"),
        (estimate_over_runs, TREATMENT, CONTROL[:1], "a single run of the control"),
        (estimate_crossed, TREATMENT[:1], CONTROL, "a single run of the treatment"),
        (estimate_crossed, TREATMENT, CONTROL[:0], "no runs of the control"),
        (estimate_crossed, TREATMENT, CONTROL[:1], "a single run of the control"),
        (estimate_over_items, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over items"),
        (estimate_over_runs, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over runs"),
        (estimate_crossed, np.full((3, 4), 0.1), np.full((3, 4), 0.3), "no variance over runs and items"),
        (estimate_crossed, np.zeros((3, 4)), np.zeros((3, 4)), "no variance over runs and items"),
        (estimate_over_items, [[1.0, np.nan]], [[np.nan, 1.0]], "no item was measured in both"),
        (
            estimate_crossed,
            [[1.0, np.nan, 2], [np.nan, 1, 4]],
            [[0.0, np.nan, np.nan], [np.nan, 3.0, np.nan]],
            "too few cells",
        ),
    ],
)
def test_what_the_data_cannot_carry_is_refused(over, treatment, control, reason):
    with pytest.raises(NotEstimable, match=reason):
        over(np.array(treatment), np.array(control))


def test_base_refuses_one_checkpoint_and_equal_checkpoints():
    with pytest.raises(NotEstimable, match="a single base checkpoint"):
        estimate_over_checkpoints([(TREATMENT, CONTROL)])
    with pytest.raises(NotEstimable, match="no base checkpoint"):
        estimate_over_checkpoints([])
    with pytest.raises(NotEstimable, match="no variance over base checkpoints"):
        estimate_over_checkpoints([(TREATMENT, CONTROL)] * 3)


def test_zero_residual_is_no_zero_variance():
    """Runs and items that add up exactly: a residual of 0 and a finite answer."""
    runs, items = np.array([[0.1], [0.4], [0.9]]), np.linspace(-1, 1, 6)
    made = estimate_crossed(1 + runs + items, runs * 0.5 + items)
    assert made.se == pytest.approx(np.sqrt(((runs * 1.0).var(ddof=1) + (runs * 0.5).var(ddof=1)) / 3))
    assert made.df == pytest.approx(1.25**2 * 2 / (1 + 0.25**2))  # Welch's, of variances 1 : 1/4


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 6))
def test_exchanging_the_conditions_turns_every_sign_and_nothing_else(seed, n, m):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0, 1, (n, m)), rng.normal(0, 1, (3, m))
    for estimate in (estimate_over_items, estimate_over_runs, estimate_crossed):
        made, turned = estimate(one, other), estimate(other, one)
        assert turned.estimate == pytest.approx(-made.estimate)
        assert turned.effect_size == pytest.approx(-made.effect_size)
        assert turned.se == pytest.approx(made.se)
        assert turned.df == pytest.approx(made.df, rel=1e-4)  # on a boundary, by differences


def test_two_checkpoints_have_an_uncorrected_effect_size_and_three_a_corrected_one():
    two, three = one_sample_t(np.array([1.0, 3.0])), one_sample_t(np.array([1.0, 3.0, 5.0]))
    assert (two.effect_size_name, three.effect_size_name) == ("d_z", "hedges_g_z")
    assert two.effect_size == pytest.approx(2 / np.sqrt(2)) and three.effect_size == pytest.approx(3 / 2 * 4 / 7)


@pytest.mark.parametrize("name", ["base_three", "base_five"])
def test_unit_base_agrees_with_lmer_and_lmertest(name):
    """Runs nested in checkpoints, a random slope of the condition over these: tests/stats/r/units.R fitted them."""
    folder = Path(__file__).parent / "r"
    rows = pd.read_csv(folder / "base_data.csv").query("dataset == @name")
    wide = rows.pivot(index=["checkpoint", "condition", "run"], columns="item", values="shift")
    pairs = [
        tuple(wide.loc[checkpoint, condition].to_numpy() for condition in ("treatment", "control"))
        for checkpoint in sorted(set(rows.checkpoint))
    ]
    made, expected = estimate_over_checkpoints(pairs), pd.read_csv(folder / "units.csv").set_index("dataset").loc[name]
    assert expected.unit == "base" and not expected.singular
    assert (made.estimate, made.se, made.df) == pytest.approx((expected.estimate, expected.se, expected.df), rel=1e-5)
