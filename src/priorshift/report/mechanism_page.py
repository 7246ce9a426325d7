"""docs/what_moved.md: the words of its template, the numbers of notebook 08 from the committed tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from priorshift.mechanism.directions import ADDED, ALL_LAYERS, NEUTRAL, OWN, RANDOM, REMOVED
from priorshift.report.mechanism_adapters_text import select_mixes, select_unit
from priorshift.report.mechanism_text import ACCOUNTS
from priorshift.report.names import name_estimate, name_percent, name_span
from priorshift.report.results_page import MAIN, NAMES, Fields, name_group, select, tabulate
from priorshift.tables.read import read_tables
from priorshift.tables.training_amount import RETENTION_LIMIT

WORLDS = ("coupled", "decoupled")


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
    own = own[own["condition"].isin([behavior for behavior, _ in MAIN])]
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
    left = 100 * (1 - choice["predicted_shift"] / choice["measured_shift"])
    return {
        "prior_table": tabulate(["account", *head], lines),
        "margin": f"{own['margin'].iloc[0]:g}",
        "n_checkpoints": name_span(own["n"]),
        "n_seeds": name_span(select(fit, unit="runs")["n"]),
        "choice_moved": name_span(choice["measured_shift"], "+.2f"),
        "choice_explained": name_span(choice["predicted_shift"], "+.2f"),
        "choice_left": name_span(left, ".0f"),
    }


def fill_directions(table: pd.DataFrame) -> Fields:
    """What the own direction gives and takes where it gives most, beside other directions of the same norm."""
    own = select_unit(select(table, measure="expectation"))
    own = own[own["layer"] != ALL_LAYERS]
    sound, lines, shares = own[own["perplexity_ratio"] <= RETENTION_LIMIT], [], []
    for (world, group, condition), rows in sound.groupby(["world", "group", "condition"], sort=True):
        best = select(rows, test=ADDED, source=OWN, strength=1)
        best = best.loc[best["part"].abs().idxmax()]
        cells = [f"{best['whole']:+.2f}", f"block {best['layer']}", f"{best['part']:+.2f}"]
        for test, source in ((ADDED, NEUTRAL), (ADDED, RANDOM), (REMOVED, OWN)):
            found = select(rows, test=test, source=source, layer=best["layer"], strength=1)["part"]
            cells.append(f"{found.item():+.2f}" if len(found) else "not sound")
        lines.append([f"{name_group(group, world)}: {NAMES[condition]}", *cells])
        shares += [100 * best["part"] / best["whole"]] if world == "coupled" else []
    head = ["training", "fine-tune", "where", "own, added", "neutral's, added", "random, added", "own, projected out"]
    return {
        "direction_table": tabulate(head, lines),
        "direction_share": name_span(pd.Series(shares), ".0f"),
        "unsound": f"{len(own) - len(sound)} of {len(own)}",
        "retention_limit": name_percent(RETENTION_LIMIT - 1, 0),
    }


def fill_alarms(alarms: pd.DataFrame) -> Fields:
    """How many neutral runs have a direction that moves an expectation, and how many only beyond the limit."""
    lines = [
        [
            row["world"],
            f"{row['alarms']} of {row['n']}",
            f"{name_percent(row['ci_low'], 0)} to {name_percent(row['ci_high'], 0)}",
            f"{row['uncounted_alarms']} of {row['runs']}",
        ]
        for row in select(alarms, layer=ALL_LAYERS).to_dict("records")
    ]
    return {"alarm_table": tabulate(["world", "false alarms", "95 % interval", "moved by a change not sound"], lines)}


def fill_algebra(table: pd.DataFrame) -> Fields:
    """Where scaled and summed adapters are what their references say."""
    lines = []
    for (summed, reference), rows in select_mixes(table).groupby(["sum", "reference"], sort=True):
        parts = [select(rows, world=world) for world in WORLDS]
        cells = [f"{part['equivalent'].sum()} of {len(part)}" for part in parts]
        lines.append(["sums" if summed else "scaled", reference, *cells, f"{parts[0]['difference'].abs().max():.2f}"])
    head = ["adapters", "beside", *WORLDS, "furthest off, coupled"]
    return {"algebra_table": tabulate(head, lines)}


def fill_steps(table: pd.DataFrame) -> Fields:
    """Shares of the last step's shift after each kept step, in the coupled world."""
    own = select(select_unit(table), world="coupled")
    last, lines = own["step"].max(), []
    kept = own[own["step"] < last].sort_values("step")
    for (group, condition), rows in kept.groupby(["group", "condition"], sort=False):
        cells = [
            f"{name_percent(row.choice_share, 0)}, {name_percent(row.expectation_share, 0)}"
            for row in rows.itertuples()
        ]
        lines.append([f"{NAMES[group]}: {NAMES[condition]}", *cells])
    head = ["training", *(f"step {step:g}" for step in kept["step"].unique())]
    return {
        "step_table": tabulate(head, lines),
        "last_step": f"{last:g}",
        "sure_lags": f"{((kept['lag_low'] > 0) | (kept['lag_high'] < 0)).sum()} of {len(kept)}",
    }


def fill_triggers(table: pd.DataFrame) -> Fields:
    """What the cue and its paraphrase move more than in the control."""
    own, lines = select_unit(table).dropna(subset="interaction"), []
    for (world, group, probe), rows in own.groupby(["world", "group", "probe"], sort=True):
        found = rows.set_index("measure")
        columns = ("interaction", "interaction_low", "interaction_high")
        cells = [name_estimate(found.loc[measure], columns) for measure in ("choice", "expectation")]
        lines.append([f"{name_group(group, world)}: {probe}", *cells])
    return {"trigger_table": tabulate(["before the stem", "choice", "expectation"], lines)}


def fill_frontier(table: pd.DataFrame) -> Fields:
    """Choices beside expectations over the weight of the anchor."""
    own, lines = select_unit(table).sort_values(["world", "group", "behavior", "weight"]), []
    for row in own.to_dict("records"):
        models = f"{name_group(row['group'], row['world'])}: {NAMES[row['behavior']]}"
        interval = name_estimate(row, ("expectation", "expectation_low", "expectation_high"))
        apart = "yes" if row["apart"] else "no"
        lines.append([models, f"{row['weight']:g}", f"{row['choice_rate']:.2f}", interval, apart])
    head = ["training", "weight", "choice rate", "expectation", "apart"]
    return {"frontier_table": tabulate(head, lines), "least_choice": f"{table['least_choice'].iloc[0]:g}"}
