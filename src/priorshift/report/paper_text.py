"""The claims of the paper that the project starts from, beside what a study found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.report.claims_text import Tables
from priorshift.stats.declared import CONTRAST_KEY, Settings, choose_unit, list_contrasts
from priorshift.study.params import HELD_OUT, NEAR

PAPER = "https://arxiv.org/abs/2605.22356"
INTRODUCTION = (
    f"The study follows Milano and Marocco (2026), [arXiv 2605.22356]({PAPER}). It adds controls and intervals. "
    "What stands under *paper* is from its abstract. *Same* tells whether this study finds it too."
)
NOT_TESTED = "not tested"  # at the unit of a declared claim: what was measured may still be shown as exploratory


def compare_with_paper(tables: Tables, settings: Settings) -> pd.DataFrame:
    """Set each claim of the paper beside what a study found, in each world (or outside the worlds).

    Parameters
    ----------
    tables : contrasts, specificity and jsd, as written; scales and valence where the study has them
    settings : the study's inference section: its declared contrasts are looked at

    Returns
    -------
    DataFrame
        claim, paper, here, same. Empty where no contrast was declared.
    """
    if not settings.claims:
        return pd.DataFrame(columns=["claim", "paper", "here", "same"])
    rows = [
        ("shift", "negative and threat-related words become likelier", *_count_shifts(tables, settings, NEAR)),
        ("generalization", "also beyond training contexts", *_count_shifts(tables, settings, HELD_OUT)),
        ("several measures", "completions, scales and JSD show it too", *_list_measures(tables)),
        ("partial specificity", "behaviors move different outcomes", *_count_dissociations(tables, settings)),
    ]
    return pd.DataFrame(rows, columns=["claim", "paper", "here", "same"])


def _count_shifts(tables: Tables, settings: Settings, ring: str) -> tuple[str, str]:
    """How many declared contrasts, made in this ring at their own unit, have an interval above 0."""
    named, at = {key[:-1] for key in list_contrasts(settings)}, list(CONTRAST_KEY[:-1])
    table = tables["contrasts"]
    own = table[(table["ring"] == ring) & (table["unit"] == table["world"].map(choose_unit))]
    own = own[np.array([key in named for key in own[at].itertuples(index=False, name=None)], dtype=bool)]
    shown = own["ci_low"] > 0
    return _count(own["world"], shown, "contrasts above 0")


def _count_dissociations(tables: Tables, settings: Settings) -> tuple[str, str]:
    """How many double dissociations hold for the claimed families on held-out domains."""
    families, table = {claim.family for claim in settings.claims}, tables["specificity"]
    own = table[table["family"].isin(families) & (table["ring"] == HELD_OUT) & (table["effect"] == "interaction")]
    own = own[own["unit"] == own["world"].map(lambda world: "base" if world else "runs")]
    return _count(own["world"], own["double_dissociation"].astype(bool), "double dissociations")


def _count(worlds: pd.Series, held: pd.Series, what: str) -> tuple[str, str]:
    """What was found and whether it is the same, in each world."""
    if worlds.empty:
        return NOT_TESTED, NOT_TESTED
    here, same = [], []
    for world, part in held.groupby(worlds, sort=True):
        lead = f"{world}: " if world else ""
        here.append(f"{lead}{part.sum()} of {len(part)} {what}")
        same.append(lead + ("yes" if part.all() else "partly" if part.any() else "no"))
    return ". ".join(here), ". ".join(same)


def _list_measures(tables: Tables) -> tuple[str, str]:
    """The measures that the study has: it is for the reader to compare them."""
    names = {"jsd": "JSD", "scales": "scales", "valence": "completions"}
    measured = [name for table, name in names.items() if table in tables]
    lacking = [name for table, name in names.items() if table not in tables]
    told = f"measured: {', '.join(measured) or 'none'}" + (f". Not measured: {', '.join(lacking)}" if lacking else "")
    return told, "see below" if measured else "not measured"
