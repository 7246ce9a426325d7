"""Claims in words: estimate, interval, unit, n, role and adjusted p, never a bare "significant"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

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
        f"{_name(row['condition']).capitalize()} minus {_name(row['control'])} training, "
        f"{row['family'].replace('_', ' ')} probes, {row['ring'].replace('_', ' ')}, "
        f"{row['base_model']}{world}: the log-odds of {row['outcome']} differ by "
        f"{row['estimate']:+.2f} nats ({100 * (1 - alpha):g} % interval {row['ci_low']:+.2f} to "
        f"{row['ci_high']:+.2f}; {SPOKEN[row['effect_size_name']]} = {row['effect_size']:.2f}); "
        f"unit {row['unit']}: {row['test']}, {_counts(row)}; {row['role']}, "
        f"{_p(row['p_adjusted'])} after {adjustment}. {_reach(row)}"
    )


def _name(condition: str) -> str:
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
        "only, and the normality of checkpoints is assumed, not checked), on these very items; "
        "not to other architectures or training texts."
    )


def answer(tables: Mapping[str, pd.DataFrame], settings: Any) -> str:
    """The report's claims as a Markdown list: the confirmatory contrasts, equivalence, dissociation.

    Parameters
    ----------
    tables : contrasts, equivalence, world_difference and specificity, as written
    settings : the study's inference section
    """
    rows = tables["contrasts"].query("role == 'confirmatory'").to_dict("records")
    lines = [f"* {describe_contrast(row, settings.alpha)}" for row in rows]
    if not lines:
        rows = _declared(tables["contrasts"], settings)
        lines = [f"* {describe_contrast(row, settings.alpha)}" for row in rows]
        lines[:0] = ["The declared claims could not be estimated at their own unit (see the last table).", ""] * bool(
            lines
        )
    for row in tables["equivalence"].query("role == 'confirmatory'").to_dict("records"):
        verdict = "equivalent to 0" if row["equivalent"] else "not shown to be equivalent to 0"
        lines.append(
            f"* {_pair(row)}{_world(row)}: {verdict} within {row['margin']:g} nats (90 % interval "
            f"{row['ci90_low']:+.2f} to {row['ci90_high']:+.2f}, {_p(row['p_adjusted'])} after Holm; "
            f"unit {row['unit']}, {_counts(row)})."
        )
    for row in tables["world_difference"].query("role == 'confirmatory'").to_dict("records"):
        lines.append(
            f"* {_pair(row)}: the coupled world exceeds the decoupled one by {row['estimate']:+.2f} nats "
            f"({100 * (1 - settings.alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}, "
            f"{_p(row['p_adjusted'])} after Holm)."
        )
    double = tables["specificity"].query("unit == 'base' and effect == 'interaction' and ring == 'held_out_domains'")
    for row in double.query("family == 'interpretation'").to_dict("records"):
        held = "holds" if row["double_dissociation"] else "does not hold"
        where = f"{row['base_model']}{_world(row)}"
        lines.append(f"* Double dissociation {held} for interpretations in {where} (unit base, exploratory).")
    if not lines:
        return "No confirmatory claim could be estimated from these runs; the last table says why."
    return "\n".join(lines)


def _declared(contrasts: pd.DataFrame, settings: Any) -> list[Mapping[str, Any]]:
    """The declared claims at unit `both`, base model by base model: exploratory."""
    keys = ["condition", "control", "family", "outcome", "ring"]
    declared = {tuple(getattr(claim, key) for key in keys) for claim in settings.confirmatory}
    both = contrasts[contrasts["unit"] == "both"]
    return [row for row in both.to_dict("records") if tuple(row[key] for key in keys) in declared]


def _pair(row: Mapping[str, Any]) -> str:
    return (
        f"{_name(row['condition']).capitalize()} minus {_name(row['control'])}, {row['outcome']}, {row['base_model']}"
    )


def _world(row: Mapping[str, Any]) -> str:
    return f", {row['world']} world" if row["world"] else ""
