"""Claims in words: estimate, interval, unit, n, role and adjusted p, never a bare "significant"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from priorshift.stats.declared import NAMED, Settings, claimed, declared

POLICIES = re.compile(r"\b(depression|paranoia|anxiety)\b")  # names of disorders: what is named is a policy like it
SPOKEN = {
    "d_z": "d_z",
    "hedges_g": "Hedges' g",
    "d_total": "d (over the total standard deviation)",
    "hedges_g_z": "bias-corrected d over checkpoints",
}


def describe_contrast(row: Mapping[str, Any], alpha: float = 0.05) -> str:
    """One row of `contrasts` as a sentence; `reach` says what it generalizes to.

    Parameters
    ----------
    row : mapping
        A row of the table: `table.iloc[0]`, or one of `table.to_dict("records")`.
    alpha : float
        The alpha that the table was made with: its intervals are 1 - alpha.
    """
    world = f", {row['world']} world" if row["world"] else ""
    adjustment = "Holm" if row["role"] == "confirmatory" else "Benjamini-Hochberg"
    return (
        f"{spoken(row['condition']).capitalize()} minus {spoken(row['control'])} training, "
        f"{row['family'].replace('_', ' ')} probes, {row['ring'].replace('_', ' ')}, "
        f"{row['base_model']}{world}: the log-odds of {row['outcome']} differ by "
        f"{row['estimate']:+.2f} nats ({100 * (1 - alpha):g} % interval {row['ci_low']:+.2f} to "
        f"{row['ci_high']:+.2f}; {SPOKEN[row['effect_size_name']]} = {row['effect_size']:.2f}, "
        f"{row['effect_low']:.2f} to {row['effect_high']:.2f}); "
        f"unit {row['unit']}: {row['test']}, {_counts(row)}; {row['role']}, "
        f"{_p(row['p_adjusted'])} after {adjustment}."
    )


def spoken(condition: str) -> str:
    """A condition's name as a sentence or a figure has it."""
    return POLICIES.sub(r"\1-like", condition.replace("_", " "))


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {value:.3f}"


def _checkpoints(row: Mapping[str, Any]) -> int:
    return round(row["df"]) + 1


def _counts(row: Mapping[str, Any]) -> str:
    counts = f"{row['n_runs']} runs x {row['n_items']} items"
    return f"{counts} in {_checkpoints(row)} base checkpoints" if row["unit"] == "base" else counts


def reach(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What rows of `contrasts` or `equivalence` generalize to, and what they do not: a sentence for each unit."""
    return list(dict.fromkeys(_reach(row) for row in rows))


def _reach(row: Mapping[str, Any]) -> str:
    if row["unit"] == "items":
        return "Unit items: new items for these very adapters, not new fine-tunes."
    if row["unit"] == "runs":
        return "Unit runs: new fine-tunes of this base model, on these very items."
    if row["unit"] == "both":
        return "Unit both: new fine-tunes of this base model and new items, not other base models."
    n = _checkpoints(row)
    return (
        f"Unit base: new pretrainings of the same architecture on the same kind of text. With {n} checkpoints "
        f"({n - 1} degree{'s' if n > 2 else ''} of freedom) only large and consistent effects can be found, and that "
        "checkpoints vary normally is assumed, not checked. Not other items, other fine-tuning sets (the checkpoints "
        "share theirs), other architectures or other texts."
    )


def in_short(tables: Mapping[str, pd.DataFrame], settings: Settings) -> str:
    """What became of the declared claims: a sentence for each kind of claim and each world it was made for.

    Where none could be tested at its own unit: the same of unit `both`, which is exploratory.

    Parameters
    ----------
    tables : contrasts and equivalence, as written
    settings : the study's inference section
    """
    if not settings.confirmatory:
        return "This study declares no claim: all that follows is exploratory."
    tested = {name: tables[name].query("role == 'confirmatory'") for name in KINDS}
    if any(len(rows) for rows in tested.values()):
        return " ".join(_in_short(tested, settings, "p_adjusted", "after Holm's correction over all claims"))
    instead = {name: _claimed(tables[name].query("unit == 'both'"), settings, kind) for name, kind in KINDS.items()}
    told = _in_short(instead, settings, "p_value", "without a correction: exploratory")
    return " ".join(["No declared claim could be tested at its own unit: all that follows is exploratory.", *told])


KINDS = {"contrasts": "shift", "equivalence": "equivalence"}  # table -> the kind of claim that it tests


def _claimed(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    return table[np.array([claimed(settings, kind, row) for row in table.to_dict("records")], dtype=bool)]


def _in_short(tested: Mapping[str, pd.DataFrame], settings: Settings, p: str, corrected: str) -> Iterator[str]:
    limits = {"contrasts": ("ci_low", "ci_high"), "equivalence": ("ci90_low", "ci90_high")}
    for name, table in tested.items():
        for (world, unit), rows in table.groupby(["world", "unit"], sort=True):
            where = f"In the {world} world {len(rows)}" if world else f"{len(rows)}"
            kind, one = "shift" if name == "contrasts" else "null effect", len(rows) == 1
            of = dict.fromkeys(f"{spoken(row.condition)} training, {row.outcome}" for row in rows.itertuples())
            against = " and ".join(sorted(set(rows["control"]))).replace("_", " ")
            shown = rows[rows[p] < settings.alpha]
            low, high = limits[name]
            yield (
                f"{where} declared {kind}{'' if one else 's'} could be tested ({'; '.join(of)}; against {against}): "
                f"{_shown(shown['estimate'], name, settings.smallest_effect)}, {corrected}. "
                f"{'The estimate is' if one else 'The estimates are'} {_ranging(rows['estimate'])} nats of log-odds, "
                f"{_level(name, settings.alpha)} interval{'' if one else 's'} within "
                f"{rows[low].min():+.2f} to {rows[high].max():+.2f} (unit {unit}: "
                f"{', '.join(dict.fromkeys(_counts(row) for row in rows.to_dict('records')))})."
            )


def _shown(estimates: pd.Series, table: str, margin: float) -> str:
    n = len(estimates)
    verb = f"{n or 'none'} {'is' if n == 1 else 'are'} shown to"
    if table == "equivalence":
        return f"{verb} lie within {margin:g} nats of 0"
    below = int((estimates < 0).sum())
    return f"{verb} differ from 0" + (f" ({n - below} above it, {below} below)" if n else "")


def _level(table: str, alpha: float) -> str:
    return "90 %" if table == "equivalence" else f"{100 * (1 - alpha):g} %"


def _ranging(values: pd.Series) -> str:
    low, high = f"{values.min():+.2f}", f"{values.max():+.2f}"
    return low if low == high else f"{low} to {high}"


def answer(tables: Mapping[str, pd.DataFrame], settings: Settings) -> str:
    """The report's claims as Markdown: confirmatory contrasts, equivalence, dissociation; exploratory ones apart.

    Parameters
    ----------
    tables : contrasts, equivalence, world_difference, specificity and shifts, as written
    settings : the study's inference section
    """
    told, both = "role == 'confirmatory'", (tables["contrasts"], tables["equivalence"])
    lines = [f"* {describe_contrast(row, settings.alpha)}" for row in both[0].query(told).to_dict("records")]
    lines += [_equivalence(row, settings.alpha) for row in both[1].query(told).to_dict("records")]
    if lines:
        of = reach(row for table in both for row in table.query(told).to_dict("records"))
        lines = [f"One family of {len(lines)} tests, Holm-corrected together.", "", *lines, ""]
        lines += ["What these tests speak of:", "", *(f"* {sentence}" for sentence in of)]
    parts = ["### Confirmatory", "", *(lines or [f"Nothing: {_why_nothing(settings)}."])]
    beside = [*_between_worlds(tables["world_difference"], settings), *_dissociations(tables["specificity"], settings)]
    if beside:
        parts += ["", "### Exploratory", "", *beside]
    instead = _instead(tables, settings)
    if instead:
        title = "### Exploratory: declared contrasts of which the confirmatory test could not be made"
        parts += ["", title, "", *instead]
    return "\n".join(parts)


def _why_nothing(settings: Settings) -> str:
    return "no declared claim could be tested at its own unit" if settings.confirmatory else "no claim was declared"


def _equivalence(row: Mapping[str, Any], alpha: float) -> str:
    verdict = "equivalent to 0" if row["equivalent"] else "not shown to be equivalent to 0"
    return (
        f"* {pair_of(row)}{_world(row)}: {verdict} within {row['margin']:g} nats ({row['estimate']:+.2f} nats, 90 % "
        f"interval {row['ci90_low']:+.2f} to {row['ci90_high']:+.2f}; unit {row['unit']}, {_counts(row)}; "
        f"confirmatory, {_p(row['p_adjusted'])} after Holm)."
    )


def _between_worlds(differences: pd.DataFrame, settings: Settings) -> list[str]:
    named = declared(settings)
    return [
        f"* {pair_of(row)}: the coupled world's shift minus the decoupled one's is {row['estimate']:+.2f} nats "
        f"({100 * (1 - settings.alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}; unit base: "
        f"{row['n_coupled']} and {row['n_decoupled']} base checkpoints x {row['n_items']} items; {row['role']}, "
        f"{_p(row['p_adjusted'])} after Benjamini-Hochberg)."
        for row in differences.to_dict("records")
        if tuple(row[name] for name in NAMED) in named
    ]


def _dissociations(specificity: pd.DataFrame, settings: Settings) -> list[str]:
    """Per architecture where checkpoints were measured, per base model outside the calibration worlds."""
    own = specificity["unit"].eq("base") | (specificity["unit"].eq("runs") & specificity["world"].eq(""))
    families = {claim.family for claim in settings.confirmatory} or {"interpretation"}
    near = specificity[own & specificity["family"].isin(families)]
    keys, lines = ["base_model", "world", "family", "pair", "unit"], []
    for key, effects in near[near["ring"] == "held_out_domains"].groupby(keys, sort=False):
        told = "; ".join(_effect(row, settings.alpha) for row in effects.to_dict("records"))
        at = dict(zip(keys, key, strict=True))
        verdict = "could not be tested whole" if len(effects) < 3 else "is not shown"
        verdict = "holds" if effects["double_dissociation"].all() else verdict
        lines.append(
            f"* {spoken(at['pair']).capitalize()}: double dissociation {verdict} for {at['family'].replace('_', ' ')} "
            f"probes in {at['base_model']}{_world(at)} (it needs three intervals above 0: {told}; unit {at['unit']}: "
            f"{effects['n_runs'].max()} runs x {effects['n_items'].max()} items; exploratory, intervals not corrected)."
        )
    return lines


def _effect(row: Mapping[str, Any], alpha: float) -> str:
    inner = row["effect"] == "interaction"
    name = "interaction" if inner else f"{spoken(row['effect'])} training, its own outcome above the other's"
    interval = f"{100 * (1 - alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}"
    return f"{name} {row['estimate']:+.2f} nats, {interval}"


def _instead(tables: Mapping[str, pd.DataFrame], settings: Settings) -> list[str]:
    """Declared contrasts at unit `both` where unit `base` could not be estimated; with the reason."""
    contrasts, shifts = tables["contrasts"], tables["shifts"]
    tested = contrasts[contrasts["unit"] == "base"]
    tested = set(zip(tested["base_model"], tested["world"], strict=True))
    embedded = shifts[shifts["world"] != ""][["base_model", "group", "world"]].drop_duplicates()
    untested = [
        name for name, group, world in embedded.itertuples(index=False, name=None) if (group, world) not in tested
    ]
    told = declared(settings)
    rows = [
        row
        for row in contrasts[contrasts["base_model"].isin(untested)].query("unit == 'both'").to_dict("records")
        if tuple(row[name] for name in NAMED) in told
    ]
    if not rows:
        return []
    reason = (
        "The declared claims are about new pretrainings (unit base), which could not be estimated for want of a second "
        f"checkpoint of architecture and world: {', '.join(untested)}. What follows is about new fine-tunes of these "
        "very base models (unit both), and exploratory."
    )
    return [reason, "", *(f"* {describe_contrast(row, settings.alpha)}" for row in rows), "", *reach(rows)]


def nothing_tested(contrasts: pd.DataFrame) -> str:
    """Why there is no confirmatory contrast to show; empty where there is one."""
    if contrasts.empty:
        return "No contrast could be estimated: the study sets no two conditions that were measured against each other."
    if not (contrasts["role"] == "confirmatory").any():
        return "No declared shift could be tested at its own unit; what could not be estimated is listed below."
    return ""


def family_line(contrasts: pd.DataFrame) -> str:
    """The hash of what was declared, or why there is nothing to stamp."""
    if contrasts.empty:
        return nothing_tested(contrasts)
    return (
        f"Check code of the declared claims: `{contrasts['family_hash'].iloc[0]}`. It stands in every table that tests "
        "them, and changes if they do."
    )


def pair_of(row: Mapping[str, Any]) -> str:
    """Of which contrast, outcome and model a row is."""
    return (
        f"{spoken(row['condition']).capitalize()} minus {spoken(row['control'])}, {row['outcome']}, {row['base_model']}"
    )


def _world(row: Mapping[str, Any]) -> str:
    return f", {row['world']} world" if row["world"] else ""
