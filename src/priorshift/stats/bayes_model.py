"""The Bayesian fit of one contrast, by NumPyro's NUTS: the models of units `both` and `base` with priors on their SDs.

With three runs a side, or three checkpoints, a variance is hardly known from the data alone. Student's t pays for that
with wide intervals. Here each SD has a weakly informative prior: a half-t with 3 degrees of freedom (Gelman 2006,
Bayesian Anal. 1, 515). Its scale in nats is declared. Half of its mass lies below .76 scales, 95 % below 3.2.

Unit `both`, runs r of condition c, items k of domains d (the model of `crossed`)::

    y_crk = mu_c + run_cr + domain_dc + item_kc + e_crk     run_cr ~ N(0, sd_run_c)   e ~ N(0, sd_residual)
    items and domains: intercept and slope, each with an SD, and their correlation r, (r + 1) / 2 ~ Beta(2, 2)

Unit `base`, checkpoints b, on these items: the difference of a checkpoint is N(effect, sd_base), its runs about it
N(0, sd_run_c). The effect and the mean of both conditions have a t prior with 3 degrees of freedom.

Runs, items and domains are integrated out, and the means and SDs alone are sampled. So no SD is tied to the effects
that it scales, from which divergences come. Sums of squares about estimated means are independent of these means. They
are v chi2(df) where v is the variance that they estimate, and Wishart where they are 2 x 2. The mean of a condition's
runs, which all its items share, is drawn beside the rest. Its SD is sd_run_c / sqrt(runs).

NumPyro is an extra of the package (`bayes`): it ships current releases for Python 3.11 and needs seven packages and no
compiler. PyMC 6 needs Python 3.12, and version 5 brings 27 packages. R-hat and effective sample sizes are ArviZ's
(Vehtari et al. 2021, Bayesian Anal. 16, 667).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from arviz_stats.base.array import array_stats
from jax import random
from numpyro.infer import MCMC, NUTS, init_to_uniform

from priorshift.stats.bayes_data import MEAN_AND_DIFFERENCE, CheckpointData, CrossedData

numpyro.enable_x64()  # JAX's default is float32
numpyro.set_platform("cpu")  # a few numbers a step: nothing for a GPU
DF = 3  # of the priors' t
CHAINS = 4
TAILS = (0.025, 0.975)  # quantiles whose effective sample sizes are asked for
ACCEPTANCE = 0.95  # target of the step size: small steps, hardly any divergence


class Scales(NamedTuple):
    """Scales of the priors, nats: of every SD, and of the effect and the mean."""

    sd: float
    effect: float


class Posterior(NamedTuple):
    """Draws of a fit, and whether they can be trusted.

    draws : name of a parameter -> [chains, draws], in nats. `effect` is treatment minus control
    rhat : the largest of any parameter
    ess : the least effective sample size of the effect, in its bulk or its tails
    divergences : over all chains
    """

    draws: dict[str, np.ndarray]
    rhat: float
    ess: float
    divergences: int


def sample_posterior(
    data: CrossedData | CheckpointData, scales: Scales, draws: int = 1000, warmup: int = 1000, seed: int = 0
) -> Posterior:
    """Draw from the posterior of one contrast. `draws` and `warmup` are of each of `CHAINS` chains.

    The first fit of data of a shape compiles the sampler (ten seconds). Others of this shape use it again.
    """
    sampled, diverging = _run(random.key(seed), data, scales, draws, warmup)
    arrays = {name: np.asarray(value) for name, value in sampled.items()}
    named = {f"{name}[{i}]": value[..., i] for name, value in arrays.items() for i in range(value.shape[-1])}
    effect = named["effect[0]"]
    sizes = [array_stats.ess(effect, method="bulk"), array_stats.ess(effect, method="tail", prob=TAILS)]
    return Posterior(
        draws=named,
        rhat=max(float(array_stats.rhat(value)) for value in named.values()),
        ess=float(min(sizes)),
        divergences=int(np.sum(diverging)),
    )


# Compiled once for each shape of data: NumPyro by itself compiles every run again.
@partial(jax.jit, static_argnums=(3, 4))
def _run(key: Any, data: CrossedData | CheckpointData, scales: Scales, draws: int, warmup: int) -> tuple[Any, Any]:
    """(name -> [chains, draws, elements], [chains, draws] whether a step diverged), all chains at once on one core."""
    kernel = NUTS(
        _choose_model(data), target_accept_prob=ACCEPTANCE, dense_mass=True, init_strategy=init_to_uniform(radius=1)
    )
    sampler = MCMC(
        kernel, num_warmup=warmup, num_samples=draws, num_chains=CHAINS, chain_method="vectorized", progress_bar=False
    )
    sampler.run(key, data, scales, extra_fields=("diverging",))
    return sampler.get_samples(group_by_chain=True), sampler.get_extra_fields(group_by_chain=True)["diverging"]


def _choose_model(data: CrossedData | CheckpointData) -> Any:
    if isinstance(data, CheckpointData):
        return model_checkpoints
    return partial(model_crossed, domains=len(data.sizes) > 1)


def model_crossed(data: CrossedData, scales: Scales, domains: bool) -> None:
    """Define the crossed model, with random domains or without, for NumPyro."""
    sd_run, sd_residual = _sample_sd("sd_run", scales, 2), _sample_sd("sd_residual", scales)
    residual = sd_residual[0] ** 2
    _add_squares("run_squares", data.run_squares, data.runs - 1, residual + data.items * sd_run**2)
    _add_squares("residual_squares", data.residual_squares, (data.runs.sum() - 2) * (data.items - 1), residual)
    noise = MEAN_AND_DIFFERENCE @ jnp.diag(residual / data.runs) @ MEAN_AND_DIFFERENCE.T
    item = _sample_covariance("item", scales) + noise
    log_det, squares = _measure(item, data.item_squares)
    numpyro.factor("item_squares", -0.5 * ((data.items - len(data.sizes)) * log_det + squares))
    spread = item / data.sizes[:, None, None] + (_sample_covariance("domain", scales) if domains else 0.0)
    centre = data.start + data.width * _sample_anywhere("centre", 2)
    off = data.centres - centre
    log_det, squares = _measure(spread, off[:, :, None] * off[:, None, :])
    numpyro.factor("centres", -0.5 * jnp.sum(log_det + squares))
    of_runs = numpyro.sample("mean_run", dist.Normal().expand([2])) * sd_run / jnp.sqrt(data.runs)
    mean, effect = centre - MEAN_AND_DIFFERENCE @ of_runs
    _add_effect_prior("mean", mean, scales)
    _add_effect_prior("effect", effect, scales)


def model_checkpoints(data: CheckpointData, scales: Scales) -> None:
    """Define the model of runs nested in base checkpoints, for NumPyro."""
    sd_run, sd_base = _sample_sd("sd_run", scales, 2), _sample_sd("sd_base", scales)
    _add_squares("run_squares", data.run_squares, data.run_df, sd_run**2)
    variance = sd_base[0] ** 2 + jnp.sum(sd_run**2 / data.runs, axis=1)
    effect = data.start + data.width * _sample_anywhere("centre", 1)[0]
    off = data.differences - effect
    numpyro.factor("differences", -0.5 * jnp.sum(jnp.log(variance) + off**2 / variance))
    _add_effect_prior("effect", effect, scales)


def _sample_sd(name: str, scales: Scales, size: int = 1) -> Any:
    half_t = dist.FoldedDistribution(dist.StudentT(DF, 0.0, scales.sd))
    return numpyro.sample(name, half_t.expand([size]))


def _sample_covariance(name: str, scales: Scales) -> Any:
    """[2, 2] of intercepts (the mean of both conditions) and slopes (their difference)."""
    intercept, slope = _sample_sd(f"sd_{name}", scales, 2)
    half = numpyro.sample(f"correlation_{name}", dist.Beta(2.0, 2.0).expand([1]))
    across = (2 * half[0] - 1) * intercept * slope
    return jnp.array([[intercept**2, across], [across, slope**2]])


def _sample_anywhere(name: str, size: int) -> Any:
    """Of no prior: `_add_effect_prior` gives what it stands for its own."""
    return numpyro.sample(name, dist.ImproperUniform(dist.constraints.real, (size,), ()))


def _add_effect_prior(name: str, value: Any, scales: Scales) -> None:
    numpyro.factor(f"prior_{name}", dist.StudentT(DF, 0.0, scales.effect).log_prob(value))
    numpyro.deterministic(name, value[None])


def _add_squares(name: str, squares: Any, df: Any, variance: Any) -> None:
    """Log density of squares that are variance x chi2(df), but for a constant."""
    numpyro.factor(name, -0.5 * jnp.sum(df * jnp.log(variance) + squares / variance))


def _measure(covariance: Any, products: Any) -> tuple[Any, Any]:
    """log|C| and tr(C^-1 P) of 2 x 2 matrices, in closed form."""
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    det = a * c - b**2
    trace = c * products[..., 0, 0] + a * products[..., 1, 1] - b * (products[..., 0, 1] + products[..., 1, 0])
    return jnp.log(det), trace / det
