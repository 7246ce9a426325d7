"""Equivalence at the declared margin and at others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from support.synthetic_items import base_models, claim, settings, study

from priorshift.stats.claims import estimate_claims
from priorshift.stats.declared import KEY
from priorshift.stats.equivalence import EQUIVALENCE_CURVE, MARGINS, add_equivalence, vary_margin

DECLARED = settings(
    smallest_effect=0.42,
    claims=[
        claim("depression", "loss"),
        claim("depression", "loss", claim="equivalence", worlds=["decoupled"]),
        claim("paranoia", "threat", claim="equivalence", worlds=["decoupled"]),
    ],
)
ITEMS = study(models=base_models(hub=False))
MADE = estimate_claims(ITEMS, DECLARED)
CURVE = MADE["equivalence_curve"]


def make_estimates(*estimates, se=0.1, df=2):
    key = dict.fromkeys(KEY, "x")
    return pd.DataFrame(
        [{**key, "outcome": str(k), "estimate": e, "se": se, "df": df} for k, e in enumerate(estimates)]
    )


def test_two_one_sided_tests_by_hand():
    made = add_equivalence(make_estimates(0.2), 0.5).iloc[0]
    assert made.p_upper == pytest.approx(stats.t.sf(3, 2)) and made.p_lower == pytest.approx(stats.t.sf(7, 2))
    assert made.p_value == made.p_upper
    assert made.ci90_high == pytest.approx(0.2 + 0.1 * stats.t.ppf(0.95, 2))


def test_the_curve_at_the_declared_margin_is_the_declared_test():
    own = CURVE[CURVE.margin == 0.42].set_index(KEY)
    table = MADE["equivalence"].query("role == 'declared'").set_index(KEY)
    assert len(own) == 2 and set(own.role) == {"declared"}
    for name in ("p_value", "p_adjusted", "estimate"):
        assert own[name].to_numpy() == pytest.approx(table.loc[own.index, name].to_numpy(), rel=1e-12)
    assert (own.equivalent == table.loc[own.index, "equivalent"]).all()
    assert set(CURVE[CURVE.margin != 0.42].role) == {"exploratory"}
    assert set(CURVE.margin) == {*MARGINS, 0.42} and len(CURVE) == 2 * 20
    assert (min(MARGINS), max(MARGINS)) == (0.1, 1.0)


def test_each_margin_is_corrected_with_all_declared_claims():
    others = np.array([0.001, 1.0])
    made = vary_margin(make_estimates(0.0, 0.3), others, settings(smallest_effect=0.5))
    at = made[made.margin == 0.7]
    p = [stats.t.sf(7, 2), stats.t.sf(4, 2)]
    assert at.p_value.tolist() == pytest.approx(p)
    assert at.p_adjusted.tolist() == pytest.approx(multipletests([*p, *others], method="holm")[1][:2])


def test_the_least_margin_is_where_it_begins_to_hold_and_never_ends():
    made = vary_margin(make_estimates(0.0, -0.3, 2.0), np.array([]), settings())
    for _, claimed in made.groupby("outcome"):
        held = claimed[claimed.equivalent].margin
        assert (claimed.margin.diff().dropna() > 0).all() and (claimed.p_value.diff().dropna() < 0).all()
        least = claimed.least_margin.unique()
        assert len(least) == 1
        assert held.tolist() == claimed.margin[claimed.margin >= least[0]].tolist()
    assert np.isnan(made[made.outcome == "2"].least_margin).all()
    # One claim alone: the margin must exceed |estimate| + t(2; .95) se = 2.92 se.
    alone = vary_margin(make_estimates(-0.3), np.array([]), settings())
    assert alone.least_margin.unique().tolist() == [0.6]


def test_without_declared_equivalences_there_is_no_curve():
    made = estimate_claims(ITEMS, settings())["equivalence_curve"]
    assert made.empty and list(made.columns) == EQUIVALENCE_CURVE
