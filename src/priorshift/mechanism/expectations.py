"""The measured items of a run as arrays, and what the calibration worlds say of each given a disposition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from priorshift.errors import ParamsError
from priorshift.stats.panels import RUN
from priorshift.worlds.generator import World

UNTINTED = ("choice", "self_statement")  # families that a domain does not touch


@dataclass(frozen=True)
class Expectations:
    """What a run and its base model expect at the items of one family.

    Attributes
    ----------
    classes : the items' classes, in the order of the world's dispositions
    before, after : float64 [n_items, n_classes], probability among the candidates, of the base and of the run
    likelihoods : float64 [n_items, n_dispositions, n_classes], P(class | disposition) in the world
    """

    classes: list[str]
    before: np.ndarray
    after: np.ndarray
    likelihoods: np.ndarray


def iterate_runs(
    items: pd.DataFrame, worlds: Mapping[str, World], ring: str
) -> Iterator[tuple[dict, dict[str, Expectations]]]:
    """Each run's keys, and family -> its expectations, on the items of one ring.

    Families of which the world says nothing (`next_words`) are left out.

    Raises
    ------
    ParamsError
        When a run's base model comes from no world that is known.
    """
    for key, rows in items[items["ring"] == ring].groupby(RUN, sort=False):
        run = dict(zip(RUN, key, strict=True))
        if run["world"] not in worlds:
            raise ParamsError(
                f"mechanism.prior_fit: {run['base_model']} comes from no calibration world, and what it ought to "
                "expect is not known; remove prior_fit, or name embedded models alone"
            )
        world = worlds[run["world"]]
        known = ["choice", "self_statement", *(f for f in world.params.follow_ups if f != "choice")]
        families = rows.groupby("family", sort=False)
        yield run, {name: _arrange(part, name, world) for name, part in families if name in known}


def _arrange(rows: pd.DataFrame, family: str, world: World) -> Expectations:
    classes = world.classes if family == "choice" else world.outcomes
    wide = rows.pivot(index=["domain", "item"], columns="outcome", values=["base_probability", "probability"])
    domains = wide.index.get_level_values("domain")
    if family in UNTINTED:
        likelihoods = np.repeat(world.class_probabilities[None], len(wide), axis=0)
    else:
        likelihoods = np.stack([world.tinted[domain] for domain in domains])
    before, after = (wide[name][classes].to_numpy(float) for name in ("base_probability", "probability"))
    return Expectations(list(classes), before, after, likelihoods)
