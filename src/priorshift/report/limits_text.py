"""What a study's tables can't carry, in words: its design, checkpoints, retention, losses, level, convergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from priorshift.report.names import name_condition, name_contrast, name_span
from priorshift.stats.declared import Settings, choose_unit, is_claimed
from priorshift.study.params import StudyParams
from priorshift.tables.runs import read_base_cards
from priorshift.tables.training_amount import RETENTION_LIMIT

# Nats per token above the generator's entropy: beyond this a base model has not learned to infer the disposition.
GAP_LIMIT = 0.008


def list_limits(study: StudyParams, tables: Mapping[str, pd.DataFrame]) -> str:
    """List what can't be concluded from a study, as Markdown.

    Parameters
    ----------
    tables : shifts, contrasts, retention and last_losses, as written
    """
    measured = [
        describe_checkpoints(tables["contrasts"]),
        describe_retention(tables["retention"]),
        describe_losses(tables["last_losses"]),
        describe_convergence(read_base_cards(study)),
    ]
    worlds = set(tables["shifts"]["world"]) - {""}
    limits = [*_list_model_limits(worlds), *_list_design_limits(study), *filter(None, measured)]
    return "\n".join(f"* {limit}" for limit in limits)


def _list_model_limits(worlds: set[str]) -> Iterator[str]:
    if not worlds:
        yield "What these base models ought to expect is not known: a shift here has no truth to be compared with."
        return
    yield (
        "The calibration worlds are tiny and artificial: they test the instrument. Whether large language models "
        "behave like one of them is a question for other base models."
    )
    yield (
        "The embedded base models were made for this study. Their worlds, architectures and pretraining settings were "
        "chosen by looking at transfer in coupled models. The size of a shift in the coupled world is a calibration, "
        "not a discovery."
    )


def _list_design_limits(study: StudyParams) -> Iterator[str]:
    yield (
        "A shift of candidate continuations is not a shift of everything a model might say. Covered mass tells how "
        "much probability the candidates hold."
    )
    yield (
        "Declared claims stand in the study's file. They are called confirmatory only where a registration of the same "
        "design is older than the first measurement. `docs/results.md` says when the reference study's were fixed."
    )
    apart = f" Contrasts with {name_condition(study.neutral)} training share none of these." if study.neutral else ""
    yield (
        "Decision conditions of one seed share situations, names and option orders. Tests treat their runs as "
        f"independent.{apart} Contrasts between decision conditions share them, and so does the double dissociation."
    )
    yield (
        "That runs and base checkpoints vary normally is assumed. A few of them can't show it. Where effects are "
        "skewed, or runs of one side fail, 5 % tests reject 8 to 20 % of true nulls (notebook 07)."
    )
    yield "Nothing here is about people. No scale, probe or condition measures or treats a disorder."


def describe_checkpoints(contrasts: pd.DataFrame) -> str:
    """Say how many base checkpoints unit `base` rests on, from its degrees of freedom."""
    base = contrasts[contrasts["unit"] == "base"]
    if base.empty:
        return "No claim is about new pretrainings: no architecture has two checkpoints to compare."
    df = base["df"].round().astype(int)
    return (
        f"Claims about new pretrainings (unit base) rest on {name_span(df + 1)} checkpoints of an architecture and "
        f"world: {name_span(df)} degree{'s' if df.max() > 1 else ''} of freedom. Their intervals are wide, and say "
        "nothing about other sizes or architectures."
    )


def describe_retention(retention: pd.DataFrame) -> str:
    """Say how many runs lost more of neutral prose than the limit allows, and the worst. Empty without training."""
    if retention.empty:
        return ""
    over, worst = int((retention["ratio"] > RETENTION_LIMIT).sum()), retention.loc[retention["ratio"].idxmax()]
    return (
        f"{over} of {len(retention)} runs have a perplexity on neutral prose more than "
        f"{100 * (RETENTION_LIMIT - 1):.0f} % above their base model's. The largest ratio is "
        f"{worst['ratio']:.2f} ({worst['base_model']}, {worst['condition']}, seed {worst['seed']})."
    )


def describe_losses(last_losses: pd.DataFrame) -> str:
    """Say the mean training loss at the end by condition: steps are matched, what is left to learn is not."""
    means = last_losses.groupby("condition", sort=False)["last_loss"].mean().sort_values()
    if means.empty:
        return "This study trained nothing."
    listed = ", ".join(f"{name_condition(condition)} {loss:.3f}" for condition, loss in means.items())
    return (
        f"Mean training loss over the last five steps (nats per token): {listed}. Conditions with the study's own "
        "training settings are matched in examples and steps, not in training signal. Where little loss is left, the "
        "set was memorised and gradients were small. A contrast with such a control also compares amounts of training."
    )


def describe_level(rates: pd.DataFrame) -> str:
    """Say how often each unit but `items` rejects a true null, a line for each way of comparing, as Markdown.

    Mean and greatest rate over panels, and how many panels' intervals leave out alpha, below or above it.

    Parameters
    ----------
    rates : `level.count_rejections`
    """
    keys, lines = ["runs_per_side", "source", "run_sd_ratio"], []
    for (side, way, ratio), part in rates.groupby(keys, sort=True):
        lines.append(f"* {side} runs a side, {way}, run SDs 1 : {ratio:g}:")
        lines += [f"    * {_describe_rate(unit, part[part['unit'] == unit])}" for unit in _list_units(part)]
    return "\n".join(lines)


def _list_units(rates: pd.DataFrame) -> list[str]:
    return [unit for unit in ("runs", "both", "base") if (rates["unit"] == unit).any()]


def _describe_rate(unit: str, rates: pd.DataFrame) -> str:
    alpha = rates["alpha"].iloc[0]
    below, above = (rates["ci_high"] < alpha).sum(), (rates["ci_low"] > alpha).sum()
    return (
        f"{unit} {100 * rates['rate'].mean():.1f} % (a panel at most {100 * rates['rate'].max():.1f} %). Of "
        f"{len(rates)} intervals {below} lie below {100 * alpha:g} % and {above} above."
    )


def describe_influence(influence: pd.DataFrame, settings: Settings) -> str:
    """Say how far a declared estimate moves at most, at its own unit, without one item, domain, run or checkpoint.

    Parameters
    ----------
    influence : `influence.leave_one_out`
    """
    mine = [
        row["unit"] == choose_unit(row["world"])
        and any(is_claimed(settings, kind, row) for kind in ("shift", "equivalence"))
        for row in influence.to_dict("records")
    ]
    own = influence[np.array(mine, dtype=bool)]
    lines = []
    for kind in ("item", "domain", "run", "base_model"):
        left = own[own["kind"] == kind]
        if len(left):
            most = left.loc[left["change"].abs().idxmax()]
            part = "base checkpoint" if kind == "base_model" else kind
            lines.append(
                f"* one {part}: {most['change']:+.2f} nats ({most['left_out']}. {name_contrast(most)}, "
                f"{most['outcome']})"
            )
    return (
        "\n".join(["How far a declared estimate moves at most, where one part is left out:", "", *lines])
        if lines
        else ""
    )


def describe_convergence(cards: Sequence[Mapping[str, Any]]) -> str:
    """Say how close the embedded base models came to the text they were trained on, from their cards."""
    if not cards:
        return ""
    gaps = name_span(pd.Series([card["gap"] for card in cards]), ".4f")
    late = [f"{card['name']} ({card['gap']:.4f})." for card in cards if card["gap"] > GAP_LIMIT]
    verdict = (
        f"**Above the limit of {GAP_LIMIT}: {' '.join(late)}** A null result there may only mean that the model "
        "learned too little. It is provisional."
        if late
        else f"All lie within the limit of {GAP_LIMIT}."
    )
    return f"The base models lie {gaps} nats per token above their generator's entropy. {verdict}"
