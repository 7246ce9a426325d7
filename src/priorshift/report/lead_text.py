"""The answer in numbers: as probabilities, and what it must be read with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from priorshift.report.claims_text import Tables
from priorshift.report.names import name_architecture, name_condition, name_probes, name_ring, name_span
from priorshift.report.summary_text import summarize_claims
from priorshift.stats.declared import Settings, sort_claims
from priorshift.stats.panels import PROBE
from priorshift.study.params import HELD_OUT, NEAR, StudyParams
from priorshift.tables.runs import read_base_cards

KEY = ["condition", "family", "outcome"]


def write_lead(study: StudyParams, tables: Tables) -> str:
    """Write the answer in numbers as Markdown: probabilities, what they rest on, then nats.

    Parameters
    ----------
    tables : shifts, contrasts and equivalence, as written
    """
    shifts, settings = tables["shifts"], study.inference
    parts = [
        describe_probabilities(shifts, settings),
        describe_base_models(shifts, settings, read_base_cards(study)),
        f"**In nats.** {summarize_claims(tables, settings)}",
    ]
    return "\n\n".join(filter(None, parts))


def describe_probabilities(shifts: pd.DataFrame, settings: Settings) -> str:
    """Say the probability of each claimed outcome before and after training. Empty where none was measured.

    A base model's runs are averaged first, then its architecture's base models. A probability is among the candidate
    continuations.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    """
    trained, beside = (average_claims(shifts, settings, side) for side in ("condition", "control"))
    if trained.empty:
        return ""
    lines = [_describe_claim(rows) for _, rows in trained.groupby(["trained", *PROBE], sort=False)]
    if len(beside):
        controls = " and ".join(map(name_condition, sorted(set(beside["trained"]))))
        most = 100 * (beside["probability"] - beside["base_probability"]).abs().max()
        lines += ["", f"{controls.capitalize()} training moved them by at most {most:.1f} points."]
    return "\n".join([*lines, "", "All are probabilities among the candidate words, before and after training."])


def average_claims(shifts: pd.DataFrame, settings: Settings, side: str) -> pd.DataFrame:
    """Average the probabilities of each claimed outcome, by group and world, under its condition or its control.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    side : "condition" or "control"

    Returns
    -------
    DataFrame
        group, world, base_probability, probability, shift, trained, family, ring, outcome; empty without a claim.
    """
    parts = {}
    for claim in sort_claims(settings):
        key = (getattr(claim, side), *(getattr(claim, name) for name in PROBE))
        own = shifts[(shifts[["condition", *PROBE]] == list(key)).all(axis=1)]
        parts[key] = _average_models(own).assign(trained=key[0], **dict(zip(PROBE, key[1:], strict=True)))
    return pd.concat(parts.values()).reset_index() if parts else pd.DataFrame()


def _average_models(runs: pd.DataFrame) -> pd.DataFrame:
    """Means by group and world, over base models of the means over their runs."""
    columns = ["base_probability", "probability", "shift"]
    return runs.groupby(["group", "world", "base_model"])[columns].mean().groupby(level=[0, 1]).mean()


def _describe_claim(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    cells = []
    for group, part in rows.groupby("group"):
        changes = [
            f"{row.world} {100 * row.base_probability:.0f} to {100 * row.probability:.0f} %".strip()
            for row in part.itertuples()
        ]
        cells.append(f"{name_architecture(group)}: {', '.join(changes)}.")
    head = f"*{first['outcome'].capitalize()}* after {name_condition(first['trained'])} training"
    return f"* {head} ({name_probes(first['family'])}, {name_ring(first['ring'])}). {' '.join(cells)}"


def describe_base_models(shifts: pd.DataFrame, settings: Settings, cards: Sequence[Mapping[str, Any]]) -> str:
    """Say how small the calibration models are, and that transfer to other domains is nearly built into their worlds.

    Empty for a study of other models.

    Parameters
    ----------
    cards : `runs.read_base_cards`, with the number of `parameters` of each model
    """
    if not cards:
        return ""
    sizes = name_span(pd.Series([card["parameters"] / 1e6 for card in cards]), ".1f")
    gap = _find_domain_gap(shifts, settings)
    apart = f" Here the two differ by at most {gap:.2f} nats." if gap is not None else ""
    return (
        f"**What it rests on.** The base models have about {sizes} million parameters each. *Held-out* domains are "
        "in no training set. But the texts of a world treat all domains alike, so transfer between domains is nearly "
        f"built in.{apart}"
    )


def _find_domain_gap(shifts: pd.DataFrame, settings: Settings) -> float | None:
    """The greatest difference between held-out and training domains in the mean shift of a claimed outcome (nats)."""
    gaps = []
    for claim in sort_claims(settings):
        own = shifts[(shifts[KEY] == [getattr(claim, name) for name in KEY]).all(axis=1)]
        far, near = (_average_models(own[own["ring"] == ring])["shift"] for ring in (HELD_OUT, NEAR))
        gaps += list((far - near).abs().dropna())
    return max(gaps) if gaps else None
