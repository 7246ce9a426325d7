"""The check by simulation: of a few data sets, and against draws that are known to be wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.bayes_level import LEVEL, RANKS

from priorshift.stats import bayes_level
from priorshift.stats.bayes_level import BAYES_LEVEL, BAYES_RANKS, DESIGNS, simulate_coverage
from priorshift.stats.bayes_model import Posterior, Scales
from priorshift.study.inference import Bayes

PRIOR = SimpleNamespace(scale=0.5, effect_scale=5.0, draws=500)


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bayes_level, "DESIGNS", DESIGNS[2:])
        return simulate_coverage(PRIOR, 40)


def test_intervals_over_checkpoints_hold_the_truth(tables):
    level, ranks = tables
    assert list(level.columns) == BAYES_LEVEL and list(ranks.columns) == BAYES_RANKS
    assert set(level.quantity) == {"effect", "SD of runs of the treatment", "SD of base checkpoints"}
    assert ((level.ci_low <= level.coverage) & (level.coverage <= level.ci_high)).all()
    # Of forty, a right fit misses these with less than one in ten thousand.
    assert level[level.level == 0.95].coverage.min() > 0.8 and (level.p_uniform > 1e-4).all()
    effect = level.query("quantity == 'effect' and level == 0.95").iloc[0]
    assert effect.median_width < effect.t_median_width


def test_the_committed_check_finds_nothing_wrong():
    """tests/support/bayes_level.py made it. Its tests are many, so each is held to a twentieth of a percent."""
    level, ranks, prior = pd.read_csv(LEVEL), pd.read_csv(RANKS), Bayes()
    assert list(level.columns) == BAYES_LEVEL and list(ranks.columns) == BAYES_RANKS
    assert set(level[["unit", "domains"]].itertuples(index=False, name=None)) == {("both", 0), ("both", 6), ("base", 0)}
    assert set(level.simulations) == {prior.simulations} and set(level.prior_sd) == {prior.scale}
    assert (level.unsound <= 0.02 * level.simulations).all() and level.p_uniform.min() > 5e-4
    for row in level.itertuples():
        assert stats.binomtest(row.covered, row.simulations, row.level).pvalue > 5e-4
    assert ((ranks.band_low <= ranks.ecdf) & (ranks.ecdf <= ranks.band_high)).mean() > 0.95
    # Shrinkage shortens the tails: intervals of 50 % are as wide as the t test's.
    [base] = level.query("quantity == 'effect' and unit == 'base' and level == 0.95").itertuples()
    assert base.median_width < 0.8 * base.t_median_width


def test_a_wrong_posterior_is_found_out(monkeypatch):
    """Intervals of half their width, and a shift: neither ranks nor coverage are right."""

    def sample(data, scales, draws, warmup, seed):
        rng, (start, width) = np.random.default_rng(seed), (np.atleast_1d(x)[-1] for x in (data.start, data.width))
        wrong = {"effect[0]": start + 1 + 0.1 * width * rng.standard_normal((4, 250))}
        return Posterior(wrong, 1.0, 1000.0, 0)

    fake = SimpleNamespace(Scales=Scales, sample_posterior=sample)
    monkeypatch.setattr(bayes_level, "load_sampler", lambda: fake)
    level, ranks = simulate_coverage(PRIOR, 60)
    assert (level.p_uniform < 1e-3).all() and level[level.level == 0.95].ci_high.max() < 0.9
    assert ((ranks.ecdf < ranks.band_low) | (ranks.ecdf > ranks.band_high)).any()


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: f"{design.unit}-{design.domains}")
def test_panels_vary_as_the_true_values_say(design):
    """Over many data sets, estimates scatter about the true effects by their standard errors."""
    rng = np.random.default_rng(1)
    made = [bayes_level.simulate_design(rng, design, PRIOR) for _ in range(300)]
    t = np.array([(one.tested.estimate - one.truth["effect[0]"]) / one.tested.se for one in made])
    assert abs(np.median(t)) < 0.25 and 0.4 < np.quantile(np.abs(t), 0.5) < 1.3
    truths = np.array([one.truth["sd_run[1]"] for one in made])
    assert np.median(truths) == pytest.approx(0.765 * PRIOR.scale, rel=0.25)
