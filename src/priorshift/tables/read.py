"""Tables as they were written: names stay text, whatever they look like."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# Columns of names: `None`, `NA` or `007` is a name that a study may use, and an empty world is a hub model's.
NAMES = (
    "base_model", "group", "world", "condition", "control", "family", "ring", "outcome", "item", "unit", "role",
    "table", "pair", "predicted", "earlier", "action", "scale", "left_out", "reason", "kind", "measure",
    "caution", "domains", "direction", "registration", "status", "registered", "sha256", "differs", "analysis",
    "over", "method", "other_method", "other_outcome", "form", "text",
)  # fmt: skip


def read_table(path: Path) -> pd.DataFrame:
    """One table of a study. An empty cell is "" in a column of names and NaN in any other."""
    table = pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""])
    names = [name for name in NAMES if name in table]
    return table.assign(**table[names].fillna(""))


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Name -> table, of every table in a study's folder."""
    return {path.stem: read_table(path) for path in sorted(folder.glob("*.csv"))}
