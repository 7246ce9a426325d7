"""What notebook 08 found, a paragraph for each analysis: every sentence follows from one of its tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from priorshift.report.names import name_architecture, name_condition, name_interval

CHOICE, ALL = "choice", "all"


def describe_mechanism(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say what each analysis found that was made, as Markdown; empty where none was.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    """
    paragraphs = []
    if "prior_fit" in tables:
        paragraphs.append(describe_prior_fit(tables["prior_fit"], tables["prior_rivals"]))
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
    moved = _choose_unit(fit[fit["family"] == CHOICE])
    trained = moved.loc[moved["measured_shift"].abs() > moved["margin"], "condition"].unique()
    own = _choose_unit(fit[fit["condition"].isin(trained)])
    for (name, world), part in own.groupby(["base_model", "world"], sort=False):
        mine = (rivals["base_model"] == name) & (rivals["world"] == world) & (rivals["unit"] == part["unit"].iloc[0])
        pairs = rivals[mine & rivals["condition"].isin(trained) & (rivals["family"] == ALL)]
        lines.append(f"* {name_architecture(name)}, {world} world (unit {part['unit'].iloc[0]}): {_judge(part, pairs)}")
        if world == "coupled":
            lines += [f"    * {line}" for line in _list_policy_parts(part)]
    return "\n".join(lines)


def _choose_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of unit `base` for worlds that have several checkpoints, of unit `runs` for all else."""
    nested = table[(table["unit"] == "base") & (table["n"] > 1)]
    places = ["group", "world"]
    alone = ~pd.MultiIndex.from_frame(table[places]).isin(pd.MultiIndex.from_frame(nested[places]))
    return pd.concat([nested, table[(table["unit"] == "runs") & alone]])


SAID = {
    "prior": "The prior of the choices",
    "prior_and_policy": "A prior beside a policy",
    "policy_only": "That nothing else moved",
}


def _judge(part: pd.DataFrame, pairs: pd.DataFrame) -> str:
    held_out = part[~part["family"].isin([CHOICE, ALL])]
    said = []
    for account, words in SAID.items():
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
        f"nats. The prior that the other families speak of explains {row['predicted_shift']:+.2f} of them. The other "
        f"{row['measured_shift'] - row['predicted_shift']:+.2f} are policy, "
        f"{100 * (1 - row['predicted_shift'] / row['measured_shift']):.0f} % of the shift."
        for row in rows.to_dict("records")
    ]
