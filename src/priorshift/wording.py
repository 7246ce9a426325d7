"""Claims in words: estimate, interval, unit, n, role and adjusted p, never a bare "significant"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from priorshift.families import NAMED, declared

LIKE = {"depression": "depression-like", "paranoia": "paranoia-like"}
SPOKEN = {
    "d_z": "d_z",
    "hedges_g": "Hedges' g",
    "d_total": "d (over the total standard deviation)",
    "hedges_g_z": "bias-corrected d over checkpoints",
}


def describe_contrast(row: Mapping[str, Any], alpha: float = 0.05) -> str:
    """One row of `contrasts` as a sentence and what it generalizes to.

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
        f"{_p(row['p_adjusted'])} after {adjustment}. {_reach(row)}"
    )


def spoken(condition: str) -> str:
    """A condition's name as a sentence has it."""
    return LIKE.get(condition, condition.replace("_", " "))


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {value:.3f}"


def _checkpoints(row: Mapping[str, Any]) -> int:
    return round(row["df"]) + 1


def _counts(row: Mapping[str, Any]) -> str:
    counts = f"{row['n_runs']} runs x {row['n_items']} items"
    return f"{counts} in {_checkpoints(row)} base checkpoints" if row["unit"] == "base" else counts


def _reach(row: Mapping[str, Any]) -> str:
    """What the claim generalizes to, and what it does not."""
    if row["unit"] == "items":
        return "It generalizes to new items for these very adapters, not to new fine-tunes."
    if row["unit"] == "runs":
        return "It generalizes to new fine-tunes of this base model, on these very items."
    if row["unit"] == "both":
        return "It generalizes to new fine-tunes of this base model and to new items, not to other base models."
    n = _checkpoints(row)
    return (
        f"It generalizes to new pretrainings of this architecture on this kind of text, as far as {n} "
        f"checkpoints can carry that ({n - 1} degree{'s' if n > 2 else ''} of freedom: large, consistent effects "
        "only, and the normality of checkpoints is assumed, not checked), on these very items, and with these very "
        "fine-tuning sets, which the checkpoints share; not to other architectures or training texts."
    )


def in_short(tables: Mapping[str, pd.DataFrame], settings: Any) -> str:
    """What became of the declared claims, in two sentences.

    Parameters
    ----------
    tables : contrasts and equivalence, as written
    settings : the study's inference section
    """
    shifts, nulls = (tables[name].query("role == 'confirmatory'") for name in ("contrasts", "equivalence"))
    parts = []
    for rows, kind, held in ((shifts, "shifts", "to differ from 0"), (nulls, "null effects", "to be equivalent to 0")):
        if len(rows):
            n = int((rows["p_adjusted"] < settings.alpha).sum())
            low, high, units = rows["estimate"].min(), rows["estimate"].max(), " and ".join(sorted(set(rows["unit"])))
            parts.append(
                f"Of {len(rows)} declared {kind} that could be tested, {n or 'none'} {'is' if n == 1 else 'are'} shown "
                f"{held} (unit {units}, after Holm's correction); the estimates lie between {low:+.2f} and {high:+.2f} "
                "nats, and their intervals stand below."
            )
    return " ".join(parts) or "No declared claim could be tested at its own unit: all that follows is exploratory."


def answer(tables: Mapping[str, pd.DataFrame], settings: Any) -> str:
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
        lines = [f"One family of {len(lines)} tests, Holm-corrected together.", "", *lines]
    parts = ["### Confirmatory", "", *(lines or ["Nothing: no declared claim could be tested at its own unit."])]
    beside = [*_between_worlds(tables["world_difference"], settings), *_dissociations(tables["specificity"], settings)]
    if beside:
        parts += ["", "### Exploratory", "", *beside]
    instead = _instead(tables, settings)
    if instead:
        title = "### Exploratory: declared contrasts of which the confirmatory test could not be made"
        parts += ["", title, "", *instead]
    return "\n".join(parts)


def _equivalence(row: Mapping[str, Any], alpha: float) -> str:
    verdict = "equivalent to 0" if row["p_adjusted"] < alpha else "not shown to be equivalent to 0"
    return (
        f"* {pair_of(row)}{_world(row)}: {verdict} within {row['margin']:g} nats ({row['estimate']:+.2f} nats, 90 % "
        f"interval {row['ci90_low']:+.2f} to {row['ci90_high']:+.2f}; unit {row['unit']}, {_counts(row)}; "
        f"confirmatory, {_p(row['p_adjusted'])} after Holm)."
    )


def _between_worlds(differences: pd.DataFrame, settings: Any) -> list[str]:
    named = declared(settings)
    return [
        f"* {pair_of(row)}: the coupled world's shift minus the decoupled one's is {row['estimate']:+.2f} nats "
        f"({100 * (1 - settings.alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}; unit base: "
        f"{row['n_coupled']} and {row['n_decoupled']} base checkpoints x {row['n_items']} items; {row['role']}, "
        f"{_p(row['p_adjusted'])} after Benjamini-Hochberg)."
        for row in differences.to_dict("records")
        if tuple(row[name] for name in NAMED) in named
    ]


def _dissociations(specificity: pd.DataFrame, settings: Any) -> list[str]:
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
            f"* {at['pair'].capitalize()}: double dissociation {verdict} for {at['family'].replace('_', ' ')} "
            f"probes in {at['base_model']}{_world(at)} (it needs three intervals above 0: {told}; unit {at['unit']}: "
            f"{effects['n_runs'].max()} runs x {effects['n_items'].max()} items; exploratory, intervals not corrected)."
        )
    return lines


def _effect(row: Mapping[str, Any], alpha: float) -> str:
    name = "interaction" if row["effect"] == "interaction" else f"{spoken(row['effect'])} alone"
    interval = f"{100 * (1 - alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}"
    return f"{name} {row['estimate']:+.2f} nats, {interval}"


def _instead(tables: Mapping[str, pd.DataFrame], settings: Any) -> list[str]:
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
    return [reason, "", *(f"* {describe_contrast(row, settings.alpha)}" for row in rows)]


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
    return f"Declared family `{contrasts['family_hash'].iloc[0]}`: the same digits in every table that tests it."


def pair_of(row: Mapping[str, Any]) -> str:
    """Of which contrast, outcome and model a row is."""
    return (
        f"{spoken(row['condition']).capitalize()} minus {spoken(row['control'])}, {row['outcome']}, {row['base_model']}"
    )


def _world(row: Mapping[str, Any]) -> str:
    return f", {row['world']} world" if row["world"] else ""
