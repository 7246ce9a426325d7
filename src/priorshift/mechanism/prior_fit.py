"""Is a shift one of the prior, literally? Fits of each run's prior over dispositions, and their rivals.

A world says how probable each choice, interpretation, feeling and self-statement is, given a disposition. So a prior
over dispositions predicts all families at once. Four accounts of a run predict the families that they were not fitted
to, on top of what the base model expects there:

* ``policy_only`` : choices moved, and nothing else did
* ``prior`` : the prior that best explains the choices moved. Bayes' rule does the rest, without a free parameter
* ``constant_bias`` : each outcome's words became more or less probable by one factor in every family
* ``prior_and_policy`` : a prior moved, and choices moved by a policy besides. The other families tell which prior.

The last two are fitted to all families but choices and the one that is predicted. They are told more than the prior.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from priorshift.mechanism.expectations import Expectations, iterate_runs
from priorshift.mechanism.summary import UNITS, judge_equivalence, summarize
from priorshift.stats.panels import RUN
from priorshift.worlds.generator import World

CHOICE, ALL = "choice", "all"
ACCOUNTS = ("policy_only", "prior", "constant_bias", "prior_and_policy")
RIVALS = (
    ("prior", "policy_only"),
    ("prior", "constant_bias"),
    ("prior_and_policy", "prior"),
    ("prior_and_policy", "constant_bias"),
)
VALUES = ["log_score", "gain", "predicted_shift", "measured_shift", "own_prior"]
BY = ["condition", "family", "outcome", "account"]
MOST_STEPS, CLOSE = 20_000, 1e-9  # of the EM algorithm, in probability


def fit_prior(likelihoods: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit the prior under which what was seen is most probable, by the EM algorithm (Dempster et al. 1977).

    Parameters
    ----------
    likelihoods : float [n, n_dispositions], how probable each thing that was seen is, given a disposition; a common
        factor of a row changes nothing
    weights : float [n], how often each was seen, or how probable a model finds it

    Returns
    -------
    float [n_dispositions]
        It may lie on the boundary: what no mixture of dispositions reaches is explained as well as one can.

    Examples
    --------
    >>> fit_prior(np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([0.5, 0.5])).round(3)
    array([0.5, 0.5])
    """
    shares, prior = weights / weights.sum(), np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(MOST_STEPS):
        joint = prior * likelihoods
        after = shares @ (joint / joint.sum(1, keepdims=True))
        if np.abs(after - prior).max() < CLOSE:
            break
        prior = after
    return after


def fit_run_prior(families: list[Expectations], at: str) -> np.ndarray:
    """Fit the prior behind what a run (`at` is "after") or its base model ("before") expects, families weighed alike.

    Returns
    -------
    float [n_dispositions]
    """
    rows, weights = [], []
    for each in families:
        rows.append(np.swapaxes(each.likelihoods, 1, 2).reshape(-1, each.likelihoods.shape[1]))
        weights.append(getattr(each, at).ravel() / len(each.before))
    return fit_prior(np.concatenate(rows), np.concatenate(weights))


def predict_by_prior(family: Expectations, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Predict what is expected after the prior moved: the base model's expectation, moved as Bayes' rule says.

    Parameters
    ----------
    before, after : float [n_dispositions], priors of the base model and of the run

    Returns
    -------
    float [n_items, n_classes]
        Probabilities.
    """
    moved = family.before * (after @ family.likelihoods) / (before @ family.likelihoods)
    return moved / moved.sum(1, keepdims=True)


def fit_bias(families: list[Expectations]) -> np.ndarray:
    """Fit one constant (nats) for each outcome's words, the same in all families, the first at 0.

    Returns
    -------
    float [n_classes]
        The constants that give the run's expectations the best log-score. The problem is convex.
    """

    def lose(free: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = 0.0, np.zeros(len(free) + 1)
        for each in families:
            tilted = predict_by_bias(each, np.concatenate([[0.0], free]))
            loss -= float((each.after * np.log(tilted)).sum(1).mean())
            slope += (tilted - each.after).mean(0)
        return loss, slope[1:]

    n_free = families[0].before.shape[1] - 1
    return np.concatenate([[0.0], minimize(lose, np.zeros(n_free), jac=True, method="BFGS").x])


def predict_by_bias(family: Expectations, bias: np.ndarray) -> np.ndarray:
    """Predict what is expected where each class's log-odds moved by a constant (nats), [n_items, n_classes]."""
    tilted = family.before * np.exp(bias - bias.max())
    return tilted / tilted.sum(1, keepdims=True)


def score(predicted: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The predictive log-score of each item, in nats: how far from the run's own entropy. 0 is a perfect prediction.

    Returns
    -------
    float [n_items]
        Minus the Kullback-Leibler divergence of the run from the prediction.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(after > 0, after * (np.log(predicted) - np.log(after)), 0.0)
    return terms.sum(1)


def fit_runs(items: pd.DataFrame, worlds: Mapping[str, World], outcomes: Mapping[str, str], ring: str) -> pd.DataFrame:
    """Fit every account to every run, and score it on the families that it was not fitted to.

    Parameters
    ----------
    items : the measured items of all runs
    worlds : name -> world
    outcomes : condition -> the outcome whose shift is compared; conditions that are not named are left out
    ring : of the items that are fitted and predicted

    Returns
    -------
    DataFrame
        `RUN`, family, outcome, account, and:
        log_score, gain : mean over items (nats), and how much better than `policy_only`
        predicted_shift, measured_shift, error : mean log-odds of the outcome against the base model's (nats), and
            predicted minus measured
        own_prior : the fitted prior of the outcome's disposition; NaN where an account has none

        Family ``all`` is the mean score over those that are predicted. Rows of the family ``choice`` say how much of
        the choice's shift a prior alone explains: `prior` was fitted to it, `prior_and_policy` to all other families.
    """
    made = []
    for run, families in iterate_runs(items[items["condition"].isin(outcomes)], worlds, ring):
        own = worlds[run["world"]].outcomes.index(outcomes[run["condition"]])
        rows = [
            run | {"family": name, "outcome": outcomes[run["condition"]]} | row
            for name in families
            for row in _judge_family(families, name, own)
        ]
        made += [*rows, *_average_families(rows)]
    table = pd.DataFrame(made)
    return table.assign(error=table["predicted_shift"] - table["measured_shift"])


def _judge_family(families: dict[str, Expectations], name: str, own: int) -> list[dict]:
    """The rows of a family, one for each account that speaks of it."""
    family = families[name]
    others = [each for other, each in families.items() if other not in (CHOICE, name)]
    priors = {"prior": [families[CHOICE]]} | ({"prior_and_policy": others} if others else {})
    predictions, own_prior = {"policy_only": family.before}, {}
    for account, fitted in priors.items():
        before, after = (fit_run_prior(fitted, at) for at in ("before", "after"))
        predictions[account], own_prior[account] = predict_by_prior(family, before, after), after[own]
    if name == CHOICE:
        del predictions["policy_only"]  # it says of choices only that they moved
    elif others:
        predictions["constant_bias"] = predict_by_bias(family, fit_bias(others))
    base = score(family.before, family.after).mean()
    rows = []
    for account in (each for each in ACCOUNTS if each in predictions):
        found = score(predictions[account], family.after).mean()
        predicted, measured = (
            (_compute_log_odds(p, own) - _compute_log_odds(family.before, own)).mean()
            for p in (predictions[account], family.after)
        )
        numbers = {"log_score": found, "gain": found - base, "predicted_shift": predicted, "measured_shift": measured}
        rows.append({"account": account, **numbers, "own_prior": own_prior.get(account, np.nan)})
    return rows


def _average_families(rows: list[dict]) -> list[dict]:
    """Log-scores over the held-out families. Shifts are not averaged: errors of either sign would cancel."""
    held_out = pd.DataFrame([row for row in rows if row["family"] != CHOICE])
    if held_out["family"].nunique() < 2:
        return []
    means = held_out.groupby([*RUN, "outcome", "account"], sort=False)[["log_score", "gain"]].mean().reset_index()
    return means.assign(family=ALL).to_dict("records")


def _compute_log_odds(probabilities: np.ndarray, own: int) -> np.ndarray:
    kept = np.clip(probabilities[:, own], 1e-300, 1 - 1e-15)
    return np.log(kept) - np.log1p(-kept)


def tabulate_prior_fit(runs: pd.DataFrame, margin: float, alpha: float) -> pd.DataFrame:
    """Say how well each account predicts, over runs of each checkpoint and over checkpoints: `tables/prior_fit.csv`.

    Parameters
    ----------
    runs : `fit_runs`
    margin : the smallest effect of interest (nats)

    Returns
    -------
    DataFrame
        `UNITS`, condition, family, outcome, account, n, the means of `VALUES` with their intervals, and of the error
        its mean, 90 % interval, p_value and whether it is equivalent to 0 within the margin (exploratory).
    """
    means = summarize(runs, BY, VALUES, alpha).drop(columns=["own_prior_low", "own_prior_high"])
    tested = judge_equivalence(runs, BY, "error", margin, alpha).drop(columns=["n", "se", "df"])
    return means.merge(tested.rename(columns={"estimate": "error"}), on=[*UNITS, *BY], validate="one_to_one")


def compare_accounts(runs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Compare two accounts' log-scores of the same runs on held-out families: `tables/prior_rivals.csv`.

    Parameters
    ----------
    runs : `fit_runs`

    Returns
    -------
    DataFrame
        `UNITS`, condition, family, account, rival, n, and `better`: by how many nats the account's score is higher
        than the rival's, mean with interval. A row for each pair of `RIVALS`.
    """
    keys = [*RUN, "family"]
    wide = runs[runs["family"] != CHOICE].pivot(index=keys, columns="account", values="log_score").reset_index()
    parts = [
        wide[keys].assign(account=account, rival=rival, better=wide[account] - wide[rival])
        for account, rival in RIVALS
        if account in wide and rival in wide
    ]
    by = ["condition", "family", "account", "rival"]
    return summarize(pd.concat(parts, ignore_index=True), by, ["better"], alpha)
