"""Which next words gained and lost most under each training, without any list of words."""

from __future__ import annotations

import pandas as pd

FORM = ["base_model", "group", "world", "condition", "form"]


def average_next_words(measured: pd.DataFrame, control: str, most: int = 20) -> pd.DataFrame:
    """Average the change of each next token over runs, and keep those that moved most: `tables/next_words.csv`.

    A token that a run's measurements lack moved by less than 1e-4 there, and counts as unmoved.

    Parameters
    ----------
    measured : the measured table `next_words` of all runs
    control : the condition whose change of the same token stands beside
    most : tokens of each form that gain, and as many that lose

    Returns
    -------
    DataFrame
        base_model, group, world, condition, form, token, text, n_runs, base_probability, probability, change,
        control_change (empty where the control is not measured). A form's largest gain comes first, its largest loss
        last.
    """
    changes = measured.assign(change=measured["probability"] - measured["base_probability"])
    n_runs = changes.groupby(["base_model", "condition"])["seed"].nunique().rename("n_runs")
    sums = changes.groupby([*FORM, "token", "text"], sort=False).agg(
        base_probability=("base_probability", "first"), change=("change", "sum")
    )
    table = sums.reset_index().join(n_runs, on=["base_model", "condition"])
    table["change"] /= table["n_runs"]
    table["probability"] = table["base_probability"] + table["change"]
    token = ["base_model", "form", "token"]
    beside = table[table["condition"] == control].set_index(token)["change"].rename("control_change")
    table = table.join(beside, on=token)
    measured_too = table["base_model"].isin(beside.index.get_level_values("base_model"))
    table.loc[measured_too, "control_change"] = table["control_change"].fillna(0.0)
    table["text"] = table["text"].map(show_control_characters)
    ranked = table.sort_values("change", ascending=False, kind="stable")
    parts = []
    for _, own in ranked.groupby(FORM, sort=False):
        parts += [own[own["change"] > 0].head(most), own[own["change"] < 0].tail(most)]
    order = {name: list(dict.fromkeys(table[name])) for name in FORM}
    kept = pd.concat(parts)
    kept = kept.sort_values(FORM, kind="stable", key=lambda column: column.map(order[column.name].index))
    columns = [*FORM, "token", "text", "n_runs", "base_probability", "probability", "change", "control_change"]
    return kept[columns].reset_index(drop=True)


def show_control_characters(text: str) -> str:
    r"""Write line ends and their like as Python does, so that a CSV has one line for a row.

    Examples
    --------
    >>> show_control_characters(" é\n")
    ' é\\n'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
