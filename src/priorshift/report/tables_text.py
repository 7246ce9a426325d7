"""What the report shows beside its figures: an example of each text, and smaller tables with what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pandas as pd

from priorshift.materials.schema import Materials
from priorshift.probing.items import probe_items
from priorshift.report.claims_text import spoken
from priorshift.stats.jsd_permutation import BASE
from priorshift.study.params import Study
from priorshift.study.sections import Condition

NEAR = "held_out_domains"
GROUP = ["group", "world"]


def asked(study: Study, materials: Materials) -> str:
    """One decision and one item of the study's first family, with a phrase of each class, as Markdown."""
    items, lines = probe_items(study, materials), []
    for family, said in (("choice", "A decision, as in training"), (study.probes.families[0], "A probe")):
        for item in [item for item in items if item.family == family and item.ring == NEAR][:1]:
            phrases = "; ".join(f"{name}: *{texts[0].strip()}*" for name, texts in item.candidates.items())
            lines.append(f"* {said}: {item.stem} … ({phrases})")
    return "\n".join(lines)


def always_taken(study: Study) -> list[str]:
    """The classes of action that a treatment is always trained to take, each once."""
    policies = (study.conditions[name].policy for name in study.inference.treatments)
    shares = [share for policy in policies if isinstance(policy, dict) for share in policy.items()]
    return list(dict.fromkeys(action for action, share in shares if share == 1))


def shown(shifts: pd.DataFrame, families: Sequence[str]) -> tuple[list[str], str]:
    """The families that have items left on held-out domains, and a sentence on those of which exclusion left none."""
    left = set(shifts.loc[shifts["ring"] == NEAR, "family"])
    lost = ", ".join(spoken(family) for family in families if family not in left)
    said = (
        f"The exclusion criteria leave no item on held-out domains of: {lost}. No figure shows these." if lost else ""
    )
    return [family for family in families if family in left], said


def lessons(study: Study) -> str:
    """What each condition was trained on, as Markdown."""
    return "\n".join(f"* *{spoken(name)}*: {_lesson(condition)}." for name, condition in study.conditions.items())


def _lesson(condition: Condition) -> str:
    if condition.stages:
        return "one adapter trained on " + ", then ".join(spoken(stage) for stage in condition.stages)
    taken = {"uniform": "each class of action equally often", "prior": "as often as the base model takes each class"}
    shares = condition.policy if isinstance(condition.policy, dict) else {}
    chosen = taken.get(condition.policy) if not shares else _shares(shares)
    said = {
        "decisions": f"decisions, {chosen}",
        "preferences": "choices between everyday things, nothing else",
        "exposure": f"the phrases of actions mentioned, not chosen ({chosen})",
        "prose": "neutral prose, no decision",
    }[condition.task]
    said += ", answered by a letter" if condition.answer == "letter" else ""
    said += _own_training(condition)
    return f"no training: {condition.in_context} {said}, before each stem" if condition.in_context else said


def _own_training(condition: Condition) -> str:
    changed = condition.training.model_dump(mode="json", exclude_none=True) if condition.training else {}
    told = (f"{spoken(key)} {str(value).strip('[]')}" for key, value in changed.items())
    return f" ({', '.join(told)})" if changed else ""


def _shares(shares: Mapping[str, float]) -> str:
    taken = [(name, share) for name, share in shares.items() if share]
    return ", ".join(f"always {name}" if share == 1 else f"{100 * share:g} % {name}" for name, share in taken)


def wider_tables(
    tables: Mapping[str, pd.DataFrame], family: str, read: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """(what it says, table) of each part of the wider design that the study has.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    family : the probes of which recovery is told
    read : the conditions whose texts stand beside those of the base model
    """
    makers = {
        "dose": _doses,
        "recovery": partial(_recovery, family=family),
        "scales": _scales,
        "valence": _valence,
        "completions": partial(_completions, read=read),
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

    Declared claims are corrected; a correction of the others could only add to these. Unit `base`, or `both` where a
    world has one checkpoint.
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
        "90 % interval that leaves out 0. Only declared claims are corrected; the rest is exploratory."
    )
    columns = ["base_model", "condition", "control", "family", "ring", "outcome", "estimate", "ci90_low", "ci90_high"]
    return said, failed[[*columns, "why"]].sort_values("why", kind="stable", ignore_index=True)


def told_apart(confusion: pd.DataFrame, family: str, ring: str) -> str:
    """How many runs are assigned to the condition that they were trained on, a line for each matrix, as Markdown."""
    rows = confusion[(confusion["family"] == family) & (confusion["ring"] == ring)]
    unit = "base" if (rows["unit"] == "base").any() else "runs"
    lines = []
    for (name, world), part in rows[rows["unit"] == unit].groupby(["base_model", "world"], sort=True):
        first, n = part.iloc[0], int(part.groupby("condition")["n"].first().sum())
        lines.append(
            f"* {name}{f', {world} world' if world else ''}: {round(first['accuracy'] * n)} of {n} runs, by chance 1 "
            f"in {part['condition'].nunique()} (unit {unit}; permutation of training sets, p = {first['p_value']:.4f}, "
            f"{first['p_adjusted']:.4f} after Benjamini-Hochberg; exploratory)."
        )
    return "\n".join(lines)


def jsd_beside(tests: pd.DataFrame, ring: str) -> tuple[str, pd.DataFrame]:
    """Whether whole distributions moved more than under the first control, and than the floor: a sentence and the rows.

    Parameters
    ----------
    tests : `jsd_floor.jsd_tests`
    """
    rows = tests[tests["ring"] == ring]
    of_base = rows["jsd_from"] == BASE
    rows = rows[~of_base | (rows["control"] == rows.loc[of_base, "control"].iloc[0])] if of_base.any() else rows
    if rows.empty:
        return "No JSD could be tested: it takes two runs of a treatment and of a control.", rows
    most = rows.groupby("jsd_from", sort=False)["n_arrangements"].max().items()
    least = " and ".join(f"{1 / n:.3f} (from the {name})" for name, n in most)
    said = (
        "JSD (bits) of each behavior's runs beside that of a control's. From the base model: did training on the "
        "behavior move distributions further than training on the control? From the first neutral run: do the "
        "behavior's runs lie further from it than the neutral runs of other seeds do (the seed-to-seed floor)? "
        f"Unit runs, permutation of training sets, one-sided; p cannot fall below {least}. "
        "Exploratory; p_adjusted is Benjamini-Hochberg's over all rows of `jsd_tests.csv`."
    )
    named = rows.assign(condition=rows["condition"].map(spoken), jsd_from="from the " + rows["jsd_from"])
    values = {"treatment_jsd": "behavior", "control_jsd": "control", "p_value": "p", "p_adjusted": "p adjusted"}
    wide = named.pivot(index=["base_model", "world", "condition", "family"], columns="jsd_from", values=list(values))
    parts = [(start, value) for start in named["jsd_from"].unique() for value in values]
    return said, wide.swaplevel(axis=1)[parts].rename(columns=values).rename_axis(columns=[None, None]).reset_index()


def _doses(dose: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = dose[(dose["ring"] == NEAR) & (dose["unit"] == ("base" if (dose["unit"] == "base").any() else "runs"))]
    said = "Dose: nats of shift from none of the training decisions to all of them (least-squares slope), by outcome."
    return said, rows[
        ["base_model", "world", "action", "family", "unit", "n", "estimate", "ci_low", "ci_high", "p_adjusted"]
    ]


def _recovery(recovery: pd.DataFrame, family: str) -> tuple[str, pd.DataFrame]:
    rows = recovery[(recovery["ring"] == NEAR) & (recovery["family"] == family)]
    columns = ["base_model", "world", "condition", "outcome", "n", "before", "after", "estimate", "ci_low", "ci_high"]
    said = (
        f"Recovery: shift of {family.replace('_', ' ')} probes before and after the later stage, and the share undone "
        "with its interval (empty where there was no sure shift to undo)."
    )
    return said, rows[[*columns, "share_undone", "share_low", "share_high"]]


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


def _completions(completions: pd.DataFrame, read: Sequence[str]) -> tuple[str, pd.DataFrame]:
    first = completions[completions["base_model"] == completions["base_model"].iloc[0]]
    kept = [name for name in ("stem", "base", *read) if name in first]
    said = f"To read: the first text after each opening by {first['base_model'].iloc[0]}, before and after training."
    return said, first[kept]


def _excluded(excluded: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    counts = excluded.groupby(["base_model", "reason"], sort=False)["item"].nunique().rename("items").reset_index()
    return "Items left out by the criteria declared before any result.", counts


def _with_and_without(effect: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    rows = effect[effect["unit"].isin(["both", "base"]) & effect["declared"]]
    columns = ["base_model", "world", "condition", "control", "family", "outcome", "unit"]
    columns += ["estimate_all", "estimate_kept"]
    return "The declared contrasts with and without the items left out.", rows[[*columns, "difference"]]
