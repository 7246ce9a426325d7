"""Can a choice be had without its expectation? Runs with an anchor to the base model, over the anchor's weight.

A narrowed condition trains the decisions of a behavior. A penalty holds it to the base model on neutral prose and on
situations in which nothing is decided. When the two come *apart* was declared beforehand. The choice rate is at least
`CHOICE_KEPT`, and the expectation's shift is equivalent to 0 within the smallest effect of interest.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from priorshift.materials.schema import NEXT_WORDS
from priorshift.mechanism.summary import UNITS, judge_equivalence, summarize
from priorshift.stats.panels import RUN

CHOICE_KEPT = 0.95
BY = ["behavior", "condition", "weight"]
VALUES = ["choice_rate", "choice", "expectation", "perplexity_ratio"]


def place_runs(
    shifts: pd.DataFrame,
    retention: pd.DataFrame,
    behaviors: Mapping[str, tuple[str, str]],
    weights: Mapping[str, Mapping[str, float]],
    ring: str,
) -> pd.DataFrame:
    """Say what each run chooses and expects, beside its anchor's weight.

    Parameters
    ----------
    shifts : `tables.runs.average_shifts`
    retention : `tables.runs.compute_retention`
    behaviors : behavior -> (action, outcome)
    weights : behavior -> condition -> weight of its anchor. The behavior itself is among the conditions
    ring : of the items

    Returns
    -------
    DataFrame
        `RUN`, behavior, weight, choice_rate (mean probability of the action among the options), choice and expectation
        (nats, families weigh alike) and perplexity_ratio.
    """
    own, parts = shifts[shifts["ring"] == ring], []
    for behavior, conditions in weights.items():
        action, outcome = behaviors[behavior]
        rows = own[own["condition"].isin(list(conditions))]
        choices = rows[(rows["family"] == "choice") & (rows["outcome"] == action)].set_index(RUN)
        others = rows[~rows["family"].isin(["choice", NEXT_WORDS]) & (rows["outcome"] == outcome)]
        found = choices[["probability", "shift"]].set_axis(["choice_rate", "choice"], axis=1)
        found["expectation"] = others.groupby(RUN)["shift"].mean()
        found["perplexity_ratio"] = retention.set_index(RUN)["ratio"]
        found = found.reset_index().assign(behavior=behavior)
        parts.append(found.assign(weight=found["condition"].map(conditions)))
    return pd.concat(parts, ignore_index=True)


def tabulate_frontier(rows: pd.DataFrame, margin: float, alpha: float) -> pd.DataFrame:
    """Average runs and checkpoints at each weight: `tables/frontier.csv`.

    Parameters
    ----------
    rows : `place_runs`
    margin : the smallest effect of interest (nats)

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, `BY`, n, and the means of `VALUES` with their intervals.
        ci90_low, ci90_high, margin, p_value : of the expectation
        equivalent : it is equivalent to 0 within the margin (exploratory)
        least_choice : `CHOICE_KEPT`
        apart : equivalent, and the mean choice rate is at least that
    """
    means = summarize(rows, BY, VALUES, alpha).drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"])
    tested = judge_equivalence(rows, BY, "expectation", margin, alpha).drop(columns=["n", "se", "df", "estimate"])
    merged = means.merge(tested, on=[*UNITS, *BY], validate="one_to_one")
    apart = merged["equivalent"] & (merged["choice_rate"] >= CHOICE_KEPT)
    return merged.assign(least_choice=CHOICE_KEPT, apart=apart)
