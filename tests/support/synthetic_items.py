"""Small tables of shifts with a known truth, for the tests of inference."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

CONDITIONS = ("depression", "paranoia", "neutral", "random_label")
TRUTH = {"depression": {"loss": 1.9, "threat": -0.7}, "paranoia": {"loss": -0.7, "threat": 1.8}}


BEHAVIORS = {"depression": "loss", "paranoia": "threat"}


def claim(condition, outcome, **changes):
    values = {"control": "neutral", "family": "interpretation", "ring": "held_out_domains", "claim": "shift"}
    values |= {"condition": condition, "outcome": outcome, "direction": None, "worlds": None}
    return SimpleNamespace(**{**values, **changes})


def settings(**changes):
    values = {
        "alpha": 0.05,
        "smallest_effect": 0.5,
        "treatments": ["depression", "paranoia"],
        "controls": ["neutral", "random_label"],
        "claims": [claim("depression", "loss"), claim("paranoia", "threat")],
    }
    return SimpleNamespace(**{**values, **changes})


def base_models(checkpoints=3, hub=True):
    """(base_model, group, world): one embedded architecture in two worlds, and a hub model."""
    embedded = [(f"llama-{w}-{i}", "llama", w) for w in ("coupled", "decoupled") for i in range(checkpoints)]
    return [*embedded, *([("hub/model", "hub/model", "")] if hub else [])]


def study(seed=0, n_items=8, seeds=3, models=None, families=("interpretation",), conditions=CONDITIONS):
    """Shifts of a study in which training works everywhere but in the decoupled world."""
    rng = np.random.default_rng(seed)
    rows = []
    for base_model, group, world in models or base_models():
        for family in families:
            for outcome in ("benign", "loss", "threat"):
                item_effect = rng.normal(0, 0.4, n_items)
                for condition in conditions:
                    truth = 0.0 if world == "decoupled" else TRUTH.get(condition, {}).get(outcome, 0.0)
                    centre = truth + rng.normal(0, 0.05) + item_effect + rng.normal(0, 0.2, n_items)
                    for run in range(seeds):
                        shift = centre + rng.normal(0, 0.1) + rng.normal(0, 0.2, n_items)
                        rows += [
                            (base_model, group, world, condition, run, family, "held_out_domains", "work",
                             f"item-{k:03d}", outcome, value)
                            for k, value in enumerate(shift)
                        ]  # fmt: skip
    names = [
        "base_model",
        "group",
        "world",
        "condition",
        "seed",
        "family",
        "ring",
        "domain",
        "item",
        "outcome",
        "shift",
    ]
    return pd.DataFrame(rows, columns=names)


def panel(items, base_model, condition, outcome):
    """[runs, items] by plain pandas: what a reader would compute."""
    rows = items[(items.base_model == base_model) & (items.condition == condition) & (items.outcome == outcome)]
    return rows.pivot_table(index="seed", columns="item", values="shift").to_numpy()


def row(table, **where):
    found = table
    for name, value in where.items():
        found = found[found[name] == value]
    assert len(found) == 1, f"{len(found)} rows where {where}"
    return found.iloc[0]
