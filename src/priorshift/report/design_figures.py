"""Figures of the wider design: controls, doses, recovery, rings, scales. Tables in, figures out; no statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorshift.report.claims_text import spoken
from priorshift.report.palette import in_order

NEAR = "held_out_domains"
MARKERS = ("o", "X", "s", "^", "v", "D", "P")
RINGS = ("training_domains", "held_out_domains", "paraphrase", "narrator", "text_form")  # from near to far


def design_figures(tables: dict[str, pd.DataFrame], family: str, palette: Mapping[str, str]) -> dict[str, Figure]:
    """Name -> figure, of every table of the wider design that the study has.

    Parameters
    ----------
    tables : name -> table as written under `tables/`; `shifts` is needed
    family : the probes whose shift is shown
    palette : `palette.colours` of the study's conditions, as for every figure
    """
    shifts = tables["shifts"]
    made = {}
    if shifts["condition"].nunique() > 6:
        made["controls"] = control_figure(shifts, family, palette)
    if shifts["ring"].nunique() > 2:
        made["rings"] = ring_figure(shifts, family, palette)
    if "dose_points" in tables:
        made["dose"] = dose_figure(tables["dose_points"])
    if "recovery" in tables and family in set(tables["recovery"]["family"]):
        made["recovery"] = recovery_figure(tables["recovery"], shifts, family, palette)
    if "scales" in tables:
        made["scale_profile"] = scale_figure(tables["scales"], palette)
        if len(points := _self_reports(tables["self_report"])):
            made["self_report"] = self_report_figure(points, palette)
    return made


def control_figure(shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Figure:
    """All conditions beside the behaviors: shift by outcome, a point for each run."""
    data = _where(shifts, family=family, ring=NEAR)
    data = data[data["outcome"] != "benign"]
    order = in_order(data["condition"])
    grid = sns.FacetGrid(data, col="outcome", row="panel", height=0.5 + 0.22 * len(order), aspect=1.5, sharex=True)
    for (panel, outcome), axis in grid.axes_dict.items():
        part = data[(data["panel"] == panel) & (data["outcome"] == outcome)]
        shared = {"x": "shift", "y": "condition", "hue": "condition", "order": order, "palette": palette}
        sns.stripplot(part, **shared, ax=axis, jitter=False, size=4, legend=False)
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=f"{outcome}, {panel}", xlabel="shift (nats)", ylabel="")
        axis.set_yticks(range(len(order)), [spoken(name) for name in order])
    return _titled(grid.figure, f"Every condition: shift of {_named(family)}, held-out domains (one point per run)")


def ring_figure(shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Figure:
    """How far a shift carries: mean shift by ring, from the training domains outwards, a line for each condition."""
    data = shifts[(shifts["family"] == family) & (shifts["outcome"] != "benign")]
    rings = [ring for ring in RINGS if ring in set(data["ring"])]
    data = _panels(data).assign(ring=data["ring"].str.replace("_", "\n"))
    order = in_order(data["condition"])
    grid = sns.FacetGrid(data, col="outcome", row="panel", height=2.8, aspect=1.8)
    for (panel, outcome), axis in grid.axes_dict.items():
        part = data[(data["panel"] == panel) & (data["outcome"] == outcome)]
        sns.pointplot(
            part, x="ring", y="shift", order=[ring.replace("_", "\n") for ring in rings],
            hue="condition", hue_order=order, palette=palette, ax=axis,
            errorbar=None, markersize=4, linewidth=1, legend=False,
        )  # fmt: skip
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=f"{outcome}, {panel}", xlabel="", ylabel="shift (nats)")
    _legend(grid.figure, order, palette)
    return _titled(grid.figure, f"Shift of {_named(family)} by ring (means over runs)")


def dose_figure(points: pd.DataFrame) -> Figure:
    """Dose-response: shift of the behavior's own outcome against its share of the training set, one point per run."""
    data = _where(points, ring=NEAR)
    order = list(dict.fromkeys(data["family"]))
    grid = sns.FacetGrid(data, col="action", row="panel", height=2.8, aspect=1.5)
    palette = dict(zip(order, sns.color_palette("colorblind"), strict=False))
    for (panel, action), axis in grid.axes_dict.items():
        part = data[(data["panel"] == panel) & (data["action"] == action)]
        shared = {"x": "dose", "y": "shift", "hue": "family", "hue_order": order, "palette": palette, "ax": axis}
        sns.lineplot(part, **shared, errorbar=None, legend=False)
        sns.scatterplot(part, **shared, s=16, legend=bool(axis is grid.axes.flat[0]))
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=f"{action}, {panel}", xlabel="share of maladaptive decisions", ylabel="shift (nats)")
    return _titled(grid.figure, "Dose-response of the behavior's own outcome, held-out domains")


def recovery_figure(recovery: pd.DataFrame, shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Figure:
    """Shift after each stage: a line joins the two stages of one adapter."""
    rows = _where(recovery, family=family, ring=NEAR, unit="runs")
    panels = list(dict.fromkeys(rows["panel"]))
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.2), sharey=True, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for row in rows[rows["panel"] == panel].to_dict("records"):
            _two_stages(axis, row, shifts, palette)
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=panel, ylabel="shift (nats)")
        axis.tick_params(axis="x", labelrotation=20)
    return _titled(figure, f"Recovery: shift of {_named(family)} after each stage (one line per adapter)")


def _two_stages(axis: Axes, row: dict, shifts: pd.DataFrame, palette: Mapping[str, str]) -> None:
    keys = ["base_model", "family", "ring", "outcome"]
    own = shifts[(shifts[keys] == [row[key] for key in keys]).all(axis=1)]
    stages = [row["earlier"], row["condition"]]
    wide = own[own["condition"].isin(stages)].pivot(index="seed", columns="condition", values="shift")[stages]
    axis.plot(
        [spoken(stage) for stage in stages],
        wide.to_numpy().T,
        color=palette[row["condition"]],
        marker="o",
        markersize=4,
        linewidth=1,
    )


def scale_figure(scales: pd.DataFrame, palette: Mapping[str, str]) -> Figure:
    """Scale profile: the score's shift by scale and condition, one point per run."""
    data = _panels(scales)
    data["scale"] = data["scale"].str.replace("_", "\n")  # names of several words stand beside one another
    order = in_order(data["condition"])
    grid = sns.FacetGrid(data, col="panel", col_wrap=2, height=3.0, aspect=1.7)
    for panel, axis in grid.axes_dict.items():
        part = data[data["panel"] == panel]
        sns.stripplot(
            part, x="scale", y="shift", hue="condition", hue_order=order, palette=palette, dodge=True,
            jitter=False, size=3.5, ax=axis, legend=False,
        )  # fmt: skip
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=panel, xlabel="", ylabel="shift of the score (0 to 1)")
    _legend(grid.figure, order, palette)
    return _titled(grid.figure, "Scale profile: shift of the key-balanced score (one point per run)")


def _self_reports(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each run, maladaptive scale and behavior beside it; empty without such a scale or behavior."""
    long = table.melt(
        ["group", "world", "condition", "outcome", "scale_shift"], ["choice_shift", "interpretation_shift"],
        var_name="behavior", value_name="nats",
    ).dropna()  # fmt: skip
    long["behavior"] = long["behavior"].str.replace("_", " ")
    return _panels(long[long["outcome"] != "benign"])


def self_report_figure(points: pd.DataFrame, palette: Mapping[str, str]) -> Figure:
    """Self-report beside behavior: scale shift against choice and interpretation shift, one point per run."""
    order = in_order(points["condition"])
    grid = sns.relplot(
        points.assign(condition=points["condition"].map(spoken)), x="nats", y="scale_shift", style="outcome",
        hue="condition", hue_order=[spoken(name) for name in order], palette=[palette[name] for name in order],
        col="behavior", row="panel", height=2.8, aspect=1.4, s=28, facet_kws={"sharex": "col"},
    )  # fmt: skip
    grid.set_axis_labels("shift (nats)", "scale shift (0 to 1)").set_titles("{col_name}, {row_name}")
    return grid.figure


def placement_figure(table: pd.DataFrame, palette: Mapping[str, str]) -> Figure:
    """Surface against prior learning: expectation shift against choice shift, one point per run.

    Parameters
    ----------
    table : `placement.placement_table`
    """
    data = _panels(table)
    order = in_order(data["condition"])
    names = [spoken(name) for name in order]
    grid = sns.relplot(
        data.assign(condition=data["condition"].map(spoken)), x="choice_shift", y="expectation_shift", col="panel",
        hue="condition", hue_order=names, palette=[palette[name] for name in order],
        style="condition", style_order=names, markers=_markers(order), height=3.8, aspect=1.2, s=36,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    grid.set_axis_labels("shift of the trained choice (nats)", "shift of its expectation (nats)").set_titles(
        "{col_name}"
    )
    return grid.figure


def _markers(order: Sequence[str]) -> list[str]:
    """A marker for each condition: so many conditions share colours, but none a colour and a marker."""
    return [MARKERS[i % len(MARKERS)] for i in range(len(order))]


def _named(family: str) -> str:
    return f"{family.replace('_', ' ')} probes"


def _panels(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a `panel` for each group and world."""
    return table.assign(panel=(table["group"] + " · " + table["world"].fillna("")).str.strip(" ·"))


def _where(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return _panels(table)


def _legend(figure: Figure, order: list[str], palette: Mapping[str, str]) -> None:
    shape = {"marker": "o", "linestyle": "none", "markersize": 5}
    handles = [plt.Line2D([], [], color=palette[name], **shape) for name in order]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    figure.legend(handles, [spoken(name) for name in order], ncol=min(len(order), 6), **below)


def _titled(figure: Figure, title: str) -> Figure:
    figure.suptitle(title, y=1.0, va="bottom")
    figure.tight_layout()
    return figure
