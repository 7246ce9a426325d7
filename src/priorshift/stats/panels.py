"""The tidy table of shifts as dense runs x items panels, with no statistics beyond a mean.

A *panel* holds one base model, family, ring and outcome. Rows are runs (condition, seed), columns are items, and cells
are shifts in nats, NaN where a run did not measure an item. A *probe* is (family, ring, outcome).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from priorshift.errors import UserError

BASE = ["base_model", "group", "world"]
RUN = [*BASE, "condition", "seed"]
RUN_KEY = ["base_model", "condition", "seed"]  # the fields of `study.run.Run`, which this room does not know
PROBE = ["family", "ring", "outcome"]
COLUMNS = [*RUN, *PROBE, "item", "shift"]
NONE_IN_COMMON = "no item was measured by every run of all base checkpoints"
Probe = tuple[str, str, str]
Row = dict[str, Any]  # of a table, by column


@dataclass(frozen=True)
class Panel:
    """Shifts of one base model, family, ring and outcome: `values` is [runs, items], in nats."""

    base_model: str
    group: str
    world: str
    family: str
    ring: str
    outcome: str
    labels: np.ndarray  # [runs]: the condition of each
    seeds: np.ndarray  # [runs]
    items: list[str]
    values: np.ndarray
    domains: np.ndarray | None = None  # [items]: the domain of each, where the table says it

    @property
    def probe(self) -> Probe:
        return self.family, self.ring, self.outcome

    @property
    def conditions(self) -> set[str]:
        return set(self.labels)

    def select(self, condition: str) -> np.ndarray:
        """Shifts of one condition, [runs, items]. No rows where the condition was not run."""
        return self.values[self.labels == condition]

    def keep_items(self, at: np.ndarray) -> Panel:
        """The panel with these of its items alone, by position."""
        domains = None if self.domains is None else self.domains[at]
        return replace(self, items=[self.items[i] for i in at], values=self.values[:, at], domains=domains)


def check_items(items: pd.DataFrame) -> pd.DataFrame:
    """The items table, ready to be analysed, or an error that says what is wrong with it.

    Parameters
    ----------
    items : DataFrame
        One row per base model x condition x seed x item x outcome; `shift` in nats. A run that lacks an
        item has no row for it. An empty `world` (a hub model) may be "" or missing. A column `domain`, the kind of
        situation that an item is of, is kept where it is there.

    Raises
    ------
    UserError
        A column is lacking, no row is there, a value is missing or not finite, a row stands twice, or a base
        model belongs to two groups or worlds.
    """
    lacking = [name for name in COLUMNS if name not in items.columns]
    if lacking:
        raise UserError(f"items lacks the column(s) {', '.join(lacking)}; it needs {', '.join(COLUMNS)}")
    if items.empty:
        raise UserError("items is empty: there is nothing to test; measure at least one run")
    kept = [*COLUMNS, *(["domain"] if "domain" in items else [])]
    table = items[kept].assign(world=items["world"].astype(object).where(items["world"].notna(), ""))
    unnamed = [name for name in COLUMNS[:-1] if table[name].isna().any()]
    if unnamed:
        raise UserError(f"items has rows without a value in {', '.join(unnamed)}; fill them in or leave the rows out")
    shift = pd.to_numeric(table["shift"], errors="coerce").to_numpy(float)
    if not np.isfinite(shift).all():
        first = table[~np.isfinite(shift)].iloc[0]
        raise UserError(
            f"items has {int((~np.isfinite(shift)).sum())} shift(s) that are not finite, first: "
            f"{first.base_model}, {first.condition}, seed {first.seed}, item {first['item']}; "
            "leave such rows out, or mend the measurement"
        )
    twice = table.duplicated(COLUMNS[:-1])
    if twice.any():
        first = table[twice].iloc[0]
        raise UserError(
            f"items holds {first.base_model}, {first.condition}, seed {first.seed}, {first.family}, "
            f"{first.ring}, {first.outcome}, item {first['item']} twice; expected one row, leave one out"
        )
    belongs = table[BASE].drop_duplicates()
    torn = belongs["base_model"][belongs["base_model"].duplicated()]
    if len(torn):
        raise UserError(
            f"items: base model {torn.iloc[0]} has more than one group or world; expected one, so name them apart"
        )
    return table.assign(shift=shift)


def build_panels(items: pd.DataFrame) -> list[Panel]:
    """Every panel of the table, ordered by base model, family, ring and outcome."""
    table = check_items(items)
    made = []
    for key, rows in table.groupby([*BASE, *PROBE], sort=True, observed=True):
        wide = rows.pivot(index=["condition", "seed"], columns="item", values="shift")
        wide = wide.sort_index().sort_index(axis=1)
        labels = wide.index.get_level_values("condition").to_numpy(object)
        seeds = wide.index.get_level_values("seed").to_numpy()
        named = dict(zip((*BASE, *PROBE), map(str, key), strict=True))
        domains = rows.groupby("item")["domain"].first()[wide.columns].to_numpy(object) if "domain" in rows else None
        values = wide.to_numpy(float)
        made.append(
            Panel(**named, labels=labels, seeds=seeds, items=list(wide.columns), values=values, domains=domains)
        )
    return made


def group_checkpoints(panels: list[Panel]) -> Iterator[tuple[str, str, Probe, list[Panel]]]:
    """(group, world, probe, its checkpoints' panels) of the embedded base models, in this order."""
    by: dict[tuple[str, str, Probe], list[Panel]] = {}
    for panel in panels:
        if panel.world:
            by.setdefault((panel.group, panel.world, panel.probe), []).append(panel)
    for (group, world, probe), members in sorted(by.items(), key=lambda pair: pair[0]):
        yield group, world, probe, members


def share_items(panels: list[Panel]) -> list[Panel]:
    """The panels with the items alone that all of them have, in one order: what is compared is one set of items."""
    shared = sorted(set.intersection(*(set(panel.items) for panel in panels))) if panels else []
    return [panel.keep_items(pd.Index(panel.items).get_indexer(shared)) for panel in panels]


def keep_group_items(items: pd.DataFrame) -> pd.DataFrame:
    """The rows whose item every run of all base models of its group and world measured, on this family and outcome.

    Parameters
    ----------
    items : DataFrame
        With the columns of `check_items` but `shift`.
    """
    at, run = ["group", "world", *PROBE], items.groupby(RUN, sort=True, dropna=False).ngroup()
    of_item, of_all = (
        run.groupby([items[name] for name in names], dropna=False).transform("nunique") for names in ([*at, "item"], at)
    )
    return items[of_item == of_all]


def average_runs(items: pd.DataFrame) -> pd.DataFrame:
    """Mean shift of each run over its items (nats): the raw numbers that every claim comes from.

    Returns
    -------
    DataFrame
        base_model, group, world, condition, seed, family, ring, outcome, n_items, mean_shift.
    """
    keys = [*RUN, *PROBE]
    # Sorted first: a sum of floats must not depend on the order of the rows.
    table = check_items(items).sort_values([*keys, "item"], kind="stable")
    means = table.groupby(keys, sort=True, observed=True)["shift"].agg(n_items="size", mean_shift="mean")
    return means.reset_index()


def average_outcomes(
    items: pd.DataFrame, outcomes: Sequence[str], same_items: Literal["base_model", "group"] = "base_model"
) -> pd.DataFrame:
    """Mean shift of each run on each of the outcomes (nats), over the items that all runs measured on all of them.

    Parameters
    ----------
    same_items : "base_model" or "group"
        All runs of a base model, or of all base models of a group and world, which are then compared on the same items.

    Returns
    -------
    DataFrame
        group, world, base_model, family, ring, condition, seed, n_items and a column for each outcome.
        Families without all the outcomes have no rows.
    """
    table, outcomes = check_items(items), list(outcomes)
    table = table[table["outcome"].isin(outcomes)]
    keys = ["group", "world", "base_model", "family", "ring", "condition", "seed"]
    wide = table.pivot(index=[*keys, "item"], columns="outcome", values="shift")
    wide = wide.reindex(columns=outcomes).dropna().sort_index()
    run, probe = wide.groupby(level=keys).ngroup(), ["group", "world", same_items, "family", "ring"]
    probe = list(dict.fromkeys(probe))
    measured_by = run.groupby(level=[*probe, "item"]).transform("size")
    wide = wide[measured_by == run.groupby(level=probe).transform("nunique")]
    grouped = wide.groupby(level=keys, sort=True)
    return grouped.mean().assign(n_items=grouped.size()).reset_index()


def select_run_means(items: pd.DataFrame, row: Mapping[str, Any]) -> pd.DataFrame:
    """The raw run means (nats) from which one row of a table of contrasts comes.

    Parameters
    ----------
    items : DataFrame
        As for `check_items`.
    row : mapping
        With base_model (a base model's or a group's name), world, condition, control, family, ring and outcome.

    Returns
    -------
    DataFrame
        One row a base model and seed, one column a condition. Where every run measured every item, the mean over base
        models of the columns' means differs by the row's estimate.
    """
    means = average_runs(items)
    mine = (means["base_model"] == row["base_model"]) | (means["group"] == row["base_model"])
    for name in ("world", *PROBE):
        mine &= means[name] == row[name]
    pair = [row["condition"], row["control"]]
    rows = means[mine & means["condition"].isin(pair)]
    return rows.pivot(index=["base_model", "seed"], columns="condition", values="mean_shift")[pair]
