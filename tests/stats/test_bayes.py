"""Bayesian fits of a small study: beside its tests, shrunk by their priors, and refused where they are not sound."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support.synthetic_items import base_models, claim, panel, row, settings, study

from priorshift.errors import UserError
from priorshift.stats.bayes import BAYES, describe_posterior, fit_claims, list_faults
from priorshift.stats.bayes_data import summarize_crossed
from priorshift.stats.bayes_model import Posterior, Scales, sample_posterior
from priorshift.stats.contrasts import estimate_contrasts
from priorshift.stats.crossed import fit_crossed
from priorshift.stats.intervals import t_interval
from priorshift.stats.simulation import Components, simulate

UP = [claim("depression", "loss", direction="increase", worlds=["coupled", ""])]
SETTINGS = settings(claims=UP, controls=["neutral"])
PRIOR = SimpleNamespace(scale=0.5, effect_scale=5.0, draws=500)
MODELS = [*base_models(checkpoints=3, hub=False), ("hub/model", "hub/model", "")]
ITEMS = study(models=MODELS)
TABLE = fit_claims(ITEMS, SETTINGS, PRIOR)


def test_each_declared_contrast_has_a_row_beside_its_test():
    assert list(TABLE.columns) == BAYES and (TABLE.role == "exploratory").all()
    assert TABLE.groupby("unit").size().to_dict() == {"base": 2, "both": 7}
    contrasts = estimate_contrasts(ITEMS, SETTINGS, ["depression"])
    for made in TABLE.to_dict("records"):
        names = ("base_model", "world", "condition", "control", "outcome", "unit")
        tested = row(contrasts, **{name: made[name] for name in names})
        assert (made["t_estimate"], made["t_low"], made["t_high"]) == pytest.approx(
            (tested.estimate, tested.ci_low, tested.ci_high)
        )
        assert made["n_runs"] == tested.n_runs and made["n_items"] == tested.n_items == 8


def test_sound_fits_find_what_was_put_in():
    sound = TABLE[TABLE.sound]
    assert len(sound) >= 8 and (sound.divergences == 0).all() and (sound.rhat <= 1.01).all()
    assert ((sound.ci_low < sound.estimate) & (sound.estimate < sound.ci_high)).all()
    moved, still = (sound[sound.world.isin(worlds)] for worlds in (["coupled", ""], ["decoupled"]))
    assert (moved.p_direction > 0.95).all() and (moved.p_within < 0.05).all() and (moved.direction == "increase").all()
    assert still.p_direction.isna().all() and (still.p_within > 0.5).all()


def test_much_data_outweighs_the_prior():
    components = Components.from_sds((0.1, 0.4), 0.5, 0.3, 0.3)
    treatment, control = simulate(np.random.default_rng(0), components, (40, 40), 60, effect=0.3)
    effect = sample_posterior(summarize_crossed(treatment, control), Scales(0.5, 5.0), 500, 500).draws["effect[0]"]
    fit = fit_crossed(treatment, control)
    low, high, _ = t_interval(fit.estimate, fit.se, fit.df, 0.05)
    assert np.median(effect) == pytest.approx(fit.estimate, abs=0.1 * fit.se)
    assert np.quantile(effect, [0.025, 0.975]) == pytest.approx([low, high], abs=0.25 * fit.se)


def test_a_run_again_gives_the_same_draws():
    sides = [panel(ITEMS, "hub/model", name, "loss") for name in ("depression", "neutral")]
    one, two = (sample_posterior(summarize_crossed(*sides), Scales(0.5, 5.0), 500, 500) for _ in range(2))
    assert all(np.array_equal(one.draws[name], two.draws[name]) for name in one.draws)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rhat": 1.02}, "R-hat 1.020"),
        ({"rhat": np.nan}, "R-hat nan"),
        ({"ess": 90.0}, "effective sample size 90"),
        ({"divergences": 3}, "3 divergences"),
    ],
)
def test_unsound_draws_give_no_number_and_no_verdict(changes, said):
    draws = {"effect[0]": np.random.default_rng(0).normal(2.0, 0.1, (4, 500))}
    good = Posterior(draws, rhat=1.0, ess=1500.0, divergences=0)
    made = describe_posterior(good, SETTINGS, "increase")
    assert made["sound"] and made["verdict"] == "above 0" and made["p_direction"] == 1.0 and not list_faults(good)
    assert describe_posterior(good, SETTINGS, "decrease")["p_direction"] == 0.0
    bad = describe_posterior(good._replace(**changes), SETTINGS, "increase")
    assert bad["verdict"] == f"none, not sound: {said}" and not bad["sound"]
    assert np.isnan([bad[name] for name in ("estimate", "ci_low", "ci_high", "p_direction", "p_within")]).all()


@pytest.mark.parametrize(
    ("centre", "sd", "verdict"),
    [(0.0, 0.1, "within the smallest effect"), (-0.3, 0.05, "below 0, within the smallest effect"), (0.3, 0.5, "open")],
)
def test_a_verdict_says_the_side_and_the_size(centre, sd, verdict):
    draws = {"effect[0]": np.random.default_rng(0).normal(centre, sd, (4, 500))}
    made = describe_posterior(Posterior(draws, 1.0, 2000.0, 0), SETTINGS, "")
    assert made["verdict"] == verdict and np.isnan(made["p_direction"])


def test_without_the_extra_one_line_says_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    monkeypatch.delitem(sys.modules, "priorshift.stats.bayes_model")
    monkeypatch.delattr("priorshift.stats.bayes_model", raising=False)
    with pytest.raises(UserError, match=r"numpyro is missing; pip install 'priorshift\[bayes\]'") as caught:
        fit_claims(ITEMS, SETTINGS, PRIOR)
    assert "\n" not in str(caught.value)


def test_the_room_is_imported_without_the_extra():
    blocked = "import sys; sys.modules.update(jax=None, numpyro=None, arviz_stats=None)"
    code = f"{blocked}; import priorshift.stats.bayes, priorshift.stats.bayes_level"
    subprocess.run([sys.executable, "-c", code], check=True)
