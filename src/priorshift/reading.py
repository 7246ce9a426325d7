"""Tables -> the smaller ones that the report shows, each with what it says. No statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

NEAR = "held_out_domains"
GROUP = ["group", "world"]
# The texts to read side by side: what was written before any training, and by the conditions that are compared first.
READ = ["stem", "base", "neutral", "depression", "paranoia"]


def wider_tables(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame]]:
    """(what it says, table) of each part of the wider design that the study has.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    """
    makers = {
        "dose": _doses,
        "recovery": _recovery,
        "scales": _scales,
        "valence": _valence,
        "completions": _completions,
        "excluded": _excluded,
        "exclusion_effect": _with_and_without,
    }
    for name, make in makers.items():
        if name in tables:
            title, table = make(tables[name])
            if len(table):
                yield title, table.reset_index(drop=True)


def not_equivalent(equivalence: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What of the decoupled world, choices apart, is not shown to be equivalent to 0: a sentence and its rows.

    Before any correction, which could only add to them; unit `base`, or `both` where a world has one checkpoint.
    """
    rows = equivalence[(equivalence["world"] == "decoupled") & (equivalence["family"] != "choice")]
    rows = rows[rows["unit"] == ("base" if (rows["unit"] == "base").any() else "both")]
    failed = rows[~rows["equivalent"].astype(bool)].copy()
    if rows.empty:
        return "", failed
    off = (failed["ci90_low"] > 0) | (failed["ci90_high"] < 0)
    failed["why"] = off.map({True: "shifted", False: "too uncertain to tell"})
    said = (
        f"In the decoupled world {len(failed)} of {len(rows)} contrasts of unit {rows['unit'].iloc[0]} (choices apart) "
        f"are not shown to be equivalent to 0 within {rows['margin'].iloc[0]:g} nats; of these {int(off.sum())} have a "
        "90 % interval that leaves out 0. Exploratory, not corrected."
    )
    columns = ["base_model", "condition", "control", "family", "ring", "outcome", "estimate", "ci90_low", "ci90_high"]
    return said, failed[[*columns, "why"]].reset_index(drop=True)


def _doses(dose: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = dose[(dose["ring"] == NEAR) & (dose["unit"] == ("base" if (dose["unit"] == "base").any() else "runs"))]
    said = "Dose: nats of shift from none of the training decisions to all of them (least-squares slope), by outcome."
    return said, rows[
        ["base_model", "world", "action", "family", "unit", "n", "estimate", "ci_low", "ci_high", "p_adjusted"]
    ]


def _recovery(recovery: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = recovery[(recovery["ring"] == NEAR) & (recovery["family"] == "interpretation")]
    columns = ["base_model", "condition", "outcome", "n", "before", "after", "estimate", "ci_low", "ci_high"]
    said = (
        "Recovery: shift of interpretations before and after the later stage, and the share undone (empty where there "
        "was no sure shift to undo)."
    )
    return said, rows[[*columns, "share_undone"]]


def _scales(scales: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    numbers = [
        "base_score",
        "score",
        "shift",
        "acquiescence",
        "option_mass",
        "order_sensitivity",
        "label_set_sensitivity",
    ]
    rows = scales.groupby([*GROUP, "scale", "condition"], sort=False)[numbers].mean().reset_index()
    return "Scales, 0 (least) to 1 (most): means over runs, and what answers owe to option order and label set.", rows


def _valence(valence: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = valence.groupby([*GROUP, "condition", "measure"], sort=False)["estimate"].mean().unstack("measure")
    said = (
        "What is written after neutral openings, against the base model: valence (VADER, -1 to 1) beside repetition "
        "and variety, so that collapse cannot pass for negativity. Intervals by base model are in `valence.csv`."
    )
    return said, rows.reset_index()


def _completions(completions: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    first = completions[completions["base_model"] == completions["base_model"].iloc[0]]
    kept = [name for name in READ if name in first]
    said = f"To read: the first text after each opening by {first['base_model'].iloc[0]}, before and after training."
    return said, first[kept]


def _excluded(excluded: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    counts = excluded.groupby(["base_model", "reason"], sort=False)["item"].nunique().rename("items").reset_index()
    return "Items left out by the criteria declared before any result.", counts


def _with_and_without(effect: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = effect[effect["unit"].isin(["both", "base"]) & (effect["control"] == effect["control"].iloc[0])]
    columns = ["base_model", "condition", "control", "family", "outcome", "unit", "estimate_all", "estimate_kept"]
    return "The declared probes' contrasts with and without the items left out.", rows[[*columns, "difference"]]
