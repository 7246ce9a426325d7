"""Claims in words: estimate, interval, unit, n, role and adjusted p, never a bare "significant"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from priorshift.families import NAMED, declared

LIKE = {"depression": "depression-like", "paranoia": "paranoia-like"}
# The greatest perplexity on neutral prose, over the base model's, that counts as nothing lost.
RETENTION_LIMIT = 1.05
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
        f"{row['ci_high']:+.2f}; {SPOKEN[row['effect_size_name']]} = {row['effect_size']:.2f}, "
        f"{row['effect_low']:.2f} to {row['effect_high']:.2f}); "
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
    for rows, kind, held in ((shifts, "shifts", "different from 0"), (nulls, "null effects", "equivalent to 0")):
        if len(rows):
            n = int((rows["p_adjusted"] < settings.alpha).sum())
            low, high = rows["estimate"].min(), rows["estimate"].max()
            found = f"{n or 'none'} {'is' if n < 2 else 'are'}"
            parts.append(
                f"Of {len(rows)} declared {kind} that could be tested, {found} {held} after Holm's correction; "
                f"the estimates lie between {low:+.2f} and {high:+.2f} nats."
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
        f"* {_pair(row)}{_world(row)}: {verdict} within {row['margin']:g} nats ({row['estimate']:+.2f} nats, 90 % "
        f"interval {row['ci90_low']:+.2f} to {row['ci90_high']:+.2f}; unit {row['unit']}, {_counts(row)}; "
        f"confirmatory, {_p(row['p_adjusted'])} after Holm)."
    )


def _between_worlds(differences: pd.DataFrame, settings: Any) -> list[str]:
    named = declared(settings)
    return [
        f"* {_pair(row)}: the coupled world exceeds the decoupled one by {row['estimate']:+.2f} nats "
        f"({100 * (1 - settings.alpha):g} % interval {row['ci_low']:+.2f} to {row['ci_high']:+.2f}, "
        f"{_p(row['p_adjusted'])} after Benjamini-Hochberg; unit base)."
        for row in differences.to_dict("records")
        if tuple(row[name] for name in NAMED) in named
    ]


def _dissociations(specificity: pd.DataFrame, settings: Any) -> list[str]:
    """Per architecture where checkpoints were measured, per base model outside the calibration worlds."""
    own = specificity["unit"].eq("base") | (specificity["unit"].eq("runs") & specificity["world"].eq(""))
    families = {claim.family for claim in settings.confirmatory} or {"interpretation"}
    near = specificity[own & specificity["family"].isin(families)]
    held = {True: "holds", False: "does not hold"}
    return [
        f"* {row['pair'].capitalize()}: double dissociation {held[bool(row['double_dissociation'])]} for "
        f"{row['family'].replace('_', ' ')} probes in {row['base_model']}{_world(row)} (unit {row['unit']}; its three "
        "intervals are not corrected)."
        for row in near.query("effect == 'interaction' and ring == 'held_out_domains'").to_dict("records")
    ]


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


def checkpoint_limits(contrasts: pd.DataFrame) -> str:
    """How many base checkpoints unit `base` rests on, from its degrees of freedom; one sentence."""
    base = contrasts[contrasts["unit"] == "base"]
    if base.empty:
        return "No claim is about new pretrainings: no architecture has two checkpoints in one world."
    df = base["df"].round().astype(int)
    return (
        f"Claims about new pretrainings (unit base) rest on {_span(df + 1)} checkpoints of an architecture and world: "
        f"{_span(df)} degree{'s' if df.max() > 1 else ''} of freedom. Their intervals are wide, and say nothing about "
        "other sizes or architectures."
    )


def retention_limits(retention: pd.DataFrame) -> str:
    """How many runs lost more of neutral prose than the limit allows, and the worst; one sentence.

    Empty where nothing was trained.
    """
    if retention.empty:
        return ""
    over, worst = int((retention["ratio"] > RETENTION_LIMIT).sum()), retention.loc[retention["ratio"].idxmax()]
    return (
        f"{over} of {len(retention)} runs have a perplexity on neutral prose more than "
        f"{100 * (RETENTION_LIMIT - 1):.0f} % above their base model's; the largest ratio is "
        f"{worst['ratio']:.2f} ({worst['base_model']}, {worst['condition']}, seed {worst['seed']})."
    )


def matched_losses(last_losses: pd.DataFrame) -> str:
    """Mean training loss at the end by condition: who shares the settings is matched in steps, not in what is left."""
    means = last_losses.groupby("condition", sort=False)["last_loss"].mean().sort_values()
    if means.empty:
        return "This study trained nothing."
    told = ", ".join(f"{_name(condition)} {loss:.3f}" for condition, loss in means.items())
    return (
        f"Mean training loss over the last five steps (nats per token): {told}. Conditions with the study's own "
        "training settings are matched in examples and steps, not in training signal: where little loss is left, the "
        "set was memorised and gradients were small, so a contrast with such a control also compares amounts of "
        "training."
    )


def kept_level(rates: pd.DataFrame) -> str:
    """What units `runs` and `both` reject of nothing, by runs a side and ratio of run SDs: means over panels.

    Parameters
    ----------
    rates : `false_positives.rejection_rates`
    """
    keys = ["runs_per_side", "source", "run_sd_ratio"]
    lines = []
    for (side, source, ratio), part in rates.groupby(keys, sort=True):
        mean = part.groupby("unit")["rate"].mean()
        told = ", ".join(f"{unit} {100 * mean[unit]:.1f} %" for unit in ("runs", "both") if unit in mean)
        lines.append(f"* {side} runs a side, {source}, run SDs 1 : {ratio:g}: {told}")
    return "\n".join(lines)


def seeds_needed(needed: pd.DataFrame, target: float = 0.8) -> str:
    """How many seeds do I need? One line from `power.runs_needed`."""
    if needed.empty:
        return "How many seeds are needed cannot be said: no declared claim has two runs of both conditions."
    effect, items = needed["effect"].iloc[0], _span(needed["n_items"])
    asked = f"To find a shift of {effect:g} nats with {100 * target:g} % power at unit both, on {items} items,"
    beyond, within = needed[needed["n_runs"] == 0], needed[needed["n_runs"] > 0]
    parts = []
    if len(within):
        most = within.loc[within["n_runs"].idxmax()]
        parts.append(f"{_span(within['n_runs'])} runs of each condition are needed (most: {_pair(most)})")
    if len(beyond):
        parts.append(
            f"more runs than were looked at in {len(beyond)} of {len(needed)} cases (first: {_pair(beyond.iloc[0])})"
        )
    return f"{asked} {'; '.join(parts)}. The variances come from few runs: take this as a rough answer."


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


# Nats per token above the generator's entropy: beyond this a base model has not learned to infer the disposition.
GAP_LIMIT = 0.008


def convergence(cards: Sequence[Mapping[str, Any]]) -> str:
    """How close the embedded base models came to the text they were trained on, from their cards."""
    if not cards:
        return ""
    gaps = ", ".join(f"{card['name']} {card['gap']:.4f}" for card in cards)
    late = [card["name"] for card in cards if card["gap"] > GAP_LIMIT]
    verdict = (
        f"**Above the limit of {GAP_LIMIT}: {', '.join(late)}.** A null result there may only mean that the model "
        "learned too little, and is provisional."
        if late
        else f"All lie within the limit of {GAP_LIMIT}."
    )
    return f"Convergence gaps of the base models (nats per token above the generator's entropy): {gaps}. {verdict}"


def _pair(row: Mapping[str, Any]) -> str:
    return (
        f"{_name(row['condition']).capitalize()} minus {_name(row['control'])}, {row['outcome']}, {row['base_model']}"
    )


def _world(row: Mapping[str, Any]) -> str:
    return f", {row['world']} world" if row["world"] else ""
