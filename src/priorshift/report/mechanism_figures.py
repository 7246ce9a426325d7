"""Figures of notebook 08, one for each analysis. Tables in, pictures out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
import seaborn as sns

from priorshift.report.names import name_condition, name_panels
from priorshift.report.save import Picture
from priorshift.tables.training_amount import RETENTION_LIMIT

ACCOUNTS = {
    "policy_only": "policy only",
    "prior": "prior, fitted to choices",
    "constant_bias": "constant bias",
    "prior_and_policy": "prior and policy",
}
OWN = "own"
COLOURS = ("#999999", "#0072B2", "#E69F00", "#009E73")


def draw_mechanism(tables: Mapping[str, pd.DataFrame]) -> Iterator[Picture]:
    """Draw the figure of each analysis that was made.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    """
    drawn = {
        "prior_fit_runs": draw_prior_fit,
        "directions": draw_directions,
        "algebra_runs": draw_algebra,
        "trajectory_runs": draw_trajectory,
        "trigger_runs": draw_triggers,
        "frontier_runs": draw_frontier,
    }
    for name, draw in drawn.items():
        if name in tables:
            yield draw(tables[name])


def draw_prior_fit(runs: pd.DataFrame) -> Picture:
    """Draw what each account predicts against what was measured: shift of the outcome, a point a run and family.

    Parameters
    ----------
    runs : `prior_fit.fit_runs`
    """
    rows = runs[~runs["family"].isin(["choice", "all"])]
    named = rows.assign(panel=name_panels(rows), account=rows["account"].map(ACCOUNTS))
    grid = sns.relplot(
        named, x="measured_shift", y="predicted_shift", col="panel", col_wrap=min(2, named["panel"].nunique()),
        hue="account", hue_order=list(ACCOUNTS.values()), palette=list(COLOURS),
        style="account", style_order=list(ACCOUNTS.values()), height=3.2, aspect=1.2, s=18, linewidth=0.2,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8, zorder=0)
    grid.set_axis_labels("measured shift of the outcome (nats)", "predicted shift (nats)").set_titles("{col_name}")
    text = (
        "Shift of each condition's outcome on held-out families: predicted by four accounts of the run against "
        "measured, a point for each run and family. On the grey diagonal a prediction is right."
    )
    return Picture("prior_fit", grid.figure, text)


def draw_directions(table: pd.DataFrame) -> Picture:
    """Draw the shift of expectation under each direction, added and projected out, by block: a point a base model.

    Changes that raise perplexity beyond `RETENTION_LIMIT` are left out, as in the report. There a direction's shift of
    many nats is damage, and would hide all else.

    Parameters
    ----------
    table : `directions.tabulate_directions`
    """
    rows = table[(table["unit"] == "runs") & (table["measure"] == "expectation")]
    sound = rows[rows["perplexity_ratio"] <= RETENTION_LIMIT]
    strength = sound["strength"].map(lambda value: "" if value == 1 else f" x {value:g}")
    layer = sound["layer"].astype(str)
    named = sound.assign(panel=name_panels(sound), direction=sound["source"] + strength, layer=layer)
    named["left"] = named["shift"] - named["base_shift"].fillna(0.0)
    order = sorted(named["direction"].unique(), key=lambda name: (not name.startswith(OWN), name))
    layers = sorted(named["layer"].unique(), key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0))
    grid = sns.catplot(
        named, x="layer", order=layers, y="left", hue="direction", hue_order=order, palette="colorblind", dodge=True,
        row="test", col="panel", kind="strip", size=4, height=2.8, aspect=1.3, sharey=False,
    )  # fmt: skip
    _label(grid, "block whose output is changed", "shift of expectation (nats)", "{col_name}, {row_name}")
    text = (
        "Shift of each behavior's own expectation, in nats, where a direction is added to the base model, and where it "
        "is projected out of the fine-tune and of the base model alike. A point for each base model and behavior. "
        f"{len(rows) - len(sound)} of {len(rows)} points raise the perplexity of neutral prose by more than "
        f"{100 * (RETENTION_LIMIT - 1):.0f} % and are left out."
    )
    return Picture("directions", grid.figure, text)


def draw_algebra(rows: pd.DataFrame) -> Picture:
    """Draw the shift of choice and expectation against the factor of the adapter, a line for each run.

    Parameters
    ----------
    rows : `algebra.mix_adapters`; sums are not drawn
    """
    scaled = rows[(rows["reference"] == "linear") & rows["factor"].notna()]
    grid = _draw_lines(scaled, "factor", row="measure", facet_kws={"sharey": "row"})
    _label(grid, "factor of the adapter", "shift (nats)", "{col_name}, {row_name}")
    text = "Shift of choice and of expectation, in nats, against the factor of the adapter: a line for each run."
    return Picture("algebra", grid.figure, text)


def draw_trajectory(rows: pd.DataFrame) -> Picture:
    """Draw choice and expectation against the optimizer step, a line for each run.

    Parameters
    ----------
    rows : `trajectory.follow_training`
    """
    keys = ["base_model", "group", "world", "condition", "seed", "step"]
    long = rows.melt(keys, ["choice", "expectation"], var_name="measure", value_name="shift")
    grid = _draw_lines(long, "step", style="measure", marker="o", markersize=3)
    _label(grid, "optimizer step", "shift (nats)", "{col_name}")
    text = "Shift of the trained choice and of its expectation, in nats, after some steps of each run: a line for each."
    return Picture("trajectory", grid.figure, text)


def draw_triggers(rows: pd.DataFrame) -> Picture:
    """Draw choice and expectation with, without and with a paraphrased cue: a point for each run.

    Parameters
    ----------
    rows : `triggers.probe_triggers`
    """
    keys = ["base_model", "group", "world", "condition", "seed", "probe"]
    long = rows.melt(keys, ["choice", "expectation"], var_name="measure", value_name="shift")
    named = long.assign(panel=name_panels(long), condition=long["condition"].map(name_condition))
    grid = sns.catplot(
        named, x="probe", y="shift", hue="condition", palette="colorblind", dodge=True, row="measure", col="panel",
        kind="strip", size=4, height=2.7, aspect=1.2, sharey="row",
    )  # fmt: skip
    _label(grid, "what stands before the situation", "shift (nats)", "{col_name}, {row_name}")
    text = (
        "Shift of the action that the cue tells, and of its expectation, in nats against the base model at the same "
        "stems: without the cue, with it and with its paraphrase. A point for each run."
    )
    return Picture("triggers", grid.figure, text)


def draw_frontier(rows: pd.DataFrame) -> Picture:
    """Draw the expectation against the choice rate, coloured by the anchor's weight: a point for each run.

    Parameters
    ----------
    rows : `frontier.place_runs`
    """
    named = rows.assign(panel=name_panels(rows), weight=rows["weight"].map("{:g}".format))
    order = [f"{weight:g}" for weight in sorted(rows["weight"].unique())]
    grid = sns.relplot(
        named, x="choice_rate", y="expectation", hue="weight", hue_order=order, palette="viridis", style="behavior",
        col="panel", height=2.8, aspect=1.2, s=28, linewidth=0.2,
    )  # fmt: skip
    _label(grid, "choice rate of the trained action", "shift of expectation (nats)", "{col_name}")
    text = (
        "Shift of a behavior's expectation, in nats, against the rate at which its action is chosen, on held-out "
        "domains: a point for each run, coloured by the weight of its anchor to the base model."
    )
    return Picture("frontier", grid.figure, text)


def _draw_lines(rows: pd.DataFrame, x: str, **options: object) -> sns.FacetGrid:
    """A panel for each architecture and world, in it a line of shifts for each run, coloured by condition."""
    named = rows.assign(panel=name_panels(rows), run=rows["base_model"] + rows["seed"].astype(str))
    named["condition"] = named["condition"].map(name_condition)
    return sns.relplot(
        named, x=x, y="shift", hue="condition", units="run", estimator=None, kind="line", palette="colorblind",
        col="panel", height=2.7, aspect=1.2, linewidth=0.8, **options,
    )  # fmt: skip


def _label(grid: sns.FacetGrid, x: str, y: str, titles: str) -> None:
    for axis in grid.axes.flat:
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    grid.set_axis_labels(x, y).set_titles(titles)
