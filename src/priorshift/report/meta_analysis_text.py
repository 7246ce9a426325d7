"""Meta-analysis of base models: the declared contrasts over base models, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from priorshift.report.names import name_architecture, name_condition, name_interval
from priorshift.stats.declared import CONTRAST_KEY, Settings, list_contrasts
from priorshift.stats.meta_analysis import ALL

INTRODUCTION = (
    "Random effects over base models: their mean, how much they differ, and what a further one is expected to show. "
    "Each stands with its standard error over runs, on the same items and training sets. All of it is exploratory. "
    "Where standard errors rest on three runs a side they are rough, and intervals of the SD too narrow."
)


def select_declared_models(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The rows of `synthesis` or `synthesis_models` whose contrast is declared."""
    named = list_contrasts(settings)
    keep = [key in named for key in table[list(CONTRAST_KEY)].itertuples(index=False, name=None)]
    return table[pd.Series(keep, index=table.index, dtype=bool)]


def describe_meta_analysis(tables: Mapping[str, pd.DataFrame], settings: Settings) -> str:
    """Say the declared contrasts over all base models of a world, as Markdown. Empty where no two were compared.

    Where a world has checkpoints of one architecture alone, they are what is said.

    Parameters
    ----------
    tables : synthesis, where there is one
    """
    if "synthesis" not in tables:
        return ""
    rows = select_declared_models(tables["synthesis"], settings)
    widest = rows["base_model"].eq(ALL).groupby(rows["world"]).transform("any")
    rows = rows[rows["base_model"].eq(ALL) | ~widest]
    lines = [f"* {_describe(row, settings.alpha)}" for row in rows.to_dict("records")]
    return "\n".join([INTRODUCTION, "", *lines]) if lines else ""


def name_models(row: Mapping[str, Any]) -> str:
    """Write over what a row of `synthesis` is: checkpoints of an architecture, or all base models.

    Examples
    --------
    >>> name_models({"base_model": "all", "world": ""}), name_models({"base_model": "llama", "world": "coupled"})
    ('base models', 'Llama checkpoints, coupled world')
    """
    models = "base models" if row["base_model"] == ALL else f"{name_architecture(row['base_model'])} checkpoints"
    return f"{models}, {row['world']} world" if row["world"] else models


def _describe(row: Mapping[str, Any], alpha: float) -> str:
    pair = f"{name_condition(row['condition']).capitalize()} minus {name_condition(row['control'])} training"
    further = "No prediction interval can be made of two."
    if row["n_models"] > 2:
        limits = name_interval(row["predict_low"], row["predict_high"], alpha).replace(
            "interval", "prediction interval"
        )
        further = f"A further one: {limits}."
    caution = f" {row['caution'].capitalize()}." if row["caution"] else ""
    return (
        f"{pair}, {row['outcome']} ({row['family'].replace('_', ' ')}), {row['n_models']} {name_models(row)}: "
        f"{row['estimate']:+.2f} nats ({name_interval(row['ci_low'], row['ci_high'], alpha)}). They differ with an SD "
        f"of {row['tau']:.2f} ({row['tau_low']:.2f} to {row['tau_high']:.2f}). {further}{caution}"
    )
