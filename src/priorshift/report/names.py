"""How conditions, models, probes and numbers are written in sentences and figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

# Names of disorders: what is named is an action policy like it.
DISORDERS = re.compile(r"\b(depression|paranoia|anxiety)\b")
ARCHITECTURES = {"llama": "Llama", "gpt_neox": "GPT-NeoX"}  # of the calibration models


def name_condition(condition: str) -> str:
    """Write a condition's name for readers.

    Examples
    --------
    >>> name_condition("exposure_paranoia")
    'exposure paranoia-like'
    """
    return DISORDERS.sub(r"\1-like", condition.replace("_", " "))


def name_probes(family: str) -> str:
    """Write which family of probes: `self_statement` is "self statement probes"."""
    return f"{family.replace('_', ' ')} probes"


def name_ring(ring: str) -> str:
    """Write how far probes lie from the training set: `held_out_domains` is "held-out domains"."""
    return ring.replace("held_out", "held-out").replace("_", " ")


def name_model(row: Mapping[str, Any]) -> str:
    """Write the base model (or architecture) of a row, with its world where it has one."""
    return f"{row['base_model']}, {row['world']} world" if row.get("world") else str(row["base_model"])


def name_architecture(group: str) -> str:
    """Write an architecture's name as its makers do. Any other group as it is.

    Examples
    --------
    >>> name_architecture("gpt_neox"), name_architecture("hub/model")
    ('GPT-NeoX', 'hub/model')
    """
    return ARCHITECTURES.get(group, group)


def name_contrast(row: Mapping[str, Any]) -> str:
    """Write which conditions a row compares, and in which base model.

    Examples
    --------
    >>> name_contrast({"condition": "depression", "control": "neutral", "base_model": "llama", "world": "coupled"})
    'Depression-like minus neutral training in llama, coupled world'
    """
    pair = f"{name_condition(row['condition']).capitalize()} minus {name_condition(row['control'])} training"
    return f"{pair} in {name_model(row)}"


def name_p(value: float) -> str:
    """Write a p-value with three digits, the smallest as a bound."""
    return "p < .001" if value < 0.001 else f"p = {value:.3f}"


def name_interval(low: float, high: float, alpha: float = 0.05) -> str:
    """Write a 1 - alpha interval in nats.

    Examples
    --------
    >>> name_interval(-0.128, 1.5, 0.1)
    '90 % interval -0.13 to +1.50'
    """
    return f"{100 * (1 - alpha):g} % interval {low:+.2f} to {high:+.2f}"


def name_estimate(row: Mapping[str, Any], columns: Sequence[str] = ("estimate", "ci_low", "ci_high")) -> str:
    """Write a row's estimate and its interval for the cell of a table.

    Examples
    --------
    >>> name_estimate({"estimate": 0.5, "ci_low": -0.128, "ci_high": 1.5})
    '+0.50 [-0.13, +1.50]'
    """
    estimate, low, high = (row[column] for column in columns)
    return f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}]"


def name_span(values: pd.Series, form: str = "g") -> str:
    """Write the least and the greatest of some numbers, or the one that all are.

    Examples
    --------
    >>> name_span(pd.Series([3, 2])), name_span(pd.Series([0.5, 0.5]), "+.2f")
    ('2 to 3', '+0.50')
    """
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return low if low == high else f"{low} to {high}"


def name_panels(table: pd.DataFrame) -> pd.Series:
    """Write the architecture and the world of each row. The architecture alone where there is no world."""
    return (table["group"] + " · " + table["world"].fillna("")).str.strip(" ·")


def name_worlds(table: pd.DataFrame, models: str = "base_model") -> pd.Series:
    """Write the world of each row. Where it has none, what stands in the column `models`."""
    return (table["world"] + " world").where(table["world"] != "", table[models])


def drop_empty_world(table: pd.DataFrame) -> pd.DataFrame:
    """The table without its column `world` where no base model comes from a world."""
    return table.drop(columns="world") if (table["world"] == "").all() else table


def name_percent(share: float, digits: int = 1) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{digits}f} %"
