"""Random effects over base models: against metafor's numbers, against simulation, and over which base models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.tests.results.results_meta import exk1_metafor
from support.synthetic_items import CONDITIONS, panel, row, study

from priorshift.stats.meta_analysis import ALL, META_ANALYSIS, META_ANALYSIS_MODELS, combine, combine_models
from priorshift.stats.welch import welch

PAIRS = [("depression", "neutral"), ("paranoia", "neutral")]
HUB = [(f"hub/{i}", f"hub/{i}", "") for i in range(4)]
EMBEDDED = [(f"{kind}-{i}", kind, "coupled") for kind in ("llama", "gpt_neox") for i in range(3)]
ITEMS = study(models=[*HUB, *EMBEDDED])
TABLE, MODELS = combine_models(ITEMS, PAIRS, 0.05)


def test_paule_mandel_is_that_of_metafor():
    """Kacker's (2004) data, fitted by metafor's rma(method="PM"); statsmodels ships its numbers."""
    made = combine(exk1_metafor.yi, np.sqrt(exk1_metafor.vi), 0.05)
    assert made.estimate == pytest.approx(exk1_metafor.b, rel=1e-9)
    assert made.tau**2 == pytest.approx(exk1_metafor.tau2, rel=1e-8)
    assert (made.se, made.q, made.q_p_value) == pytest.approx(
        (exk1_metafor.se, exk1_metafor.QE, exk1_metafor.QEp), rel=1e-8
    )
    reach = stats.t.ppf(0.975, 7) * np.hypot(made.tau, made.se)  # nine studies
    assert (made.predict_low, made.predict_high) == pytest.approx((made.estimate - reach, made.estimate + reach))


def test_it_is_statsmodels_where_that_converges():
    rng = np.random.default_rng(0)
    for _ in range(20):
        k = int(rng.integers(2, 9))
        estimates, ses = rng.normal(0, 1, k), rng.uniform(0.1, 0.6, k)
        made, other = combine(estimates, ses, 0.05), combine_effects(estimates, ses**2, method_re="pm")
        assert made.tau**2 == pytest.approx(other.tau2, rel=1e-2, abs=1e-9)
        assert made.estimate == pytest.approx(other.mean_effect_re, abs=1e-4)
        scale = max(other.scale_hksj_re, 1.0)
        assert made.se == pytest.approx(other.sd_eff_w_re * np.sqrt(scale), rel=1e-3)
        assert made.weights == pytest.approx(other.weights_rel_re, abs=1e-3)


def test_equal_standard_errors_give_the_plain_t():
    estimates = np.array([0.2, 0.9, 1.6, 0.1])
    made = combine(estimates, np.full(4, 0.05), 0.05)
    assert (made.estimate, made.se, made.df) == pytest.approx((estimates.mean(), stats.sem(estimates), 3))
    assert made.tau**2 == pytest.approx(estimates.var(ddof=1) - 0.05**2)


def test_the_profile_of_tau_holds_what_q_allows():
    """Its limits are the tau at which the generalized Q is the quantile of chi-squared."""
    rng = np.random.default_rng(1)
    estimates, ses = rng.normal(0, 1, 6), np.full(6, 0.2)
    made = combine(estimates, ses, 0.05)
    for tau, p in ((made.tau_low, 0.975), (made.tau_high, 0.025)):
        weights = 1 / (ses**2 + tau**2)
        q = float(weights @ (estimates - weights @ estimates / weights.sum()) ** 2)
        assert q == pytest.approx(stats.chi2.ppf(p, 5), rel=1e-6)


def test_constants_scale_and_order_change_nothing():
    rng = np.random.default_rng(2)
    estimates, ses, order = rng.normal(0, 1, 5), rng.uniform(0.2, 0.5, 5), rng.permutation(5)
    made = combine(estimates, ses, 0.05)
    moved = combine(1e4 * estimates[order] + 7e4, 1e4 * ses[order], 0.05)
    assert moved.estimate == pytest.approx(1e4 * made.estimate + 7e4)
    assert [moved.se, moved.tau, moved.tau_low, moved.tau_high] == pytest.approx(
        [1e4 * made.se, 1e4 * made.tau, 1e4 * made.tau_low, 1e4 * made.tau_high], rel=1e-6
    )
    assert (moved.q, moved.i2) == pytest.approx((made.q, made.i2)) and moved.weights == pytest.approx(
        made.weights[order]
    )


def test_models_that_agree_do_not_differ_and_two_predict_nothing():
    made = combine(np.array([1.0, 1.0]), np.array([0.1, 0.3]), 0.05)
    assert made.tau == made.tau_low == made.q == made.i2 == 0 and np.isnan([made.predict_low, made.predict_high]).all()
    assert made.se == pytest.approx(1 / np.sqrt(1 / 0.01 + 1 / 0.09))  # never narrower than at scale 1


def test_intervals_cover_a_mean_and_a_further_model():
    rng, held = np.random.default_rng(3), np.zeros(2)
    for _ in range(150):
        truth = 0.5 + 0.3 * rng.standard_normal(7)
        tested = [welch(t + 0.15 * rng.standard_normal(3), 0.15 * rng.standard_normal(3)) for t in truth[:6]]
        made = combine(np.array([t.estimate for t in tested]), np.array([t.se for t in tested]), 0.05)
        held += [
            abs(made.estimate - 0.5) <= stats.t.ppf(0.975, made.df) * made.se,
            made.predict_low <= truth[6] <= made.predict_high,
        ]
    for count in held:
        low, high = stats.binomtest(int(count), 150).proportion_ci(0.99)
        assert low < 0.95 < high + 0.02


def test_hub_models_worlds_and_architectures_are_combined():
    assert list(TABLE.columns) == META_ANALYSIS and list(MODELS.columns) == META_ANALYSIS_MODELS
    assert TABLE.groupby(["base_model", "world"])["n_models"].agg(["size", "min", "max"]).to_dict("index") == {
        (ALL, ""): {"size": 6, "min": 4, "max": 4}, (ALL, "coupled"): {"size": 6, "min": 6, "max": 6},
        ("gpt_neox", "coupled"): {"size": 6, "min": 3, "max": 3}, ("llama", "coupled"): {"size": 6, "min": 3, "max": 3},
    }  # fmt: skip
    assert set(TABLE.role) == {"exploratory"} and (TABLE.p_adjusted >= TABLE.p_value).all()
    assert (TABLE.n_runs == 6 * TABLE.n_models).all() and (TABLE.caution == "").all()
    assert MODELS.groupby(["over", "world", "condition", "outcome"])["weight"].sum().to_numpy() == pytest.approx(1)


def test_each_model_stands_with_its_own_welch_test():
    sides = (panel(ITEMS, "hub/2", name, "loss").mean(axis=1) for name in ("depression", "neutral"))
    made = welch(*sides)
    line = row(MODELS, base_model="hub/2", condition="depression", outcome="loss")
    assert line.estimate == pytest.approx(made.estimate)
    assert (line.ci_high - line.ci_low) / 2 == pytest.approx(stats.t.ppf(0.975, made.df) * made.se)


def test_models_are_compared_on_the_same_items_and_single_runs_left_out():
    lacking = (ITEMS.base_model == "hub/1") & (ITEMS["item"] == "item-000")
    lone = (ITEMS.base_model == "hub/3") & (ITEMS.condition == "neutral") & (ITEMS.seed > 0)
    table, models = combine_models(ITEMS[~lacking & ~lone], PAIRS[:1], 0.05)
    own = row(table, base_model=ALL, world="", outcome="loss")
    assert (own.n_models, own.n_items) == (3, 7) and own.caution.startswith("1 of 4 base models left out")
    assert "hub/3" not in set(models.base_model)


def test_one_model_or_no_item_in_common_has_no_row():
    one = study(models=HUB[:1])
    assert combine_models(one, PAIRS, 0.05)[0].empty
    two = study(models=HUB[:2])
    first = two.base_model == "hub/0"
    apart = two.assign(item=two["item"].where(first, two["item"] + "-other"))
    assert all(table.empty for table in combine_models(apart, PAIRS, 0.05))
    assert CONDITIONS[2] == "neutral"
