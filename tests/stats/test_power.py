"""Power from variance components: against a t test, simulation, and in order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from support.synthetic_items import claim, settings, study

from priorshift.stats.claims import estimate_claims
from priorshift.stats.crossed import CrossedFit, fit_crossed
from priorshift.stats.power import (
    CHECKPOINT_POWER,
    POWER,
    compute_power,
    count_runs_needed,
    estimate_checkpoint_power,
    estimate_power,
)
from priorshift.stats.simulation import Components, simulate


def fitted(components):
    variances = (components.var_run, components.cov_item, components.var_residual)
    return CrossedFit(0.0, 1.0, 1.0, *variances, exact=True, singular=False, cov_domain=np.zeros((2, 2)))


def test_without_items_in_play_it_is_the_power_of_a_t_test():
    """Run variance alone: a two-sample t over runs."""
    made = compute_power(fitted(Components.from_sds(0.5, 0.3, 0.0, 1e-9)), 6, 40, 0.8, 0.05)
    assert made["df"] == pytest.approx(10)
    assert made["power"] == pytest.approx(TTestIndPower().power(0.8 / 0.5, 6, 0.05), abs=1e-6)


@pytest.mark.parametrize(("n_runs", "n_items", "effect"), [(5, 40, 0.3), (4, 12, 0.5)])
def test_power_is_how_often_simulated_studies_find_the_effect(n_runs, n_items, effect):
    components, rng, count = Components.from_sds((0.1, 0.25), 0.5, 0.4, 0.3), np.random.default_rng(3), 600
    fits = [fit_crossed(*simulate(rng, components, (n_runs, n_runs), n_items, effect)) for _ in range(count)]
    found = np.mean([2 * stats.t.sf(abs(fit.estimate) / fit.se, fit.df) < 0.05 for fit in fits])
    expected = compute_power(fitted(components), n_runs, n_items, effect, 0.05)["power"]
    assert 0.3 < expected < 0.95
    assert found == pytest.approx(expected, abs=0.07)  # 3 binomial standard errors, and Satterthwaite's


def test_more_runs_and_items_lose_no_power_and_the_least_enough_is_named():
    declared = settings(smallest_effect=0.25)
    table = estimate_power(study(), declared)
    assert list(table.columns) == POWER and np.isfinite(table.select_dtypes("number").to_numpy()).all()
    key = POWER[:7]
    for _, part in table.groupby(key):
        grid = part.pivot(index="n_runs", columns="n_items", values="power").to_numpy()
        # With two runs a side more items leave fewer degrees of freedom, and may cost a little power.
        assert (np.diff(grid, axis=0) > -1e-9).all() and (np.diff(grid, axis=1) > -0.01).all()
    needed = count_runs_needed(table)
    assert len(needed) == 14
    row = needed[needed.n_runs > 2].iloc[0]
    mine = table[(table[key] == row[key]).all(axis=1) & (table.n_items == row.n_items)].set_index("n_runs").power
    assert mine[row.n_runs] >= 0.8 > mine[row.n_runs - 1]


def test_power_over_checkpoints_is_that_of_a_t_test_and_of_two_one_sided_ones():
    """Simulated checkpoints, with the shift and without any, tested by their definition."""
    declared_claims = [claim("depression", "loss", worlds=["coupled"])]
    declared_claims += [claim("depression", "loss", claim="equivalence", worlds=["decoupled"])]
    effect = 0.4  # about the SD of these checkpoints: neither hopeless nor certain
    declared, rng = settings(claims=declared_claims, smallest_effect=effect), np.random.default_rng(0)
    made = estimate_claims(study(), declared)
    table = estimate_checkpoint_power(made["contrasts"], made["equivalence"], declared)
    assert list(table.columns) == CHECKPOINT_POWER and np.isfinite(table["power"]).all()
    assert table.groupby("claim", sort=False)["world"].first().to_dict() == {
        "shift": "coupled", "equivalence": "decoupled",
    }  # fmt: skip
    shift = table[table["claim"] == "shift"].set_index("n_checkpoints")
    pairs = made["contrasts"].query("unit == 'both' and condition == 'depression' and control == 'neutral'")
    means = pairs.query("outcome == 'loss' and world == 'coupled'")["estimate"]
    assert shift["sd"].iloc[0] == pytest.approx(means.std(ddof=1), rel=1e-4)
    for n in (3, 8):
        drawn = rng.normal(effect, shift["sd"][n], (20_000, n))
        found = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
        assert shift["power"][n] == pytest.approx(found, abs=0.015)
    null = table[table["claim"] == "equivalence"].set_index("n_checkpoints")
    for n in (3, 4, 6):
        drawn = rng.normal(0, null["sd"][n], (20_000, n))
        se, quantile = drawn.std(axis=1, ddof=1) / np.sqrt(n), stats.t.ppf(0.95, n - 1)
        shown = (np.abs(drawn.mean(axis=1)) + quantile * se < effect).mean()
        assert null["power"][n] == pytest.approx(shown, abs=0.015)


def test_a_huge_effect_is_found_as_its_limit_says():
    """Both sides of noncentrality 30 agree, and two runs a side are not certain to find even that."""
    fit = fitted(Components.from_sds((0.0, 0.5), 0.3, 0.0, 1e-6))
    se = compute_power(fit, 2, 10, 1.0, 0.05)["se"]
    below, above = (compute_power(fit, 2, 10, centre * se, 0.05) for centre in (29.9, 30.1))
    assert below["df"] == pytest.approx(1)
    assert above["power"] == pytest.approx(below["power"], abs=2e-3) and 0.97 < above["power"] < 0.99


def test_an_effect_out_of_reach_is_said_to_be():
    table = estimate_power(study(models=[("m", "m", "")]), settings(smallest_effect=0.001))
    needed = count_runs_needed(table)
    assert (needed.n_runs == 0).all() and (needed.power < 0.8).all()
    assert count_runs_needed(pd.DataFrame(columns=POWER)).empty
