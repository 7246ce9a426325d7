"""Do adapters add up? Each is scaled, several are added and subtracted, and what comes of it is asked.

An adapter is a change of weights, so that scaling and adding are exact. What the model then expects need not follow.
Two references were declared beforehand. *Linear*: the weighted sum of the shifts that the adapters make alone.
*Trained dose*: a fine-tune on that share of the behavior's decisions. Within the smallest effect of interest the two
count as equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from priorshift.mechanism.subject import Answer, Subject
from priorshift.mechanism.summary import UNITS, judge_equivalence, summarise
from priorshift.study.mechanism import Algebra

LINEAR, DOSE = "linear", "trained dose"
MEASURES = ("choice", "expectation")
BY = ["condition", "mix", "factor", "reference", "measure"]


def mix_adapters(subject: Subject, behaviors: Mapping[str, tuple[str, str]], asked: Algebra) -> pd.DataFrame:
    """Ask every scaled adapter and every sum of one base model.

    Parameters
    ----------
    behaviors : condition -> (action, outcome)

    Returns
    -------
    DataFrame
        base_model, seed; condition: the behavior whose action and outcome are followed; mix: what was added up; factor:
        of one adapter, NaN of a sum; reference: linear, or trained dose; measure: choice or expectation; shift and
        expected (nats): under the mix, and by the reference; difference; perplexity_ratio: over the base model's.
    """
    rows = []
    for seed in sorted({run.seed for run in subject.names}):
        runs = {run.condition: run for run in subject.names if run.seed == seed}
        alone = {}
        for condition, run in runs.items():
            with subject.wear(run):
                alone[condition] = subject.ask()
        for weights, factor, dose in _list_mixes(behaviors, asked):
            with subject.wear_mix({runs[condition]: weight for condition, weight in weights.items()}):
                answer = subject.ask()
            place = {"base_model": subject.base.name, "seed": seed, "mix": name_mix(weights), "factor": factor}
            for condition in (name for name in weights if name in behaviors):
                followed = behaviors[condition]
                expected = {LINEAR: _add_up(subject, alone, weights, followed)}
                if dose:
                    expected[DOSE] = subject.compare(alone[dose], *followed)
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


def _list_mixes(
    behaviors: Mapping[str, tuple[str, str]], asked: Algebra
) -> Iterator[tuple[dict[str, float], float, str | None]]:
    """(condition -> weight, the factor of one adapter, the condition trained on that dose) of each mix."""
    for condition in behaviors:
        trained = {share: name for name, share in asked.doses.get(condition, {}).items()}
        for factor in asked.factors:
            yield {condition: factor}, factor, trained.get(factor)
    for weights in asked.sums:
        yield dict(weights), float("nan"), None


def _add_up(
    subject: Subject, alone: Mapping[str, Answer], weights: Mapping[str, float], followed: tuple[str, str]
) -> dict[str, float]:
    """The weighted sum of the shifts that the adapters make alone."""
    shifts = {condition: subject.compare(alone[condition], *followed) for condition in weights}
    return {name: sum(weight * shifts[condition][name] for condition, weight in weights.items()) for name in MEASURES}


def _set_beside(key: dict, found: Mapping[str, float], expected: Mapping[str, Mapping[str, float]]) -> list[dict]:
    return [
        key
        | {"reference": reference, "measure": measure, "shift": found[measure], "expected": values[measure]}
        | {"difference": found[measure] - values[measure], "perplexity_ratio": found["perplexity_ratio"]}
        for reference, values in expected.items()
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
    means = summarise(rows, BY, ["shift", "expected", "perplexity_ratio"], alpha)
    tested = judge_equivalence(rows, BY, "difference", margin, alpha).drop(columns=["n", "se", "df"])
    merged = means.merge(tested.rename(columns={"estimate": "difference"}), on=[*UNITS, *BY], validate="one_to_one")
    return merged.drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"])
