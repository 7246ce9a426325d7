"""A Bayesian fit of each declared contrast, beside its test: shrinkage where three runs hardly tell a variance.

The priors are weakly informative and declared (`bayes_model` says which). What comes out is exploratory: no claim
holds or fails by it. Whether its intervals can be trusted is checked by simulation (`bayes_level`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from priorshift.errors import UserError
from priorshift.stats.bayes_data import CheckpointData, CrossedData, summarize_checkpoints, summarize_crossed
from priorshift.stats.claim_panels import (
    ClaimPanels,
    estimate_base,
    estimate_both,
    list_by_base_model,
    list_by_group,
)
from priorshift.stats.declared import EXPLORATORY, KEY, SIGNS, Settings, find_direction
from priorshift.stats.domains import SAME_ITEMS, describe_domains
from priorshift.stats.panels import Row, share_items
from priorshift.stats.shared_items import NotEstimable

if TYPE_CHECKING:  # needs packages of an extra
    from priorshift.stats.bayes_model import Posterior

BAYES = [
    *KEY, "n_runs", "n_items", "domains", "t_estimate", "t_low", "t_high", "estimate", "ci_low", "ci_high", "direction",
    "p_direction", "p_within", "verdict", "rhat", "ess", "divergences", "sound", "prior_sd", "prior_effect", "draws",
    "role",
]  # fmt: skip
# Vehtari et al. (2021): beyond these the draws do not tell the posterior. Of the effect, 100 draws a chain.
GREATEST_RHAT, LEAST_ESS = 1.01, 400
Summary = CrossedData | CheckpointData


class Prior(Protocol):
    """What was declared of the fit. A study's section `inference.bayes` is one.

    scale, effect_scale : nats, of the priors of SDs and of the effect
    draws : of each chain
    """

    @property
    def scale(self) -> float: ...
    @property
    def effect_scale(self) -> float: ...
    @property
    def draws(self) -> int: ...


def fit_claims(items: pd.DataFrame, settings: Settings, prior: Prior) -> pd.DataFrame:
    """Fit each declared contrast in each base model (unit `both`) and architecture (`base`): `tables/bayes.csv`.

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`. A fit takes the items that every run measured.

    Returns
    -------
    DataFrame
        Columns `BAYES`, in nats. A row stands where the test beside it has an estimate.

        t_estimate, t_low, t_high : that test, with its 1 - alpha interval
        estimate, ci_low, ci_high : the posterior's median and equal-tailed 1 - alpha interval
        p_direction : the posterior probability of the declared direction, NaN where none was declared
        p_within : the posterior probability that the difference lies within the smallest effect
        rhat, ess : the largest R-hat of any parameter, the least effective sample size of the effect
        sound : rhat is at most `GREATEST_RHAT`, ess at least `LEAST_ESS`, and no step diverged

        Rows that are not sound have no posterior numbers, and their verdict says why.

    Raises
    ------
    UserError
        The packages of the extra `bayes` are not installed.
    """
    load_sampler()
    rows = [
        {**claim.claim, "unit": unit, **made, **_fit(claim, data, settings, prior)}
        for unit, claim, made, data in _list_fits(items, settings)
    ]
    return pd.DataFrame(rows, columns=BAYES)


def load_sampler() -> Any:
    """The module `bayes_model`, whose packages only an extra installs. A UserError where one is missing."""
    try:
        from priorshift.stats import bayes_model
    except ModuleNotFoundError as missing:
        raise UserError(
            f"inference.bayes: the package {missing.name} is missing; pip install 'priorshift[bayes]', or remove bayes "
            "from the study's file"
        ) from None
    return bayes_model


def _list_fits(items: pd.DataFrame, settings: Settings) -> Iterator[tuple[str, ClaimPanels, Row, Summary]]:
    """(unit, claim, the test beside and the numbers of runs and items, what is fitted) of each row."""
    for claim in list_by_base_model(items, settings):
        domains = claim.checkpoints[0].domains
        try:
            crossed = summarize_crossed(*claim.select_sides(), domains)
        except NotEstimable:
            continue
        if tested := estimate_both(claim, settings.alpha):
            several = len(crossed.sizes) if len(crossed.sizes) > 1 else 0
            yield "both", claim, _set_beside(tested, crossed, describe_domains(domains, several)), crossed
    for claim in list_by_group(items, settings):
        shared = ClaimPanels(claim.claim, share_items(claim.checkpoints))
        try:
            nested = summarize_checkpoints([shared.select_sides(i) for i in range(len(shared.checkpoints))])
        except NotEstimable:
            continue
        if tested := estimate_base(claim, settings.alpha):
            yield "base", claim, _set_beside(tested, nested, SAME_ITEMS), nested


def _set_beside(tested: Mapping[str, float], data: Summary, domains: str) -> Row:
    return {
        "n_runs": int(data.runs.sum()),
        "n_items": data.items,
        "domains": domains,
        "t_estimate": tested["estimate"],
        "t_low": tested["ci_low"],
        "t_high": tested["ci_high"],
    }


def _fit(claim: ClaimPanels, data: Summary, settings: Settings, prior: Prior) -> Row:
    model = load_sampler()
    scales = model.Scales(prior.scale, prior.effect_scale)
    posterior = model.sample_posterior(data, scales, prior.draws, prior.draws)
    direction = find_direction(settings, claim.claim)
    return {
        **describe_posterior(posterior, settings, direction),
        "prior_sd": prior.scale,
        "prior_effect": prior.effect_scale,
        "draws": prior.draws,
        "role": EXPLORATORY,
    }


def describe_posterior(posterior: Posterior, settings: Settings, direction: str) -> Row:
    """The columns of `BAYES` from estimate to sound."""
    unsound = list_faults(posterior)
    found = {"direction": direction, "rhat": posterior.rhat, "ess": posterior.ess, "divergences": posterior.divergences}
    numbers = dict.fromkeys(("estimate", "ci_low", "ci_high", "p_direction", "p_within"), np.nan)
    if unsound:
        return {**numbers, **found, "verdict": f"none, not sound: {', '.join(unsound)}", "sound": False}
    effect = posterior.draws["effect[0]"].ravel()
    low, middle, high = np.quantile(effect, [settings.alpha / 2, 0.5, 1 - settings.alpha / 2])
    numbers |= {"estimate": middle, "ci_low": low, "ci_high": high}
    numbers["p_within"] = float(np.mean(np.abs(effect) < settings.smallest_effect))
    if direction:
        numbers["p_direction"] = float(np.mean(effect * SIGNS[direction] > 0))
    return {**numbers, **found, "verdict": _judge(numbers, settings.alpha), "sound": True}


def list_faults(posterior: Posterior) -> list[str]:
    """What is wrong with a fit's draws. Empty where they can be trusted."""
    faults = [f"R-hat {posterior.rhat:.3f}"] if not posterior.rhat <= GREATEST_RHAT else []
    faults += [f"effective sample size {posterior.ess:.0f}"] if not posterior.ess >= LEAST_ESS else []
    return faults + ([f"{posterior.divergences} divergences"] if posterior.divergences else [])


def _judge(numbers: Mapping[str, float], alpha: float) -> str:
    """Which side of 0 the interval lies on, and whether the difference lies within the smallest effect."""
    said = [
        *(["above 0"] if numbers["ci_low"] > 0 else []),
        *(["below 0"] if numbers["ci_high"] < 0 else []),
        *(["within the smallest effect"] if numbers["p_within"] > 1 - alpha else []),
    ]
    return ", ".join(said) or "open"
