"""The densities of the Bayesian models against those of all cells at once, by SciPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from numpyro.infer.util import log_density
from scipy import stats
from scipy.linalg import block_diag

from priorshift.stats.bayes_data import summarize_checkpoints, summarize_crossed
from priorshift.stats.bayes_model import Scales, model_checkpoints, model_crossed

SCALES = Scales(0.7, 4.0)
TO_CONDITIONS = np.array([[1.0, -0.5], [1.0, 0.5]])  # (mean, difference) -> control, treatment


def half_t(sds):
    return float(np.sum(stats.t.logpdf(np.asarray(sds) / SCALES.sd, 3)))


def t_prior(*values):
    return sum(stats.t.logpdf(value / SCALES.effect, 3) for value in values)


def draw_point(rng, names):
    point = {name: np.abs(rng.normal(0.5, 0.2, size)) + 0.05 for name, size in names.items()}
    return point | {name: rng.uniform(0.2, 0.8, 1) for name in names if name.startswith("correlation")}


def covariance(sds, half):
    across = (2 * half[0] - 1) * sds[0] * sds[1]
    inner = np.array([[sds[0] ** 2, across], [across, sds[1] ** 2]])
    return TO_CONDITIONS @ inner @ TO_CONDITIONS.T


@pytest.mark.parametrize("n_domains", [1, 3])
def test_crossed_density_is_that_of_all_cells(n_domains):
    """Up to a constant, which the difference of two points has not."""
    rng, n_runs, m = np.random.default_rng(n_domains), (2, 3), 7
    domains = np.array([0, 0, 1, 1, 1, 2, 2]) if n_domains > 1 else np.zeros(m, dtype=int)
    control, treatment = (rng.standard_normal((n, m)) for n in n_runs)
    data = summarize_crossed(treatment, control, domains)
    names = {"sd_run": 2, "sd_residual": 1, "sd_item": 2, "correlation_item": 1, "mean_run": 2, "centre": 2}
    if n_domains > 1:
        names |= {"sd_domain": 2, "correlation_domain": 1}
    y = np.concatenate([control.ravel(), treatment.ravel()])
    side = np.repeat([0, 1], [n * m for n in n_runs])
    item = np.concatenate([np.tile(np.arange(m), n) for n in n_runs])
    found = []
    for _ in range(3):
        point = draw_point(rng, names)
        centre = data.start + data.width * point["centre"]
        # Given the mean of a condition's runs, they vary about it.
        runs = block_diag(
            *(
                sd**2 * np.kron(np.eye(n) - 1 / n, np.ones((m, m)))
                for sd, n in zip(point["sd_run"], n_runs, strict=True)
            )
        )
        cells = covariance(point["sd_item"], point["correlation_item"])[np.ix_(side, side)] * np.equal.outer(item, item)
        if n_domains > 1:
            of = domains[item]
            between = covariance(point["sd_domain"], point["correlation_domain"])
            cells = cells + between[np.ix_(side, side)] * np.equal.outer(of, of)
        noise = point["sd_residual"][0] ** 2 * np.eye(len(y))
        expected = stats.multivariate_normal.logpdf(y, (TO_CONDITIONS @ centre)[side], runs + cells + noise)
        of_runs = point["mean_run"] * point["sd_run"] / np.sqrt(n_runs)
        mean, effect = centre - [of_runs.mean(), of_runs[1] - of_runs[0]]
        expected += half_t(np.concatenate([point[name] for name in names if name.startswith("sd")]))
        expected += stats.norm.logpdf(point["mean_run"]).sum() + t_prior(mean, effect)
        expected += sum(float(stats.beta.logpdf(point[n], 2, 2)[0]) for n in names if n.startswith("corr"))
        made, _ = log_density(model_crossed, (data, SCALES, n_domains > 1), {}, point)
        found.append((float(made), expected))
    made, expected = np.array(found).T
    assert np.diff(made) == pytest.approx(np.diff(expected), rel=1e-9)


def test_density_over_checkpoints_is_that_of_all_runs():
    """Of run means freed from each checkpoint's own level, on which nothing is assumed."""
    rng, counts = np.random.default_rng(0), [(2, 3), (3, 2), (2, 2)]
    pairs = [(rng.standard_normal((t, 4)), rng.standard_normal((c, 4))) for c, t in counts]
    data, found = summarize_checkpoints(pairs), []
    for _ in range(3):
        point = draw_point(rng, {"sd_run": 2, "sd_base": 1, "centre": 1})
        effect = data.start + data.width * point["centre"][0]
        expected = half_t(np.concatenate([point["sd_run"], point["sd_base"]])) + t_prior(effect)
        for (treatment, control), (c, t) in zip(pairs, counts, strict=True):
            runs = np.concatenate([control.mean(axis=1), treatment.mean(axis=1)])
            difference = np.concatenate([np.full(c, -1 / c), np.full(t, 1 / t)])
            about = [np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1].T for n in (c, t)]
            free = np.vstack([difference, block_diag(*about)])
            spread = free @ np.diag(np.repeat(point["sd_run"] ** 2, [c, t])) @ free.T
            spread[0, 0] += point["sd_base"][0] ** 2
            centre = np.append(effect, np.zeros(c + t - 2))
            expected += stats.multivariate_normal.logpdf(free @ runs, centre, spread)
        found.append((float(log_density(model_checkpoints, (data, SCALES), {}, point)[0]), expected))
    made, expected = np.array(found).T
    assert np.diff(made) == pytest.approx(np.diff(expected), rel=1e-9)


def test_numbers_have_double_precision():
    assert jax.config.jax_enable_x64
