"""Was each condition trained enough, and no further? Its steps beside what they did, expectations left aside."""

from __future__ import annotations

import pandas as pd

from priorshift.study.params import HELD_OUT, StudyParams

LEAST_CHOICE = 0.9  # probability of the trained class on held-out decisions
RETENTION_LIMIT = 1.05  # perplexity on neutral prose, over the base model's
GROUP = ["group", "world", "condition"]


def tabulate_training_amounts(
    study: StudyParams, choices: pd.DataFrame, retention: pd.DataFrame, texts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Set each condition's training beside what it did to choices, perplexity and texts: `tables/training.csv`.

    Parameters
    ----------
    choices : `runs.check_choices`
    retention : `runs.compute_retention`; its conditions are those that were trained
    texts : `written_text.measure_texts`, where runs wrote any

    Returns
    -------
    DataFrame
        group, world, condition, adapted (layers), steps, learning_rate, rank, n_runs; means over runs of choice (of
        the trained class, held-out domains), perplexity_ratio, repetition and distinct_2. `enough` says that the mean
        choice is at least .9, and is empty where no single class was trained. `too_far` names what went too far:
        perplexity more than 5 % above the base model's, or a mean repetition or distinct-2 beyond that of every run of
        the neutral conditions.
    """
    own = choices[choices["ring"] == HELD_OUT]
    means = [
        retention.groupby(GROUP, sort=False)["ratio"].agg(n_runs="size", perplexity_ratio="mean"),
        own.groupby(GROUP)["probability"].mean().rename("choice"),
    ]
    if texts is not None:
        means.append(texts.groupby(GROUP)[["repetition", "distinct_2"]].mean())
    table = pd.concat(means, axis=1).loc[means[0].index].reset_index()
    for place, name in enumerate(("adapted", "steps", "learning_rate", "rank"), start=3):
        values = [getattr(study.resolve_training(condition), name) for condition in table["condition"]]
        table.insert(place, name, values)
    table["enough"] = (table["choice"] >= LEAST_CHOICE).where(table["choice"].notna())
    return table.assign(too_far=_name_excesses(table, _find_neutral_ranges(study, texts)))


def _find_neutral_ranges(study: StudyParams, texts: pd.DataFrame | None) -> pd.DataFrame | None:
    """Most repetition and least distinct-2 of any neutral run, by group and world. None where there is none."""
    # In context nothing was trained, and what is written there says nothing of training.
    neutral = [name for name, c in study.conditions.items() if c.task == "preferences" and not c.in_context]
    if texts is None or not texts["condition"].isin(neutral).any():
        return None
    own = texts[texts["condition"].isin(neutral)].groupby(GROUP[:2])
    return own.agg(repetition=("repetition", "max"), distinct_2=("distinct_2", "min"))


def _name_excesses(table: pd.DataFrame, ranges: pd.DataFrame | None) -> list[str]:
    told = []
    for row in table.to_dict("records"):
        over = {"perplexity": row["perplexity_ratio"] > RETENTION_LIMIT}
        if ranges is not None:
            limit = ranges.loc[(row["group"], row["world"])]
            over["repetition"] = row["repetition"] > limit["repetition"]
            over["distinct-2"] = row["distinct_2"] < limit["distinct_2"]
        told.append(", ".join(name for name, beyond in over.items() if beyond))
    return told
