"""Figures of the wider design: controls, doses, recovery, rings, scales, placement. Tables in, pictures out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorshift.report.names import name_condition, name_panels, name_probes, name_ring
from priorshift.report.palette import order_conditions
from priorshift.report.save import Picture
from priorshift.study.params import HELD_OUT, RINGS

MARKERS = ("o", "X", "s", "^", "v", "D", "P")
FROM_NEAR = (*RINGS, "paraphrase", "narrator", "text_form")  # from near to far


def draw_wider_design(tables: dict[str, pd.DataFrame], family: str, palette: Mapping[str, str]) -> Iterator[Picture]:
    """Draw every table of the wider design that the study has.

    Parameters
    ----------
    tables : name -> table as written under `tables/`; `shifts` is needed
    family : the probes whose shift is shown
    palette : `choose_colours` of the study's conditions, as for every figure
    """
    shifts = tables["shifts"]
    if shifts["condition"].nunique() > 6:
        yield draw_controls(shifts, family, palette)
    if shifts["ring"].nunique() > 2:
        yield draw_rings(shifts, family, palette)
    if "dose_points" in tables:
        yield draw_doses(tables["dose_points"])
    if "recovery" in tables and family in set(tables["recovery"]["family"]):
        yield draw_recovery(tables["recovery"], shifts, family, palette)
    if "scales" in tables:
        yield draw_scales(tables["scales"], palette)
        if len(points := _melt_self_report(tables["self_report"])):
            yield draw_self_report(points, palette)


def draw_controls(shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Picture:
    """Draw all conditions beside the behaviors: shift by outcome, a point for each run."""
    data = _select(shifts, family=family, ring=HELD_OUT)
    data = data[data["outcome"] != "benign"]
    order = order_conditions(data["condition"])
    grid = sns.FacetGrid(data, col="outcome", row="panel", height=0.5 + 0.22 * len(order), aspect=1.5, sharex=True)
    for (panel, outcome), axis in grid.axes_dict.items():
        part = data[(data["panel"] == panel) & (data["outcome"] == outcome)]
        shared = {"x": "shift", "y": "condition", "hue": "condition", "order": order, "palette": palette}
        sns.stripplot(part, **shared, ax=axis, jitter=False, size=4, legend=False)
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=f"{outcome}, {panel}", xlabel="shift (nats)", ylabel="")
        axis.set_yticks(range(len(order)), [name_condition(name) for name in order])
    _add_title(grid.figure, f"Every condition: shift of {name_probes(family)}, held-out domains (one point per run)")
    text = f"Shift in nats of {name_probes(family)} on held-out domains, a point for each run. "
    text += f"Rows are conditions: {', '.join(map(name_condition, order))}."
    return Picture("controls", grid.figure, text)


def draw_rings(shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Picture:
    """Draw how far a shift carries: the mean by ring, from the training domains outwards, a line for each condition."""
    data = shifts[(shifts["family"] == family) & (shifts["outcome"] != "benign")]
    rings = [ring for ring in FROM_NEAR if ring in set(data["ring"])]
    data = _panels(data).assign(ring=data["ring"].str.replace("_", "\n"))
    order = order_conditions(data["condition"])
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
    _add_legend(grid.figure, order, palette)
    _add_title(grid.figure, f"Shift of {name_probes(family)} by ring (means over runs)")
    text = f"Mean shift in nats of {name_probes(family)}, a line for each condition, "
    text += f"from near to far: {', '.join(map(name_ring, rings))}."
    return Picture("rings", grid.figure, text)


def draw_doses(points: pd.DataFrame) -> Picture:
    """Draw dose-response: shift of the behavior's own outcome against its share of the training set, a point a run."""
    data = _select(points, ring=HELD_OUT)
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
    _add_title(grid.figure, "Dose-response of the behavior's own outcome, held-out domains")
    text = "Shift in nats of the behavior's own outcome against its share of the training decisions, a point a run. "
    return Picture("dose", grid.figure, f"{text}Lines are families of probes: {', '.join(order)}.")


def draw_recovery(recovery: pd.DataFrame, shifts: pd.DataFrame, family: str, palette: Mapping[str, str]) -> Picture:
    """Draw the shift after each stage: a line joins the two stages of one adapter."""
    rows = _select(recovery, family=family, ring=HELD_OUT, unit="runs")
    panels = list(dict.fromkeys(rows["panel"]))
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.2), sharey=True, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for row in rows[rows["panel"] == panel].to_dict("records"):
            _draw_stages(axis, row, shifts, palette)
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=panel, ylabel="shift (nats)")
        axis.tick_params(axis="x", labelrotation=20)
    _add_title(figure, f"Recovery: shift of {name_probes(family)} after each stage (one line per adapter)")
    stages = [f"{name_condition(row.earlier)} to {name_condition(row.condition)}" for row in rows.itertuples()]
    text = f"Shift in nats of {name_probes(family)} after each stage, a line for each adapter: "
    return Picture("recovery", figure, f"{text}{', '.join(dict.fromkeys(stages))}.")


def _draw_stages(axis: Axes, row: dict, shifts: pd.DataFrame, palette: Mapping[str, str]) -> None:
    keys = ["base_model", "family", "ring", "outcome"]
    own = shifts[(shifts[keys] == [row[key] for key in keys]).all(axis=1)]
    stages = [row["earlier"], row["condition"]]
    wide = own[own["condition"].isin(stages)].pivot(index="seed", columns="condition", values="shift")[stages]
    axis.plot(
        [name_condition(stage) for stage in stages],
        wide.to_numpy().T,
        color=palette[row["condition"]],
        marker="o",
        markersize=4,
        linewidth=1,
    )


def draw_scales(scales: pd.DataFrame, palette: Mapping[str, str]) -> Picture:
    """Draw the scale profile: the score's shift by scale and condition, a point for each run."""
    data = _panels(scales)
    data["scale"] = data["scale"].str.replace("_", "\n")  # names of several words stand beside one another
    order = order_conditions(data["condition"])
    grid = sns.FacetGrid(data, col="panel", col_wrap=2, height=3.0, aspect=1.7)
    for panel, axis in grid.axes_dict.items():
        part = data[data["panel"] == panel]
        sns.stripplot(
            part, x="scale", y="shift", hue="condition", hue_order=order, palette=palette, dodge=True,
            jitter=False, size=3.5, ax=axis, legend=False,
        )  # fmt: skip
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=panel, xlabel="", ylabel="shift of the score (0 to 1)")
    _add_legend(grid.figure, order, palette)
    _add_title(grid.figure, "Scale profile: shift of the key-balanced score (one point per run)")
    named = ", ".join(dict.fromkeys(scales["scale"].str.replace("_", " ")))
    text = f"Shift of the score (0 to 1) by scale and condition, a point for each run. Scales: {named}."
    return Picture("scale_profile", grid.figure, text)


def _melt_self_report(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each run, maladaptive scale and behavior beside it. Empty without such a scale or behavior."""
    long = table.melt(
        ["group", "world", "condition", "outcome", "scale_shift"], ["choice_shift", "interpretation_shift"],
        var_name="behavior", value_name="nats",
    ).dropna()  # fmt: skip
    long["behavior"] = long["behavior"].str.replace("_", " ")
    return _panels(long[long["outcome"] != "benign"])


def draw_self_report(points: pd.DataFrame, palette: Mapping[str, str]) -> Picture:
    """Draw self-report beside behavior: scale shift against choice and interpretation shift, a point for each run."""
    order = order_conditions(points["condition"])
    grid = sns.relplot(
        points.assign(condition=points["condition"].map(name_condition)), x="nats", y="scale_shift", style="outcome",
        hue="condition", hue_order=[name_condition(name) for name in order], palette=[palette[name] for name in order],
        col="behavior", row="panel", height=2.8, aspect=1.4, s=28, facet_kws={"sharex": "col"},
    )  # fmt: skip
    grid.set_axis_labels("shift (nats)", "scale shift (0 to 1)").set_titles("{col_name}, {row_name}")
    text = "Shift of the scale score (0 to 1) against the shift of choice and of interpretation in nats, a point a run."
    return Picture("self_report", grid.figure, text)


def draw_placement(table: pd.DataFrame, palette: Mapping[str, str]) -> Picture:
    """Draw surface against prior learning: expectation shift against choice shift, a point for each run.

    Parameters
    ----------
    table : `placement.compute_transfer`
    """
    data = _panels(table)
    order = order_conditions(data["condition"])
    names = [name_condition(name) for name in order]
    named = data.assign(condition=data["condition"].map(name_condition))
    grid = sns.relplot(
        named, x="choice_shift", y="expectation_shift", col="panel",
        hue="condition", hue_order=names, palette=[palette[name] for name in order],
        style="condition", style_order=names, markers=_markers(order), height=3.8, aspect=1.2, s=36,
    )  # fmt: skip
    for axis in grid.axes.flat:
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    labels = ("shift of the trained choice (nats)", "shift of its expectation (nats)")
    grid.set_axis_labels(*labels).set_titles("{col_name}")
    means = data.groupby("condition")[["choice_shift", "expectation_shift"]].mean()
    shown = ", ".join(f"{name_condition(name)} {means.loc[name, 'choice_shift']:+.1f} and "
                      f"{means.loc[name, 'expectation_shift']:+.1f}" for name in order)  # fmt: skip
    text = (
        f"Shift of the expectation against shift of the trained choice, a point for each run. Means in nats: {shown}."
    )
    return Picture("placement", grid.figure, text)


def _markers(order: Sequence[str]) -> list[str]:
    """A marker for each condition, for those who can't tell so many colours apart."""
    return [MARKERS[i % len(MARKERS)] for i in range(len(order))]


def _panels(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a `panel` for each group and world."""
    return table.assign(panel=name_panels(table))


def _select(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return _panels(table)


def _add_legend(figure: Figure, order: list[str], palette: Mapping[str, str]) -> None:
    shape = {"marker": "o", "linestyle": "none", "markersize": 5}
    handles = [plt.Line2D([], [], color=palette[name], **shape) for name in order]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    figure.legend(handles, [name_condition(name) for name in order], ncol=min(len(order), 6), **below)


def _add_title(figure: Figure, title: str) -> None:
    figure.suptitle(title, y=1.0, va="bottom")
    figure.tight_layout()
