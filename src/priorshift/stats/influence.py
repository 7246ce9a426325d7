"""Does a declared claim rest on one item, run, domain or base checkpoint? Each is left out in turn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from priorshift.errors import UserError
from priorshift.stats.claim_panels import (
    ClaimPanels,
    estimate_base,
    estimate_both,
    list_by_base_model,
    list_by_group,
)
from priorshift.stats.declared import CLAIM, Settings
from priorshift.stats.panels import Panel

INFLUENCE = [
    *CLAIM, "unit", "kind", "left_out", "estimate", "ci_low", "ci_high", "p_value", "change",
]  # fmt: skip
Part = dict[str, str]  # kind and left_out


def leave_one_out(items: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Each declared claim without each item, run and domain (units `both` and `base`) and base checkpoint (`base`).

    Parameters
    ----------
    items : DataFrame
        As for `panels.check_items`, and with `domain`.

    Returns
    -------
    DataFrame
        Columns `INFLUENCE`, in nats. `kind`: item, run, domain or base_model; the row of kind `none` leaves nothing
        out, and `change` is the difference from it. What cannot be estimated without a part has no row.

    Raises
    ------
    UserError
        `items` lacks domain.
    """
    if "domain" not in items:
        raise UserError("items lacks the column domain, which leaving out one domain needs; add it")
    domains = items.drop_duplicates("item").set_index("item")["domain"]
    rows, alpha = [], settings.alpha
    for claim in list_by_base_model(items, settings):
        both = ((part, estimate_both(rest, alpha)) for part, rest in _leave_out_parts(claim, domains))
        rows += _compare_with_whole(claim, "both", both)
    for claim in list_by_group(items, settings):
        parts = itertools.chain(_leave_out_parts(claim, domains), _leave_out_checkpoints(claim))
        rows += _compare_with_whole(claim, "base", ((part, estimate_base(rest, alpha)) for part, rest in parts))
    return pd.DataFrame(rows, columns=INFLUENCE)


def _compare_with_whole(
    claim: ClaimPanels, unit: str, estimates: Iterable[tuple[Part, dict[str, float] | None]]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{**claim.claim, "unit": unit, **part, **made} for part, made in estimates if made]
    whole = [row["estimate"] for row in rows if row["kind"] == "none"]
    return [{**row, "change": row["estimate"] - whole[0]} for row in rows] if whole else []


def _leave_out_parts(claim: ClaimPanels, domains: pd.Series) -> Iterator[tuple[Part, ClaimPanels]]:
    """The claim as it is, then without each item and domain (in all its checkpoints) and each run."""
    yield {"kind": "none", "left_out": ""}, claim
    items = dict.fromkeys(item for panel in claim.checkpoints for item in panel.items)
    for kind, part_of in (("item", {item: item for item in items}), ("domain", domains[list(items)].to_dict())):
        names = [np.array([part_of[item] for item in panel.items], dtype=object) for panel in claim.checkpoints]
        for name in dict.fromkeys(part_of.values()):
            pairs = zip(claim.checkpoints, names, strict=True)
            kept = [panel.keep_items(np.flatnonzero(of != name)) for panel, of in pairs]
            yield {"kind": kind, "left_out": name}, replace(claim, checkpoints=kept)
    pair = (claim.claim["condition"], claim.claim["control"])
    for i, panel in enumerate(claim.checkpoints):
        for at in np.flatnonzero(np.isin(panel.labels, pair)):
            kept = list(claim.checkpoints)
            kept[i] = _keep_runs(panel, np.arange(len(panel.labels)) != at)
            of = f"{panel.base_model} " if len(claim.checkpoints) > 1 else ""
            name = f"{of}{panel.labels[at]} seed {panel.seeds[at]}"
            yield {"kind": "run", "left_out": name}, replace(claim, checkpoints=kept)


def _keep_runs(panel: Panel, keep: np.ndarray) -> Panel:
    return replace(panel, labels=panel.labels[keep], seeds=panel.seeds[keep], values=panel.values[keep])


def _leave_out_checkpoints(claim: ClaimPanels) -> Iterator[tuple[Part, ClaimPanels]]:
    for panel in claim.checkpoints:
        rest = [other for other in claim.checkpoints if other is not panel]
        yield {"kind": "base_model", "left_out": panel.base_model}, replace(claim, checkpoints=rest)
