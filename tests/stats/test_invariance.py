"""No unit's df, standard error or p depends on constants, on the scale, or on the order of runs, items and domains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from priorshift.stats.estimates import estimate_crossed, estimate_over_checkpoints
from priorshift.stats.over_items import estimate_over_items
from priorshift.stats.shared_items import NotEstimable
from priorshift.stats.welch import estimate_over_runs

SHAPES = st.fixed_dictionaries({
    "seed": st.integers(0, 2**16), "runs": st.tuples(st.integers(2, 5), st.integers(2, 5)),
    "items": st.integers(4, 14), "missing": st.sampled_from([0, 0, 1, 4]), "domains": st.booleans(),
    "sd_run": st.sampled_from([0.0, 0.02, 0.3]), "sd_slope": st.sampled_from([0.0, 0.3]),
    "sd_residual": st.sampled_from([0.01, 0.3]), "effect": st.sampled_from([0.0, 5.0]),
})  # fmt: skip
UNITS = {
    "items": estimate_over_items,
    "runs": lambda treatment, control, _: estimate_over_runs(treatment, control),
    "both": estimate_crossed,
}


def draw(seed, runs, items, missing, domains, sd_run, sd_slope, sd_residual, effect):
    """Treatment and control with some cells missing, and the items' domains; small residuals and big effects too."""
    rng, of = np.random.default_rng(seed), np.arange(items) % 4
    slope = sd_slope * (rng.standard_normal(items) + rng.standard_normal(4)[of])
    item, sides = 0.5 * rng.standard_normal(items), []
    for which, n in enumerate(runs):
        panel = item + which * (effect + slope) + sd_run * rng.standard_normal((n, 1))
        sides.append(panel + sd_residual * rng.standard_normal((n, items)))
    for _ in range(missing):
        side = sides[rng.integers(2)]
        side[rng.integers(len(side)), rng.integers(items)] = np.nan
    return sides[1], sides[0], np.array(list("abcd"))[of] if domains else None


def test_of(unit, treatment, control, domains, constant=0.0):
    made = UNITS[unit](treatment, control, domains)
    return made.df, made.se, 2 * stats.t.sf(abs((made.estimate - constant) / made.se), made.df), made.sd_domain


test_of.__test__ = False


def agree(unit, sides, others, constant=0.0, scale=1.0):
    try:
        df, se, p, sd = test_of(unit, *sides)
    except NotEstimable as reason:
        with pytest.raises(NotEstimable, match=str(reason)[:20]):
            test_of(unit, *others, constant)
        return
    other_df, other_se, other_p, other_sd = test_of(unit, *others, constant)
    assert other_df == pytest.approx(df, rel=1e-3) and other_se == pytest.approx(scale * se, rel=1e-5)
    assert other_p == pytest.approx(p, rel=5e-3) or max(p, other_p) < 1e-12
    assert other_sd == pytest.approx(scale * sd, rel=1e-3, abs=2e-4 * scale * se)


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, constant=st.sampled_from([-5.0, 1e3]), exponent=st.integers(-4, 4))
def test_constants_and_scale(unit, shape, constant, exponent):
    treatment, control, domains = draw(**shape)
    agree(unit, (treatment, control, domains), (treatment + constant, control, domains), constant)
    agree(unit, (treatment, control, domains), (treatment + constant, control + constant, domains))
    scale = 10.0**exponent
    agree(unit, (treatment, control, domains), (scale * treatment, scale * control, domains), scale=scale)


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=30, deadline=None)
@given(shape=SHAPES)
def test_order_of_runs_items_and_domains(unit, shape):
    treatment, control, domains = draw(**shape)
    rng = np.random.default_rng(shape["seed"])
    items, names = rng.permutation(shape["items"]), dict(zip("abcd", rng.permutation(list("wxyz")), strict=True))
    other = None if domains is None else np.array([names[name] for name in domains])[items]
    shuffled = [side[rng.permutation(len(side))][:, items] for side in (treatment, control)]
    agree(unit, (treatment, control, domains), (*shuffled, other))


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=30, deadline=None)
@given(shape=SHAPES)
def test_noise_of_rounding(unit, shape):
    """Another machine adds up in another order: 1e-13 of difference in a shift may not show."""
    treatment, control, domains = draw(**shape)
    rng = np.random.default_rng(shape["seed"])
    noisy = [side + 1e-13 * rng.standard_normal(side.shape) for side in (treatment, control)]
    agree(unit, (treatment, control, domains), (*noisy, domains))


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, constant=st.sampled_from([-5.0, 1e3]))
def test_unit_base(shape, constant):
    rng = np.random.default_rng(shape["seed"])
    pairs = [draw(**{**shape, "seed": shape["seed"] + k})[:2] for k in range(3)]
    try:
        made = estimate_over_checkpoints(pairs)
    except NotEstimable:
        return
    items = rng.permutation(shape["items"])
    moved = [
        (10 * (a[rng.permutation(len(a))][:, items] + constant), 10 * b[rng.permutation(len(b))][:, items])
        for a, b in pairs
    ]
    other = estimate_over_checkpoints([moved[k] for k in rng.permutation(3)])
    assert (other.df, other.n_items) == (made.df, made.n_items)
    assert other.se == pytest.approx(10 * made.se, rel=1e-6)
    assert other.estimate == pytest.approx(10 * (made.estimate + constant), rel=1e-9)
