"""Measurements of one model as files of a folder, read again number for number.

Next-token logprobs, by far the largest, stay on the disk as they are read: a vocabulary of 262,000 tokens takes a
megabyte for each item.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from priorshift.probing.measure import ItemMeasurements
from priorshift.probing.probe import BaseMeasurements, Measurements


def write_kept_items(folder: Path, items: ItemMeasurements) -> None:
    """Write what a model expects at every item into a folder that is there."""
    np.save(folder / "next_token.npy", items.next_token)
    np.savez(folder / "scores.npz", class_logprobs=items.class_logprobs, **items.other_scores)
    first_tokens = [{name: sorted(tokens) for name, tokens in each.items()} for each in items.first_tokens]
    told = {"first_tokens": first_tokens, "merged": sorted(items.merged)}
    (folder / "items.json").write_text(json.dumps(told), encoding="utf-8")


def read_kept_items(folder: Path) -> ItemMeasurements:
    """Read what `write_kept_items` wrote."""
    told = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    with np.load(folder / "scores.npz", allow_pickle=False) as file:
        scores = dict(file)
    return ItemMeasurements(
        scores.pop("class_logprobs"),
        scores,
        [{name: frozenset(tokens) for name, tokens in each.items()} for each in told["first_tokens"]],
        np.load(folder / "next_token.npy", mmap_mode="r", allow_pickle=False),
        frozenset(told["merged"]),
    )


def write_base(folder: Path, base: BaseMeasurements) -> None:
    """Write all that was measured of a base model into a folder that is there."""
    write_kept_items(folder, base.measurements.items)
    tables = {"prose": base.measurements.prose, "scales": base.measurements.scales}
    tables |= {f"completions-{seed}": texts for seed, texts in base.completions.items()}
    for name, table in tables.items():
        if table is not None:
            table.to_parquet(folder / f"{name}.parquet", index=False)


def read_base(folder: Path, seeds: list[int]) -> BaseMeasurements:
    """Read what `write_base` wrote. `seeds` are those of the completions."""

    def read(name: str) -> pd.DataFrame | None:
        path = folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else None

    measured = Measurements(read_kept_items(folder), read("prose"), read("scales"), None)
    return BaseMeasurements(measured, {seed: read(f"completions-{seed}") for seed in seeds})
