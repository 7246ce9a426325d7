"""The crossed model against lme4/lmerTest/emmeans, sums of squares, statsmodels and simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM
from support.coverage_both import ALPHA, EFFECT, PATH, SCENARIOS, SIMULATIONS, p_values

from priorshift.stats.crossed import fit_crossed, fit_reml
from priorshift.stats.simulation import Components, simulate

R = Path(__file__).parent / "r"
FITTED = pd.read_csv(R / "crossed.csv").set_index(["dataset", "model"])
DATA = dict(list(pd.read_csv(R / "crossed_data.csv").groupby("dataset")))
COVERAGE = pd.read_csv(PATH)
SEPARATE = COVERAGE[COVERAGE.run_variances == "separate"].set_index("scenario")
FIVE = [name for name, (n_runs, n_items, *_) in SCENARIOS.items() if n_runs == (5, 5) and n_items == 60]


def sides(rows):
    wide = rows.pivot(index=["condition", "run"], columns="item", values="shift")
    return wide.loc["treatment"].to_numpy(), wide.loc["control"].to_numpy()


def draw(rng, runs=(5, 5), items=60, effect=0.0, sd_run=0.15, sd_item=0.5, sd_slope=0.3, sd_error=0.3):
    return simulate(rng, Components.from_sds(sd_run, sd_item, sd_slope, sd_error), runs, items, effect)


def p_value(fit, truth=0.0):
    return 2 * stats.t.sf(abs(fit.estimate - truth) / fit.se, fit.df)


@pytest.mark.parametrize(("name", "model"), list(FITTED.index))
def test_agrees_with_lmer_and_emmeans(name, model):
    domains = DATA[name].groupby("item")["domain"].first().to_numpy() if model == "domains" else None
    fit, expected = fit_crossed(*sides(DATA[name]), model == "pooled", domains), FITTED.loc[name, model]
    assert fit.estimate == pytest.approx(expected.estimate, rel=1e-5)
    assert fit.se == pytest.approx(expected.se, rel=1e-4)
    assert fit.df == pytest.approx(expected.df, rel=0.001)
    assert p_value(fit) == pytest.approx(expected.p_value, rel=0.01)
    assert fit.singular == expected.singular
    assert fit.var_residual == pytest.approx(expected.var_residual, rel=1e-3)
    var_run = expected[["var_run_control", "var_run_treatment"]].to_numpy(float)
    assert fit.var_run == pytest.approx(var_run, rel=1e-2, abs=1e-6)
    half_width = stats.t.ppf(0.975, fit.df) * fit.se
    assert fit.estimate - half_width == pytest.approx(expected.emmeans_low, rel=1e-2)


def test_fixtures_hold_each_kind_of_data():
    exact = {name: not pd.isna(np.vstack(sides(rows))).any() for name, rows in DATA.items()}
    for model in ("pooled", "separate"):
        singular = FITTED.xs(model, level="model").singular
        assert {(exact[name], bool(singular[name])) for name in singular.index} == {
            (True, True), (True, False), (False, True), (False, False),
        }  # fmt: skip


def in_domains(rng, runs, per_domain, share, domains=6, sd_run=0.2, sd_item=0.6, sd_slope=0.5, sd_error=0.4):
    """Two panels without an effect; `share` of the items' and slopes' variance lies between domains."""
    of = np.repeat(np.arange(domains), per_domain)

    def spread(sd):
        between, within = rng.standard_normal(domains)[of], rng.standard_normal(len(of))
        return sd * (np.sqrt(share) * between + np.sqrt(1 - share) * within)

    item, slope = spread(sd_item), spread(sd_slope)
    sides = [
        sign * slope / 2
        + item
        + sd_run * rng.standard_normal((runs, 1))
        + sd_error * rng.standard_normal((runs, len(of)))
        for sign in (1, -1)
    ]
    return *sides, of


def test_domains_as_a_random_factor_keep_the_level_that_is_lost_without_them():
    """Half of the slope variance between six domains: a test of new items calls it an effect far too often."""
    rng, rejected = np.random.default_rng(0), []
    for _ in range(150):
        treatment, control, domains = in_domains(rng, 3, 20, 0.5, sd_run=0.05)
        fits = [fit_crossed(treatment, control), fit_crossed(treatment, control, domains=domains)]
        rejected.append([p_value(fit) < 0.05 for fit in fits])
    without, with_domains = np.mean(rejected, axis=0)
    assert without > 0.2 and with_domains < 0.1


def test_domains_without_variance_leave_the_fit_as_it_is():
    for seed in range(10):
        treatment, control, domains = in_domains(np.random.default_rng(seed), 3, 4, 0.0)
        with_domains, without = fit_crossed(treatment, control, domains=domains), fit_crossed(treatment, control)
        if not with_domains.cov_domain.any():
            assert with_domains.df == pytest.approx(without.df, rel=1e-6)
            assert with_domains.se == pytest.approx(without.se, rel=1e-9)
            return
    raise AssertionError("no fit without variance over domains among ten")


def test_balanced_equals_the_quasi_f_of_an_explicit_anova():
    treatment, control = draw(np.random.default_rng(3), effect=0.4)
    y = np.stack([control, treatment])  # [condition, run, item]
    _, n, m = y.shape
    grand, cell = y.mean(axis=(1, 2), keepdims=True), y.mean(axis=1, keepdims=True)
    run, item = y.mean(axis=2, keepdims=True), y.mean(axis=(0, 1), keepdims=True)
    ms_condition = n * m * ((grand - y.mean()) ** 2).sum()
    ms_runs = m * ((run - grand) ** 2).sum(axis=(1, 2)) / (n - 1)
    ms_slope = n * ((cell - grand - item + y.mean()) ** 2).sum() / (m - 1)
    ms_error = ((y - run - cell + grand) ** 2).sum() / (2 * (n - 1) * (m - 1))
    assert min(*ms_runs, ms_slope) > ms_error  # inside the boundary: the textbook case
    denominator = ms_runs.mean() + ms_slope - ms_error
    others = ms_slope**2 / (m - 1) + ms_error**2 / (2 * (n - 1) * (m - 1))
    run_parts = {True: ms_runs.mean() ** 2 / (2 * (n - 1)), False: ((ms_runs / 2) ** 2).sum() / (n - 1)}
    for pooled, part in run_parts.items():
        fit = fit_crossed(treatment, control, pooled_runs=pooled)
        assert fit.exact
        assert (fit.estimate / fit.se) ** 2 == pytest.approx(ms_condition / denominator, rel=1e-10)
        assert fit.df == pytest.approx(denominator**2 / (part + others), rel=1e-10)


def test_variance_components_agree_with_statsmodels():
    treatment, control = draw(np.random.default_rng(5), runs=(4, 4), items=12, effect=0.4, sd_run=0.4)
    y = np.concatenate([control, treatment])
    run, item = np.indices(y.shape)
    data = pd.DataFrame(
        {"y": y.ravel(), "x": (run >= 4).ravel().astype(float), "run": run.ravel(), "item": item.ravel()}
    )
    data["cell"] = data["item"].astype(str) + "/" + data["x"].astype(str)
    # statsmodels knows variance components only: item + item-by-condition, so compare where that is the same fit.
    both = (treatment.mean(axis=0).var() + control.mean(axis=0).var()) / 2
    for side in (treatment, control):
        centred = side.mean(axis=0) - side.mean()
        side += centred * (np.sqrt(both) / centred.std() - 1)
    data["y"] = np.concatenate([control, treatment]).ravel()
    components = {"run": "0 + C(run)", "item": "0 + C(item)", "cell": "0 + C(cell)"}
    model = MixedLM.from_formula("y ~ x", groups=np.ones(len(data)), vc_formula=components, data=data)
    expected = model.fit(reml=True)
    fit = fit_crossed(treatment, control, pooled_runs=True)
    assert fit.estimate == pytest.approx(expected.params["x"], rel=1e-6)
    assert fit.se == pytest.approx(expected.bse["x"], rel=2e-3)
    assert fit.var_residual == pytest.approx(expected.scale, rel=2e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize(
    "sds", [{}, {"sd_run": 0.0}, {"sd_slope": 0.0}, {"sd_item": 0.0, "sd_slope": 0.0}, {"sd_run": (0.4, 0.02)}]
)
def test_iterative_fit_finds_the_exact_solution(seed, sds, pooled):
    data = draw(np.random.default_rng(seed), runs=(3, 4), items=20, **sds)
    exact, iterative = fit_crossed(*data, pooled), fit_reml(*data, pooled)
    assert exact.exact and not iterative.exact
    assert iterative.estimate == pytest.approx(exact.estimate, abs=1e-8)
    assert iterative.se == pytest.approx(exact.se, rel=1e-3)
    assert iterative.df == pytest.approx(exact.df, rel=0.01)
    assert iterative.var_run == pytest.approx(exact.var_run, rel=0.01, abs=1e-4)
    assert iterative.var_total == pytest.approx(exact.var_total, rel=1e-3)


def test_an_item_excluded_everywhere_leaves_the_exact_solution():
    treatment, control = draw(np.random.default_rng(1), items=10)
    without = fit_crossed(treatment[:, 1:], control[:, 1:])
    treatment[:, 0] = control[:, 0] = np.nan
    fit = fit_crossed(treatment, control)
    assert fit.exact and (fit.estimate, fit.se, fit.df) == (without.estimate, without.se, without.df)


def test_rescaling_and_shifting_change_nothing_but_the_scale():
    treatment, control = draw(np.random.default_rng(2), items=15)
    treatment[0, 0] = np.nan
    fit, other = fit_crossed(treatment, control), fit_crossed(100 * treatment + 7, 100 * control + 7)
    assert other.estimate == pytest.approx(100 * fit.estimate, rel=1e-5)
    assert other.se == pytest.approx(100 * fit.se, rel=1e-5)
    assert other.df == pytest.approx(fit.df, rel=1e-3)


def test_unbalanced_intervals_cover_too():
    rng, covered = np.random.default_rng(12), []
    for _ in range(300):
        data = draw(rng, runs=(5, 4), items=40, effect=0.3)
        for side in data:
            side[rng.random(side.shape) < 0.05] = np.nan
        covered.append(p_value(fit_crossed(*data), 0.3) > 0.05)
    assert 0.92 <= np.mean(covered) <= 0.98  # 95 % +- 2.4 binomial standard errors


def test_items_as_the_only_unit_reject_far_too_often():
    """The reason for all this: with no effect but run noise, a t over items finds one."""
    rng = np.random.default_rng(13)
    over_items, over_both = [], []
    for _ in range(300):
        treatment, control = draw(rng, runs=(3, 3), items=60)
        over_items.append(stats.ttest_rel(treatment.mean(axis=0), control.mean(axis=0)).pvalue < 0.05)
        over_both.append(p_value(fit_crossed(treatment, control)) < 0.05)
    assert np.mean(over_items) > 0.25
    assert np.mean(over_both) < 0.08


def test_five_runs_and_sixty_items_keep_coverage_and_level():
    rates = SEPARATE.loc[FIVE]
    assert (rates.simulations == 2000).all()
    assert rates.coverage.between(0.93, 0.97).all()
    assert rates.type_i.between(0.04, 0.06).all()


def test_three_runs_are_conservative_where_sides_vary_alike_and_reject_up_to_nine_percent_where_not():
    """A/A comparisons of one condition can't show the second."""
    rates = SEPARATE.loc[["three runs", "three unequal runs"]]
    assert (rates.simulations == 2000).all()
    assert 0.025 < rates.type_i["three runs"] < 0.05 < rates.type_i["three unequal runs"]
    assert rates.type_i_high["three unequal runs"] < 0.09 and rates.coverage_low["three unequal runs"] > 0.905


def test_separate_run_variances_reject_less_where_runs_differ_and_lose_little_where_they_do_not():
    pooled = COVERAGE[COVERAGE.run_variances == "pooled"].set_index("scenario").type_i
    for name in ("unequal runs", "three unequal runs"):
        assert SEPARATE.type_i[name] < pooled[name] - 0.01
    assert (SEPARATE.type_i["even"] - pooled["even"]) > -0.01


@pytest.mark.parametrize("name", ["even", "unequal runs", "three runs", "three unequal runs"])
def test_the_committed_rates_are_found_again(name):
    """By studies that are not among those behind the committed rates."""
    count = 400
    for column, hits in (
        ("coverage", p_values(name, False, EFFECT, count, first=SIMULATIONS) >= ALPHA),
        ("type_i", p_values(name, False, 0.0, count, first=SIMULATIONS) < ALPHA),
    ):
        # Both rates are counts of independent studies: are they of one probability?
        committed = round(SEPARATE[column][name] * SIMULATIONS)
        both = [[int(hits.sum()), count - int(hits.sum())], [committed, SIMULATIONS - committed]]
        assert stats.fisher_exact(both).pvalue > 0.005
