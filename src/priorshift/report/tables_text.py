"""Smaller tables of the report, each with a text that says what it shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from priorshift.report.names import drop_empty_world, name_condition, name_model, name_probes
from priorshift.report.next_words_text import describe_moved_words
from priorshift.stats.declared import Settings
from priorshift.stats.jsd_permutation import FROM_BASE
from priorshift.study.dispositions import match_outcomes
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT

GROUP = ["group", "world"]
Titled = tuple[str, pd.DataFrame]


TOOK = (
    "Was each condition trained enough, and no further? Means over runs: the probability of the trained class on "
    "held-out decisions, and the perplexity on neutral prose over the base model's."
)
WROTE = " Repetition and distinct-2 are of what the runs write."


def tabulate_training(tables: Mapping[str, pd.DataFrame]) -> Titled:
    """Tabulate whether the fine-tunes took, and whether anything was lost: what it shows, and the table.

    Parameters
    ----------
    tables : `training`, where the study trained anything
    """
    if "training" not in tables:
        return "This study trained nothing.", pd.DataFrame()
    table = drop_empty_world(tables["training"]).fillna({"too_far": ""}).dropna(axis="columns", how="all")
    return TOOK + (WROTE if "repetition" in table else ""), table


def tabulate_families(shifts: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Tabulate the mean shift (nats) of each declared contrast's outcome on held-out domains, by family of probes.

    Under the contrast's condition, over base models of the means over their runs.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    """
    pairs = {(claim.condition, claim.outcome) for claim in settings.claims}
    named = shifts[["condition", "outcome"]].itertuples(index=False, name=None)
    own = shifts[np.array([pair in pairs for pair in named], dtype=bool) & shifts["ring"].eq(HELD_OUT)]
    keys = [*GROUP, "condition", "outcome", "family"]
    means = own.groupby([*keys, "base_model"], sort=False)["shift"].mean().groupby(keys, sort=False).mean()
    wide = means.unstack("family")
    return drop_empty_world(wide.rename_axis(columns=None).reset_index())


def tabulate_not_equivalent(equivalence: pd.DataFrame) -> Titled:
    """Tabulate what of the decoupled world, choices apart, is not shown to be equivalent to 0.

    Declared claims are corrected. A correction of the others could only add to these rows. Unit `base`, or `both`
    where a world has one checkpoint. Without such a world the text is empty.
    """
    rows = equivalence[(equivalence["world"] == "decoupled") & (equivalence["family"] != "choice")]
    rows = rows[rows["unit"] == _choose_nested(rows, "both")]
    failed = rows[~rows["equivalent"].astype(bool)].copy()
    if rows.empty:
        return "", failed
    off = (failed["ci90_low"] > 0) | (failed["ci90_high"] < 0)
    failed["why"] = off.map({True: "shifted", False: "too uncertain to tell"})
    text = (
        f"In the decoupled world {len(failed)} of {len(rows)} contrasts (unit {rows['unit'].iloc[0]}, choices apart) "
        f"are not shown to be equivalent to 0 within {rows['margin'].iloc[0]:g} nats. Of these, {int(off.sum())} have "
        "a 90 % interval that leaves out 0. Only declared claims are corrected. The rest is exploratory."
    )
    columns = ["base_model", "condition", "control", "family", "ring", "outcome", "estimate", "ci90_low", "ci90_high"]
    return text, failed[[*columns, "why"]].sort_values("why", kind="stable", ignore_index=True)


def describe_transfer(placement: pd.DataFrame) -> str:
    """Say under which conditions the expectation follows the choice most and least, and how far the choice moved.

    By condition, over base models of the means over their runs. Transfer is the ratio of the two means.

    Parameters
    ----------
    placement : `placement.compute_transfer`
    """
    if placement.empty:
        return "No condition of this study has both a choice and an expectation to compare."
    columns = ["choice_shift", "expectation_shift"]
    means = placement.groupby(["condition", "base_model"], sort=False)[columns].mean().groupby(level=0).mean()
    followed = (means["expectation_shift"] / means["choice_shift"]).sort_values()
    most, least = followed.index[-1], followed.index[0]
    moved = [
        f"*{name_condition(name)}* moves the choice by {means.loc[name, 'choice_shift']:+.1f} nats and the "
        f"expectation by {means.loc[name, 'expectation_shift']:+.1f}"
        for name in (most, least)
    ]
    return (
        f"**The answer.** The expectation follows the choice by {followed[least]:.2f} to {followed[most]:.2f} of its "
        f"shift, by placement. The most: {moved[0]}. The least: {moved[1]}."
    )


def select_matrices(confusion: pd.DataFrame, family: str, ring: str = HELD_OUT) -> pd.DataFrame:
    """Select the confusion matrices over base checkpoints. Of worlds with one checkpoint, those of each base model."""
    rows = confusion[(confusion["family"] == family) & (confusion["ring"] == ring)]
    nested = set(rows.loc[rows["unit"] == "base", "world"])
    return rows[(rows["unit"] == "base") | ~rows["world"].isin(nested)]


def describe_confusion(confusion: pd.DataFrame, family: str, ring: str = HELD_OUT) -> str:
    """Say how many runs are assigned to the condition that they were trained on, a line a matrix, as Markdown."""
    rows, lines = select_matrices(confusion, family, ring), []
    for (name, world, unit), part in rows.groupby(["base_model", "world", "unit"], sort=True):
        first, n = part.iloc[0], int(part.groupby("condition")["n"].first().sum())
        lines.append(
            f"* {name_model({'base_model': name, 'world': world})}: {round(first['accuracy'] * n)} of {n} runs. By "
            f"chance it would be 1 in {part['condition'].nunique()}.  \n  Unit {unit}. Permutation of training "
            f"sets, p = {first['p_value']:.4f}, {first['p_adjusted']:.4f} after Benjamini-Hochberg. Exploratory."
        )
    if (rows["world"] == "decoupled").any():
        lines += ["", "In the decoupled world a share above chance means that shifts too small to matter leave traces."]
    return "\n".join(lines)


def tabulate_jsd(tests: pd.DataFrame, ring: str = HELD_OUT) -> Titled:
    """Tabulate whether whole distributions moved more than under the first control, and than the seed-to-seed floor.

    Parameters
    ----------
    tests : `jsd_permutation.compare_jsd`
    """
    rows = tests[tests["ring"] == ring]
    of_base = rows["jsd_from"] == FROM_BASE
    rows = rows[~of_base | (rows["control"] == rows.loc[of_base, "control"].iloc[0])] if of_base.any() else rows
    if rows.empty:
        return "No JSD could be tested: it takes two runs of a treatment and of a control.", rows
    least_p = rows.groupby("jsd_from", sort=False)["least_p"].min().items()
    least = " and ".join(f"{p:.3f} (from the {name})" for name, p in least_p)
    text = (
        "JSD (bits) of each behavior's runs beside that of a control's. From the base model: did the behavior move "
        "distributions further than the control? From the first neutral run: do the behavior's runs lie further from "
        "it than neutral runs of other seeds do?\n\nUnit runs, permutation of training sets, one-sided. With so many "
        f"training sets the least p that any data could give is {least}. Where that is not below alpha there is no "
        "test, and no p. Exploratory: `p adjusted` is Benjamini-Hochberg's within world, unit and purpose."
    )
    named = rows.assign(condition=rows["condition"].map(name_condition), jsd_from="from the " + rows["jsd_from"])
    values = {"treatment_jsd": "behavior", "control_jsd": "control", "p_value": "p", "p_adjusted": "p adjusted"}
    keys = [key for key in ("base_model", "world", "condition", "family") if key in drop_empty_world(rows)]
    wide = named.pivot(index=keys, columns="jsd_from", values=list(values))
    parts = [part for part in itertools.product(named["jsd_from"].unique(), values) if wide[part[::-1]].notna().any()]
    return text, wide.swaplevel(axis=1)[parts].rename(columns=values).rename_axis(columns=[None, None]).reset_index()


def tabulate_not_estimable(refused: pd.DataFrame) -> Titled:
    """Tabulate how many claims could not be estimated, and why. The text is empty where all could be."""
    if refused.empty:
        return "", refused
    counts = refused.groupby(["table", "unit", "reason"]).size().rename("claims").reset_index()
    return f"{len(refused)} claims could not be estimated. No table has a row for them.", counts


def tabulate_wider_design(tables: Mapping[str, pd.DataFrame], family: str, study: Study) -> Iterator[Titled]:
    """Tabulate each part of the wider design that the study has: (what it shows, table) of each.

    Texts stand beside one another for the first control and the behaviors with an outcome of their own.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    family : the probes whose recovery is shown
    """
    behaviors = match_outcomes(study.params, study.materials)
    conditions = [study.params.inference.controls[0], *behaviors]
    makers = {
        "next_words": partial(describe_moved_words, conditions=conditions, materials=study.materials),
        "dose": _tabulate_doses,
        "recovery": partial(_tabulate_recovery, family=family),
        "scales": _tabulate_scales,
        "valence": _tabulate_valence,
        "completions": partial(_tabulate_completions, conditions=conditions),
        "excluded": _tabulate_excluded,
        "exclusion_effect": _tabulate_exclusion_effect,
    }
    for name, make in makers.items():
        if name in tables:
            text, table = make(tables[name])
            if len(table):
                table = table.reset_index(drop=True)
                yield text, drop_empty_world(table) if "world" in table else table


def _choose_nested(rows: pd.DataFrame, otherwise: str) -> str:
    return "base" if (rows["unit"] == "base").any() else otherwise


def _tabulate_doses(dose: pd.DataFrame) -> Titled:
    rows = dose[(dose["ring"] == HELD_OUT) & (dose["unit"] == _choose_nested(dose, "runs"))]
    columns = ["base_model", "world", "action", "family", "unit", "n", "estimate", "ci_low", "ci_high", "p_adjusted"]
    return "Dose: nats of shift from no such training decision to all of them (least-squares slope).", rows[columns]


def _tabulate_recovery(recovery: pd.DataFrame, family: str) -> Titled:
    rows = recovery[(recovery["ring"] == HELD_OUT) & (recovery["family"] == family)]
    columns = ["base_model", "world", "condition", "outcome", "n", "before", "after", "estimate", "ci_low", "ci_high"]
    text = (
        f"Recovery: shift of {name_probes(family)} before and after the later stage, and the share undone with its "
        "interval. The share is empty where there was no sure shift to undo."
    )
    return text, rows[[*columns, "share_undone", "share_low", "share_high"]]


def _tabulate_scales(scales: pd.DataFrame) -> Titled:
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
    return "Scales, 0 (least) to 1 (most): means over runs, and how much option order and label set matter.", rows


def _tabulate_valence(valence: pd.DataFrame) -> Titled:
    rows = valence.groupby([*GROUP, "condition", "measure"], sort=False)["estimate"].mean().unstack("measure")
    text = (
        "What is written after neutral openings, against the base model. Repetition and variety stand beside valence "
        "(VADER, -1 to 1): collapse must not pass for negativity. Intervals by base model are in `valence.csv`."
    )
    return text, rows.reset_index()


def _tabulate_completions(completions: pd.DataFrame, conditions: Sequence[str]) -> Titled:
    first = completions[completions["base_model"] == completions["base_model"].iloc[0]]
    kept = [name for name in ("stem", "base", *conditions) if name in first]
    text = f"To read: the first text after each opening by {first['base_model'].iloc[0]}, before and after training."
    return text, first[kept]


def _tabulate_excluded(excluded: pd.DataFrame) -> Titled:
    counts = excluded.groupby(["base_model", "reason"], sort=False)["item"].nunique().rename("items").reset_index()
    return "Items left out by the criteria declared before any result.", counts


def _tabulate_exclusion_effect(effect: pd.DataFrame) -> Titled:
    rows = effect[effect["unit"].isin(["both", "base"]) & effect["declared"]]
    columns = ["base_model", "world", "condition", "control", "family", "outcome", "unit"]
    columns += ["estimate_all", "estimate_kept", "difference"]
    return "The declared contrasts with and without the items left out.", rows[columns]
