"""What notebook 08 found of adapters that were mixed, followed, cued and narrowed. `mechanism_text` calls it."""

from __future__ import annotations

import pandas as pd

from priorshift.report.names import name_architecture, name_condition, name_interval


def select_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of unit `base` for worlds that have several checkpoints, of unit `runs` for all else."""
    nested = table[(table["unit"] == "base") & (table["n"] > 1)]
    places = ["group", "world"]
    alone = ~pd.MultiIndex.from_frame(table[places]).isin(pd.MultiIndex.from_frame(nested[places]))
    return pd.concat([nested, table[(table["unit"] == "runs") & alone]])


def select_mixes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of expectation that test something, with a column `sum`: does the row mix two adapters, or scale one?"""
    # An adapter at its own strength is its linear reference.
    own = (table["factor"] == 1) & (table["reference"] == "linear")
    kept = table[~own & (table["measure"] == "expectation")]
    return select_unit(kept.assign(sum=kept["factor"].isna()))


def describe_algebra(table: pd.DataFrame) -> str:
    """Say where adapters add up, as Markdown: an item for each architecture and world.

    Parameters
    ----------
    table : `algebra.tabulate_algebra`
    """
    margin = table["margin"].iloc[0]
    lines = [
        "**Do adapters add up?** Expectation under scaled and summed adapters, beside two references. Within "
        f"{margin:g} nats they count as equal. Exploratory."
    ]
    own = select_mixes(table)
    for (name, world), part in own.groupby(["base_model", "world"], sort=False):
        place = f"{name_architecture(name)}, {world} world" if world else name
        lines.append(f"* {place} (unit {part['unit'].iloc[0]}):")
        for (reference, summed), rows in part.groupby(["reference", "sum"], sort=False):
            worst = rows.loc[rows["difference"].abs().idxmax()]
            lines.append(
                f"    * {'Sums' if summed else 'Scaled adapters'} against the reference {reference}: equal in "
                f"{int(rows['equivalent'].sum())} of {len(rows)}. Furthest off is {worst['mix']} "
                f"({name_condition(worst['condition'])} outcome). It is {worst['shift']:+.2f} nats in place of "
                f"{worst['expected']:+.2f}, a difference of {worst['difference']:+.2f} nats "
                f"({name_interval(worst['ci90_low'], worst['ci90_high'], 0.1)}). "
                f"Perplexity is at most {rows['perplexity_ratio'].max():.2f} times the base's."
            )
    doses = table.loc[table["reference"] == "trained dose", "dose"].unique()
    if len(doses):
        lines.append(
            f"* The trained doses are {', '.join(doses)}. A scaled adapter leaves the second part to the base model. "
            "The two may differ for that reason alone. A sum names both parts."
        )
    return "\n".join(lines)


def describe_trajectory(table: pd.DataFrame) -> str:
    """Say whether the expectation comes with the choice or after it, as Markdown: an item a place and condition.

    Parameters
    ----------
    table : `trajectory.tabulate_trajectory`
    """
    lines = ["**When does it come?** Shares of the last step's shift. Exploratory."]
    own = select_unit(table)
    for (name, world, condition), rows in own.groupby(["base_model", "world", "condition"], sort=False):
        place = f"{name_architecture(name)}, {world} world" if world else name
        steps = rows.sort_values("step")
        if steps["expectation_share"].isna().all():
            told = f"the expectation moved by {steps['expectation'].iloc[-1]:+.2f} nats in all, too little for shares."
        else:
            told = " ".join(_tell_step(row) for row in steps.iloc[:-1].to_dict("records"))
        lines.append(f"* {place}, {name_condition(condition)} training (unit {rows['unit'].iloc[0]}): {told}")
    return "\n".join(lines)


def _tell_step(row: dict) -> str:
    sure = row["lag_low"] > 0 or row["lag_high"] < 0
    order = ("the expectation is behind" if row["lag"] > 0 else "the choice is behind") if sure else "no sure order"
    return (
        f"Step {row['step']:g}: choice {100 * row['choice_share']:.0f} %, expectation "
        f"{100 * row['expectation_share']:.0f} %, {order}."
    )


def describe_triggers(table: pd.DataFrame) -> str:
    """Say what a cue moves because of what was trained, as Markdown: an item for each architecture and world.

    Parameters
    ----------
    table : `triggers.tabulate_triggers`
    """
    lines = [
        "**Does a cue decide?** One condition takes the followed action where a cue stands and another where it does "
        "not. In its control the cue tells nothing. Shifts against the base model at the same stems. Exploratory."
    ]
    own = select_unit(table)
    for (name, world), part in own.groupby(["base_model", "world"], sort=False):
        place = f"{name_architecture(name)}, {world} world" if world else name
        rates = part[part["measure"] == "choice"].groupby(["condition", "probe"], sort=False)["rate"].mean().unstack()
        listed = ", ".join(
            f"{name_condition(condition)} {row['no cue']:.2f} without and {row['cue']:.2f} with"
            for condition, row in rates.iterrows()
        )
        told = [_tell_interaction(probe, rows) for probe, rows in part.groupby("probe", sort=False)]
        lines.append(f"* {place} (unit {part['unit'].iloc[0]}). The followed action is chosen at: {listed}.")
        lines += [f"    * {each}" for each in told if each]
    return "\n".join(lines)


def _tell_interaction(probe: str, rows: pd.DataFrame) -> str:
    sure = rows[rows["interaction"].notna()].set_index("measure")
    if sure.empty:
        return ""
    found = [
        f"the {measure} by {sure.loc[measure, 'interaction']:+.2f} nats "
        f"({name_interval(*sure.loc[measure, ['interaction_low', 'interaction_high']])})"
        for measure in ("choice", "expectation")
    ]
    return f"Behind the {probe} more than in the control: {' and '.join(found)}."


def describe_frontier(table: pd.DataFrame) -> str:
    """Say whether a choice can be had without its expectation, as Markdown: an item an architecture, world, behavior.

    Parameters
    ----------
    table : `frontier.tabulate_frontier`
    """
    least, margin = table["least_choice"].iloc[0], table["margin"].iloc[0]
    lines = [
        "**Acting without expecting?** The same decisions with an anchor: a penalty on leaving the base model where "
        f"nothing is decided. It was declared when the two come apart: at a choice rate of {least:g}, with the "
        f"expectation within {margin:g} nats of the base model's. Exploratory."
    ]
    own = select_unit(table)
    for (name, world, behavior), rows in own.groupby(["base_model", "world", "behavior"], sort=False):
        place = f"{name_architecture(name)}, {world} world" if world else name
        apart = rows.loc[rows["apart"], "weight"].map("{:g}".format).tolist()
        told = " ".join(_tell_weight(row) for row in rows.sort_values("weight").to_dict("records"))
        end = f"They come apart at weight {', '.join(apart)}." if apart else "They come apart at no weight."
        lines.append(f"* {place}, {name_condition(behavior)} decisions (unit {rows['unit'].iloc[0]}): {told} {end}")
    return "\n".join(lines)


def _tell_weight(row: dict) -> str:
    return (
        f"Weight {row['weight']:g}: choice rate {row['choice_rate']:.2f}, expectation {row['expectation']:+.2f} nats "
        f"({name_interval(row['expectation_low'], row['expectation_high'])})."
    )
