"""What a study's tables can't carry, in words: checkpoints, retention, losses, level, seeds, convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from priorshift.report.claims_text import pair_of, spoken
from priorshift.stats.declared import CLAIM, NAMED, Settings, claimed, own_unit

# The greatest perplexity on neutral prose, over the base model's, that counts as nothing lost.
RETENTION_LIMIT = 1.05
# Nats per token above the generator's entropy: beyond this a base model has not learned to infer the disposition.
GAP_LIMIT = 0.008


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
    told = ", ".join(f"{spoken(condition)} {loss:.3f}" for condition, loss in means.items())
    return (
        f"Mean training loss over the last five steps (nats per token): {told}. Conditions with the study's own "
        "training settings are matched in examples and steps, not in training signal: where little loss is left, the "
        "set was memorised and gradients were small, so a contrast with such a control also compares amounts of "
        "training."
    )


def kept_level(rates: pd.DataFrame) -> str:
    """What each unit but `items` rejects of nothing, by runs a side and ratio of run SDs: mean over panels, and most.

    And of how many panels the interval leaves out alpha, below or above it.

    Parameters
    ----------
    rates : `false_positives.rejection_rates`
    """
    keys = ["runs_per_side", "source", "run_sd_ratio"]
    lines = []
    for (side, source, ratio), part in rates.groupby(keys, sort=True):
        told = ", ".join(
            f"{unit} {100 * own['rate'].mean():.1f} % (a panel at most {100 * own['rate'].max():.1f} %; of {len(own)} "
            f"intervals {(own['ci_high'] < own['alpha']).sum()} lie below and {(own['ci_low'] > own['alpha']).sum()} "
            f"above {100 * own['alpha'].iloc[0]:g} %)"
            for unit, own in ((unit, part[part["unit"] == unit]) for unit in ("runs", "both", "base"))
            if len(own)
        )
        lines.append(f"* {side} runs a side, {source}, run SDs 1 : {ratio:g}: {told}")
    return "\n".join(lines)


def hangs_on(influence: pd.DataFrame, settings: Settings) -> str:
    """The most that a declared claim's estimate moves, at its own unit, without one item, domain, run or checkpoint.

    Parameters
    ----------
    influence : `influence.leave_one_out`
    """
    mine = [
        row["unit"] == own_unit(row["world"]) and any(claimed(settings, kind, row) for kind in ("shift", "equivalence"))
        for row in influence.to_dict("records")
    ]
    own = influence[np.array(mine, dtype=bool)]
    kinds = {"item": "item", "domain": "domain", "run": "run", "base_model": "base checkpoint"}
    parts = []
    for kind, said in kinds.items():
        left = own[own["kind"] == kind]
        if len(left):
            most = left.loc[left["change"].abs().idxmax()]
            parts.append(f"one {said} by {most['change']:+.2f} ({most['left_out']}; {pair_of(most)}, {most['world']})")
    return (
        f"Most that a declared estimate moves (nats) where one part is left out: {'; '.join(parts)}." if parts else ""
    )


def seeds_needed(needed: pd.DataFrame, settings: Settings, target: float = 0.8) -> str:
    """How many seeds do I need? One line from `power.runs_needed`, of the contrasts whose shift is claimed."""
    claimed = [claim for claim in settings.confirmatory if claim.claim == "shift"]
    if not claimed:
        return "No shift is claimed, and none is to be found by more seeds."
    shifts = {tuple(getattr(claim, name) for name in NAMED) for claim in claimed}
    needed = needed[[key in shifts for key in needed[list(NAMED)].itertuples(index=False, name=None)]]
    if needed.empty:
        return "How many seeds are needed cannot be said: no claimed shift was measured in two runs of both conditions."
    effect, items = needed["effect"].iloc[0], _span(needed["n_items"])
    asked = (
        f"To find a shift of {effect:g} nats with {100 * target:g} % power at unit both (alpha {settings.alpha:g}, "
        f"uncorrected), on {items} items,"
    )
    beyond, within = needed[needed["n_runs"] == 0], needed[needed["n_runs"] > 0]
    parts = []
    if len(within):
        most = within.loc[within["n_runs"].idxmax()]
        parts.append(f"{_span(within['n_runs'])} runs of each condition are needed (most: {pair_of(most)})")
    if len(beyond):
        parts.append(
            f"more runs than were looked at in {len(beyond)} of {len(needed)} cases (first: {pair_of(beyond.iloc[0])})"
        )
    nested = needed["world"].ne("").any()
    checkpoints = (
        " At unit base more runs make each checkpoint's mean steadier, but the degrees of freedom come from the number "
        "of checkpoints alone."
        if nested
        else ""
    )
    return f"{asked} {'; '.join(parts)}. The variances come from few runs: take this as a rough answer.{checkpoints}"


def checkpoints_needed(power: pd.DataFrame, effect: float, target: float = 0.8) -> str:
    """How many base checkpoints do I need? One line from `power.checkpoint_power`; empty without unit `base`."""
    if power.empty:
        return ""
    said = {
        "shift": f"find a shift of {effect:g} nats",
        "equivalence": f"show, where there is no shift, that it lies within {effect:g} nats of 0",
    }
    parts = []
    for claim, rows in power.groupby("claim", sort=False):
        enough = rows[rows["power"] >= target].groupby(CLAIM)["n_checkpoints"].min()
        never = rows.groupby(CLAIM).ngroups - len(enough)
        found = f"{_span(enough)} base checkpoints" if len(enough) else "no number looked at is enough"
        rest = f" (and in {never} cases more than {rows['n_checkpoints'].max()})" if never and len(enough) else ""
        parts.append(f"to {said[claim]}, {found}{rest}")
    return (
        f"With {100 * target:g} % power at unit base, each checkpoint measured as here: {'; '.join(parts)}. Their SD "
        "is known from few checkpoints: take this as a rough answer."
    )


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


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"
