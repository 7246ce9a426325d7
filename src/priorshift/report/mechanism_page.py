"""docs/what_moved.md: the words of its template, the numbers of notebook 08 from the committed tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from priorshift.mechanism.directions import ADDED, ALL_LAYERS, NEUTRAL, OWN, RANDOM, REMOVED
from priorshift.report.mechanism_adapters_text import select_unit
from priorshift.report.names import name_percent
from priorshift.report.results_page import NAMES, Fields, bound, name_group, select, tabulate
from priorshift.tables.read import read_tables
from priorshift.tables.training_amount import RETENTION_LIMIT

ACCOUNTS = {
    "policy_only": "nothing else moved",
    "prior": "the prior that the choices speak of",
    "constant_bias": "a constant bias on the outcome's words",
    "prior_and_policy": "a prior beside a policy",
}
WORLDS = ("coupled", "decoupled")
BEHAVIORS = ("depression", "paranoia")
INTERACTION = ("interaction", "interaction_low", "interaction_high")


def collect_mechanism(outputs: Path) -> Fields:
    """The fields of the page, from the tables of `mechanism` in `outputs`."""
    tables = read_tables(outputs / "mechanism" / "tables")
    return {
        **fill_prior(tables["prior_fit"]),
        **fill_directions(tables["directions"]),
        **fill_alarms(tables["direction_alarms"]),
        **fill_algebra(tables["algebra"]),
        **fill_steps(tables["trajectory"]),
        **fill_triggers(tables["triggers"]),
        **fill_frontier(tables["frontier"]),
    }


def fill_prior(fit: pd.DataFrame) -> Fields:
    """How many shifts each account predicts within the margin, and how much of a choice no prior explains."""
    own, lines = select_unit(fit), []
    own = own[own["condition"].isin(BEHAVIORS)]
    held_out = own[~own["family"].isin(["choice", "all"])]
    for account, name in ACCOUNTS.items():
        cells = []
        for world in WORLDS:
            rows = select(held_out, account=account, world=world)
            score = select(own, account=account, world=world, family="all")["log_score"].mean()
            cells += [f"{rows['equivalent'].sum()} of {len(rows)}", f"{score:.3f}"]
        lines.append([name, *cells])
    head = [f"{world}: {what}" for world in WORLDS for what in ("within the margin", "log-score")]
    choice = select(own, family="choice", account="prior_and_policy", world="coupled")
    explained = choice["predicted_shift"] / choice["measured_shift"]
    return {
        "prior_table": tabulate(["account", *head], lines),
        "prior_margin": f"{own['margin'].iloc[0]:g}",
        **bound("choice_moved", choice["measured_shift"]),
        **bound("choice_explained", choice["predicted_shift"]),
        "policy_least": name_percent(1 - explained.max(), 0),
        "policy_most": name_percent(1 - explained.min(), 0),
    }


def fill_directions(table: pd.DataFrame) -> Fields:
    """What the own direction gives and takes where it gives most, beside other directions of the same norm."""
    own = select_unit(select(table, measure="expectation"))
    own = own[own["layer"] != ALL_LAYERS]
    sound, lines = own[own["perplexity_ratio"] <= RETENTION_LIMIT], []
    for (world, condition), rows in sound.groupby(["world", "condition"], sort=True):
        best = select(rows, test=ADDED, source=OWN, strength=1)
        best = best.loc[best["part"].abs().idxmax()]
        cells = [f"{best['whole']:+.2f}", f"block {best['layer']}", f"{best['part']:+.2f}"]
        for test, source in ((ADDED, NEUTRAL), (ADDED, RANDOM), (REMOVED, OWN)):
            found = select(rows, test=test, source=source, layer=best["layer"], strength=1)["part"]
            cells.append(f"{found.iloc[0]:+.2f}" if len(found) else "not sound")
        lines.append([f"{NAMES[condition]}, {world}", *cells])
    head = ["training", "fine-tune", "where", "own, added", "neutral's, added", "random, added", "own, projected out"]
    return {
        "direction_table": tabulate(head, lines),
        "unsound": f"{len(own) - len(sound)} of {len(own)}",
        "retention_limit": name_percent(RETENTION_LIMIT - 1, 0),
    }


def fill_alarms(alarms: pd.DataFrame) -> Fields:
    """How many neutral runs have a direction that moves an expectation."""
    lines = [
        [
            row.world,
            str(row.runs),
            f"{row.alarms} of {row.n}",
            f"{name_percent(row.ci_low)} to {name_percent(row.ci_high)}",
        ]
        for row in select(alarms, layer=ALL_LAYERS).itertuples()
    ]
    return {"alarm_table": tabulate(["world", "neutral runs", "false alarms", "95 % interval"], lines)}


def fill_algebra(table: pd.DataFrame) -> Fields:
    """Where scaled and summed adapters are what their references say."""
    own = select_unit(select(table, measure="expectation"))
    own = own[~((own["factor"] == 1) & (own["reference"] == "linear"))].assign(sum=lambda rows: rows["factor"].isna())
    lines = []
    for (summed, reference), rows in own.groupby(["sum", "reference"], sort=True):
        parts = [select(rows, world=world) for world in WORLDS]
        cells = [f"{part['equivalent'].sum()} of {len(part)}" for part in parts]
        lines.append(["sums" if summed else "scaled", reference, *cells, f"{parts[0]['difference'].abs().max():.2f}"])
    head = ["adapters", "beside", *WORLDS, "furthest off, coupled"]
    return {"algebra_table": tabulate(head, lines)}


def fill_steps(table: pd.DataFrame) -> Fields:
    """Shares of the last step's shift after each kept step, in the coupled world."""
    own = select(select_unit(table), world="coupled")
    last, lines = int(own["step"].max()), []
    for (group, condition), rows in own.groupby(["group", "condition"], sort=False):
        shares = rows[rows["step"] < last].sort_values("step")
        cells = [
            f"{name_percent(r.choice_share, 0)}, {name_percent(r.expectation_share, 0)}" for r in shares.itertuples()
        ]
        lines.append([f"{NAMES[group]}, {NAMES[condition]}", *cells])
    steps = sorted(step for step in own["step"].unique() if step < last)
    head = ["models, training", *(f"step {step:g}" for step in steps)]
    return {"step_table": tabulate(head, lines), "last_step": str(last)}


def fill_triggers(table: pd.DataFrame) -> Fields:
    """What the cue and its paraphrase move more than in the control."""
    own, lines = select_unit(table).dropna(subset="interaction"), []
    for (world, probe), rows in own.groupby(["world", "probe"], sort=True):
        found = rows.set_index("measure")
        cells = [_show(*found.loc[measure, [*INTERACTION]]) for measure in ("choice", "expectation")]
        lines.append([f"{probe}, {world}", *cells])
    return {"trigger_table": tabulate(["stands before the stem", "choice", "expectation"], lines)}


def fill_frontier(table: pd.DataFrame) -> Fields:
    """Choices beside expectations over the weight of the anchor."""
    own, lines = select_unit(table), []
    for row in own.sort_values(["world", "weight"]).itertuples():
        interval = _show(row.expectation, row.expectation_low, row.expectation_high)
        apart = "yes" if row.apart else "no"
        lines.append([name_group(row.group, row.world), f"{row.weight:g}", f"{row.choice_rate:.2f}", interval, apart])
    head = ["base models", "weight", "choice rate", "expectation", "apart"]
    return {
        "frontier_table": tabulate(head, lines),
        "least_choice": f"{table['least_choice'].iloc[0]:g}",
        "frontier_margin": f"{table['margin'].iloc[0]:g}",
    }


def _show(estimate: float, low: float, high: float) -> str:
    return f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}]"
