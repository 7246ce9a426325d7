"""Do adapters add up? Each is scaled, several are added and subtracted, and what comes of it is asked.

An adapter is a change of weights, so that scaling and adding are exact. What the model then expects need not follow.
Two references were declared beforehand. *Linear*: the weighted sum of the shifts that the adapters make alone.
*Trained dose*: a fine-tune on that share of the behavior's decisions. Its other decisions take another action, which a
scaled adapter leaves to the base model. A sum of adapters with the shares of all actions is compared with it too.
Within the smallest effect of interest the two count as equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from priorshift.mechanism.subject import MEASURES, Answer, Subject
from priorshift.mechanism.summary import UNITS, judge_equivalence, summarize
from priorshift.study.mechanism import Algebra

LINEAR, DOSE = "linear", "trained dose"
BY = ["condition", "mix", "factor", "reference", "dose", "measure"]
Policy = Mapping[str, float]  # action -> share of the decisions


def mix_adapters(
    subject: Subject, behaviors: Mapping[str, tuple[str, str]], policies: Mapping[str, Policy], asked: Algebra
) -> pd.DataFrame:
    """Ask every scaled adapter and every sum of one base model.

    Parameters
    ----------
    behaviors : condition -> (action, outcome)
    policies : condition -> the shares of its decisions, of the doses, and of what may add up to one

    Returns
    -------
    DataFrame
        base_model, seed
        condition : the behavior whose action and outcome are followed
        mix, factor : what was added up, and the factor of one adapter (NaN of a sum)
        reference : linear, or trained dose
        dose : what share of that dose's decisions is which, empty of linear
        measure : choice or expectation
        shift, expected, difference : under the mix, by the reference, and one minus the other (nats)
        perplexity_ratio : over the base model's
    """
    rows = []
    for seed in sorted({run.seed for run in subject.names}):
        runs = {run.condition: run for run in subject.names if run.seed == seed}
        alone = {}
        for condition, run in runs.items():
            with subject.wear(run):
                alone[condition] = subject.ask()
        for weights, factor, dose in _list_mixes(behaviors, policies, asked):
            with subject.wear_mix({runs[condition]: weight for condition, weight in weights.items()}):
                answer = subject.ask()
            place = {"base_model": subject.base.name, "seed": seed, "mix": name_mix(weights), "factor": factor}
            for condition in (name for name in weights if name in behaviors):
                followed = behaviors[condition]
                expected = {(LINEAR, ""): _add_up(subject, alone, weights, followed)}
                if dose:
                    expected[DOSE, name_policy(policies[dose])] = subject.compare(alone[dose], *followed)
                rows += _set_beside(place | {"condition": condition}, subject.compare(answer, *followed), expected)
    return pd.DataFrame(rows)


def name_mix(weights: Mapping[str, float]) -> str:
    """Write what is added up.

    Examples
    --------
    >>> name_mix({"depression": 0.5}), name_mix({"depression": 1.0, "adaptive": -1.0})
    ('0.5 depression', 'depression - adaptive')
    """
    said = ""
    for condition, weight in weights.items():
        sign = ("-" if not said else " - ") if weight < 0 else (" + " if said else "")
        said += sign + ("" if abs(weight) == 1 else f"{abs(weight):g} ") + condition
    return said


def name_policy(policy: Policy) -> str:
    """Write which share of the decisions is which.

    Examples
    --------
    >>> name_policy({"withdraw": 0.25, "engage": 0.75})
    '25 % withdraw and 75 % engage'
    """
    return " and ".join(f"{100 * share:g} % {action}" for action, share in policy.items())


def _list_mixes(
    behaviors: Mapping[str, tuple[str, str]], policies: Mapping[str, Policy], asked: Algebra
) -> Iterator[tuple[dict[str, float], float, str | None]]:
    """(condition -> weight, the factor of one adapter, the condition trained on that dose) of each mix."""
    for condition, (action, _) in behaviors.items():
        trained = {policies[name][action]: name for name in asked.doses.get(condition, ())}
        for factor in asked.factors:
            yield {condition: factor}, factor, trained.get(factor)
    for weights in asked.sums:
        yield dict(weights), float("nan"), _find_dose(weights, policies, asked)


def _find_dose(weights: Mapping[str, float], policies: Mapping[str, Policy], asked: Algebra) -> str | None:
    """The dose whose decisions are those of the summed conditions, in the shares of their weights."""
    mixed: Counter[str] = Counter()
    for condition, weight in weights.items():
        for action, share in policies.get(condition, {}).items():
            mixed[action] += weight * share
    doses = (name for names in asked.doses.values() for name in names)
    return next((name for name in doses if _are_equal(policies[name], mixed)), None)


def _are_equal(policy: Policy, other: Policy) -> bool:
    return all(math.isclose(policy.get(key, 0), other.get(key, 0), abs_tol=1e-9) for key in {*policy, *other})


def _add_up(
    subject: Subject, alone: Mapping[str, Answer], weights: Mapping[str, float], followed: tuple[str, str]
) -> dict[str, float]:
    """The weighted sum of the shifts that the adapters make alone."""
    shifts = {condition: subject.compare(alone[condition], *followed) for condition in weights}
    return {name: sum(weight * shifts[condition][name] for condition, weight in weights.items()) for name in MEASURES}


def _set_beside(
    key: dict, found: Mapping[str, float], expected: Mapping[tuple[str, str], Mapping[str, float]]
) -> list[dict]:
    return [
        key
        | {"reference": reference, "dose": dose, "measure": measure, "shift": found[measure]}
        | {"expected": values[measure], "difference": found[measure] - values[measure]}
        | {"perplexity_ratio": found["perplexity_ratio"]}
        for (reference, dose), values in expected.items()
        for measure in MEASURES
    ]


def tabulate_algebra(rows: pd.DataFrame, margin: float, alpha: float) -> pd.DataFrame:
    """Say where mixes are what their references say: `tables/algebra.csv`.

    Parameters
    ----------
    rows : `mix_adapters` of every base model, with group and world
    margin : the smallest effect of interest (nats)

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, `BY`, n, shift and expected with intervals, perplexity_ratio, and of the
        difference its mean, 90 % interval, p_value and whether it is equivalent to 0 within the margin.
    """
    means = summarize(rows, BY, ["shift", "expected", "perplexity_ratio"], alpha)
    tested = judge_equivalence(rows, BY, "difference", margin, alpha).drop(columns=["n", "se", "df"])
    merged = means.merge(tested.rename(columns={"estimate": "difference"}), on=[*UNITS, *BY], validate="one_to_one")
    return merged.drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"])
