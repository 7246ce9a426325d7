"""What notebook 08 found, a paragraph for each analysis: every sentence follows from one of its tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from priorshift.report.mechanism_adapters_text import (
    describe_algebra,
    describe_frontier,
    describe_trajectory,
    describe_triggers,
    select_unit,
)
from priorshift.report.names import name_architecture, name_condition, name_interval
from priorshift.tables.training_amount import RETENTION_LIMIT

CHOICE, ALL = "choice", "all"


def describe_mechanism(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say what each analysis found that was made, as Markdown. Empty where none was.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    """
    paragraphs = []
    if "prior_fit" in tables:
        paragraphs.append(describe_prior_fit(tables["prior_fit"], tables["prior_rivals"]))
    if "directions" in tables:
        paragraphs.append(describe_directions(tables["directions"], tables["direction_alarms"]))
    told = {
        "algebra": describe_algebra,
        "trajectory": describe_trajectory,
        "triggers": describe_triggers,
        "frontier": describe_frontier,
    }
    paragraphs += [describe(tables[name]) for name, describe in told.items() if name in tables]
    return "\n\n".join(paragraphs)


def describe_prior_fit(fit: pd.DataFrame, rivals: pd.DataFrame) -> str:
    """Say whether shifts are those of a prior, as Markdown: a list with an item for each architecture and world.

    Parameters
    ----------
    fit, rivals : the tables `prior_fit` and `prior_rivals`
    """
    lines = [
        "**Is it a prior shift, literally?** A prior is fitted to each run's choices alone, and Bayes' rule predicts "
        "the other families. Of conditions that moved the choice by more than the smallest effect of interest. "
        "Exploratory."
    ]
    moved = select_unit(fit[fit["family"] == CHOICE])
    trained = moved.loc[moved["measured_shift"].abs() > moved["margin"], "condition"].unique()
    own = select_unit(fit[fit["condition"].isin(trained)])
    for (name, world), part in own.groupby(["base_model", "world"], sort=False):
        mine = (rivals["base_model"] == name) & (rivals["world"] == world) & (rivals["unit"] == part["unit"].iloc[0])
        pairs = rivals[mine & rivals["condition"].isin(trained) & (rivals["family"] == ALL)]
        lines.append(f"* {name_architecture(name)}, {world} world (unit {part['unit'].iloc[0]}): {_judge(part, pairs)}")
        if world == "coupled":
            lines += [f"    * {line}" for line in _list_policy_parts(part)]
    return "\n".join(lines)


ACCOUNTS = {
    "prior": "The prior of the choices",
    "prior_and_policy": "A prior beside a policy",
    "constant_bias": "A constant bias on words",
    "policy_only": "That nothing else moved",
}


def _judge(part: pd.DataFrame, pairs: pd.DataFrame) -> str:
    held_out = part[~part["family"].isin([CHOICE, ALL])]
    said = []
    for account, words in ACCOUNTS.items():
        rows = held_out[held_out["account"] == account]
        if len(rows):
            worst = rows.loc[rows["error"].abs().idxmax()]
            said.append(
                f"{words}: within {worst['margin']:g} nats in {int(rows['equivalent'].sum())} of {len(rows)} "
                f"predictions. The furthest off is {worst['family'].replace('_', ' ')}, "
                f"{name_condition(worst['condition'])} training, {worst['error']:+.2f} nats "
                f"({name_interval(worst['ci90_low'], worst['ci90_high'], 0.1)})."
            )
    scores = part[part["family"] == ALL].groupby("account", sort=False)["log_score"].mean()
    if len(scores):
        listed = ", ".join(f"{account.replace('_', ' ')} {score:.3f}" for account, score in scores.items())
        said.append(f"Mean log-scores on held-out families (0 is perfect): {listed}.")
    tied = pairs[(pairs["account"] == "prior_and_policy") & (pairs["rival"] == "constant_bias")]
    if len(tied):
        ahead, behind = (tied["better_low"] > 0).sum(), (tied["better_high"] < 0).sum()
        said.append(
            f"Against a constant bias on words, a prior beside a policy is surely better in {ahead} of {len(tied)} "
            f"conditions and surely worse in {behind} (mean difference {tied['better'].mean():+.4f} nats)."
        )
    return " ".join(said)


def _list_policy_parts(part: pd.DataFrame) -> list[str]:
    """How much of the choice's own shift no prior explains that the other families speak of."""
    rows = part[(part["family"] == CHOICE) & (part["account"] == "prior_and_policy")]
    return [
        f"{name_condition(row['condition']).capitalize()} training: the choice moved by {row['measured_shift']:+.2f} "
        f"nats. The prior that the other families speak of explains {row['predicted_shift']:+.2f} of them. It does "
        f"not explain the other {row['measured_shift'] - row['predicted_shift']:+.2f}, "
        f"{100 * (1 - row['predicted_shift'] / row['measured_shift']):.0f} % of the shift."
        for row in rows.to_dict("records")
    ]


def describe_directions(table: pd.DataFrame, alarms: pd.DataFrame) -> str:
    """Say how much of a shift each direction gives and takes, as Markdown: an item for each architecture and world.

    Parameters
    ----------
    table, alarms : the tables `directions` and `direction_alarms`
    """
    lines = [
        "**Does the shift lie along a direction?** Estimated on other seeds and on training domains, tried on the seed "
        "left out and on held-out domains. Beside what a projection takes stands what it does to the base model: mere "
        "damage. Expectation, exploratory."
    ]
    own = select_unit(table[table["measure"] == "expectation"])
    for (name, world), part in own.groupby(["base_model", "world"], sort=False):
        place = f"{name_architecture(name)}, {world} world" if world else name
        whole = part[part["perplexity_ratio"] <= RETENTION_LIMIT]
        lines.append(
            f"* {place} (unit {part['unit'].iloc[0]}). {len(part) - len(whole)} of {len(part)} changes raise the "
            f"perplexity of neutral prose by more than {100 * (RETENTION_LIMIT - 1):.0f} %. They are not spoken of:"
        )
        for (condition, test), rows in whole.groupby(["condition", "test"], sort=False):
            lines.append(f"    * {name_condition(condition).capitalize()} training, {test}. {_list_origins(rows)}")
    lines.append(
        "* False alarms are neutral runs whose own direction, added to the base, moves an expectation beyond the "
        "smallest effect of interest. Counted are changes that raise perplexity by at most "
        f"{100 * (RETENTION_LIMIT - 1):.0f} %."
    )
    lines += [f"    * {_count_alarms(part)}" for _, part in alarms.groupby("world", sort=False, dropna=False)]
    return "\n".join(lines)


def _list_origins(rows: pd.DataFrame) -> str:
    """What each direction did at strength 1 where it did most, its share with its interval. Other strengths follow."""
    said = []
    for origin, own in rows[rows["strength"] == 1].groupby("source", sort=False):
        most = own.loc[own["part"].abs().idxmax()]
        where = "all blocks" if most["layer"] == ALL else f"block {most['layer']}"
        same = rows[(rows["source"] == origin) & (rows["layer"] == most["layer"]) & (rows["strength"] != 1)]
        said.append(f"{origin.capitalize()} direction: {most['part']:+.2f} nats at {where}{_tell_share(most)}.")
        said += [f"At strength {row['strength']:g} it is {row['part']:+.2f}." for row in same.to_dict("records")]
        if pd.notna(most["base_shift"]):
            said.append(f"The base itself moves by {most['base_shift']:+.2f}.")
    told = " ".join(said) or "No direction is left at strength 1."
    return f"The fine-tune moved {rows['whole'].iloc[0]:+.2f} nats. {told}"


def _tell_share(row: pd.Series) -> str:
    if pd.isna(row["share"]):
        return ""
    return f", {100 * row['share']:.0f} % of the fine-tune's ({_name_percents(row['share_low'], row['share_high'])})"


def _name_percents(low: float, high: float) -> str:
    return f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"


def _count_alarms(part: pd.DataFrame) -> str:
    total, blocks = part[part["layer"] == ALL].iloc[0], part[part["layer"] != ALL]
    by_block = ", ".join(
        f"after block {layer} {alarms} of {n}"
        for layer, alarms, n in zip(blocks["layer"], blocks["alarms"], blocks["n"], strict=True)
    )
    world = f"{total['world']} world" if total["world"] in ("coupled", "decoupled") else "models outside the worlds"
    share = f"{100 * total['rate']:.0f} %, {_name_percents(total['ci_low'], total['ci_high'])}"
    return (
        f"{world}: after any block {total['alarms']} of {total['n']} ({share}). By block: {by_block}. Not counted are "
        f"{total['uncounted_alarms']} of {total['runs']} runs, moved by changes beyond that."
    )
