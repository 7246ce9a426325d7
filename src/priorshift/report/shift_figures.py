"""Figures of what models did: shifts, divergences, confusions. Tables in, pictures out. No statistics."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorshift.report.names import name_condition, name_panels, name_probes, name_ring, name_worlds
from priorshift.report.palette import choose_outcome_colours, order_conditions
from priorshift.report.save import Picture
from priorshift.report.tables_text import select_matrices
from priorshift.study.params import HELD_OUT

MARKERS = "os^DvP*X"
FLAT = 0.05  # a panel whose longest bar is less than this share of the longest of all shows nothing


def draw_shifts(runs: pd.DataFrame, family: str, palette: Mapping[str, str], ring: str = HELD_OUT) -> Picture:
    """Draw the shift by condition, group and world: a panel for each outcome, a point for each run.

    No interval is drawn. Runs of one checkpoint are not independent, and an interval over all of them would pass them
    off as if they were. Markers tell the checkpoints apart. The bar is the mean over checkpoints of their means. What
    can be said of new runs and checkpoints is in `draw_claims`.

    Parameters
    ----------
    runs : `runs.average_shifts`
    palette : `choose_colours` of the study's conditions, as for every figure
    """
    data = runs[(runs["family"] == family) & (runs["ring"] == ring)]
    data = data.assign(panel=name_panels(data))
    outcomes, places = list(dict.fromkeys(data["outcome"])), sorted(set(data["panel"]))
    order = order_conditions(data["condition"])
    size = (2.5 + 2.1 * len(places), 0.9 + 2.1 * len(outcomes))
    figure, axes = plt.subplots(len(outcomes), 1, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axis, outcome in zip(axes.flat, outcomes, strict=True):
        _draw_dots(axis, data[data["outcome"] == outcome], ("panel", "shift"), places, order, palette)
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=outcome, ylabel="shift (nats)")
    most = int(data.groupby("panel")["base_model"].nunique().max())
    figure.suptitle(f"Shift of {name_probes(family)}, {name_ring(ring)} (one point per run)")
    figure.tight_layout()
    _add_legend(figure, order, palette, most)
    means = (
        data.groupby(["panel", "outcome", "condition", "base_model"])["shift"].mean().groupby(level=[0, 1, 2]).mean()
    )
    panel, outcome, condition = means.abs().idxmax()
    text = f"Shift in nats of each outcome of {name_probes(family)} ({name_ring(ring)}) under each training. A point "
    text += f"is a run, a bar a condition's mean. Panels: {', '.join(outcomes)}. Across: {', '.join(places)}. The "
    text += f"largest mean is {means[panel, outcome, condition]:+.2f}, of {outcome} under "
    text += f"{name_condition(condition)} training in {panel}."
    return Picture(f"shift_{family}", figure, text)


def _draw_dots(
    axis: Axes, data: pd.DataFrame, columns: tuple[str, str], places: list[str], order: list[str],
    palette: Mapping[str, str], markers: str = MARKERS,
) -> None:  # fmt: skip
    """Draw a dot for each row at its place and condition, and a bar at the mean over base models.

    Parameters
    ----------
    columns : of the place, and of the value
    markers : of the place's base models, in turn
    """
    across, value = columns
    room = 0.8 / len(order)
    for (place, condition), part in data.groupby([across, "condition"], sort=False):
        x = places.index(place) + (order.index(condition) + 0.5) * room - 0.4
        models = sorted(set(data.loc[data[across] == place, "base_model"]))
        for i, model in enumerate(models):
            values = part.loc[part["base_model"] == model, value]
            at = x + room * ((i + 0.5) / len(models) - 0.5) * 0.8
            shape = {"marker": markers[i % len(markers)], "s": 22, "alpha": 0.8, "linewidths": 0}
            axis.scatter([at] * len(values), values, color=palette[condition], **shape)
        mean = part.groupby("base_model")[value].mean().mean()
        axis.hlines(mean, x - 0.45 * room, x + 0.45 * room, color=palette[condition], linewidth=1.5)
    for i in range(1, len(places)):
        axis.axvline(i - 0.5, color="0.9", linewidth=0.8, zorder=0)
    axis.set(xticks=range(len(places)), xticklabels=places, xlim=(-0.5, len(places) - 0.5))
    sns.despine(ax=axis)


def _add_legend(figure: Figure, order: list[str], palette: Mapping[str, str], n_models: int) -> None:
    """Add the conditions' colours, and the base models' markers where there are several, right of the panels."""
    marks = [plt.Line2D([], [], color=palette[name], linewidth=3) for name in order]
    numbers = range(n_models if n_models > 1 else 0)
    marks += [plt.Line2D([], [], color="0.4", marker=MARKERS[i % len(MARKERS)], linestyle="none") for i in numbers]
    labels = [*map(name_condition, order), *(f"base model {i + 1}" for i in numbers)]
    figure.legend(marks, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_jsd(table: pd.DataFrame, palette: Mapping[str, str], ring: str = HELD_OUT) -> Picture:
    """Draw the full-vocabulary JSD by family and condition: from the base model, and from the first neutral run.

    A dot for each base model (the mean over its runs) and a bar at their mean, on a log axis. A divergence of 0 has no
    place there and is left out.
    """
    measured_from = {"jsd": "from the base model", "jsd_reference": "from the first neutral run"}
    data = table[(table["ring"] == ring) & table["measure"].isin(list(measured_from)) & (table["estimate"] > 0)]
    order = order_conditions(data["condition"])
    data = data.assign(
        panel=name_worlds(data, "group"),
        measure=data["measure"].map(measured_from),
        family=data["family"].str.replace("_", " "),
    )
    families, panels = list(dict.fromkeys(data["family"])), list(dict.fromkeys(data["panel"]))
    starts = [start for start in measured_from.values() if start in set(data["measure"])]
    size = (2.2 + 1.5 * len(families) * len(panels), 0.6 + 2.6 * len(starts))
    figure, axes = plt.subplots(len(starts), len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, start in zip(axes, starts, strict=True):
        for axis, panel in zip(row, panels, strict=True):
            part = data[(data["measure"] == start) & (data["panel"] == panel)]
            _draw_dots(axis, part, ("family", "estimate"), families, order, palette, "o")
            axis.set(title=f"{panel}, {start}", yscale="log")
        row[0].set_ylabel("JSD (bits)")
    figure.tight_layout()
    _add_legend(figure, order, palette, 1)
    means = data.groupby(["panel", "measure", "family", "condition"])["estimate"].mean()
    panel, start, family, condition = means.idxmax()
    text = f"Jensen-Shannon divergence in bits by family of probes and condition ({name_ring(ring)}), on a log axis. "
    text += f"A dot is a base model, a bar their mean. Rows: {', '.join(starts)}. Columns: {', '.join(panels)}. "
    text += f"The highest mean is {means.max():.2g}: {name_probes(family)}, {name_condition(condition)}, {start}, "
    return Picture("jsd", figure, f"{text}{panel}. The lowest is {means.min():.1g}.")


def draw_token_classes(table: pd.DataFrame, family: str, ring: str = HELD_OUT) -> Picture:
    """Draw which words carry the JSD from the base model: a bar for each condition, its parts by class of next token.

    Beside a bar stand the words that hold most of its largest part.

    Parameters
    ----------
    table : `runs.sum_token_classes`
    """
    data = table[(table["family"] == family) & (table["ring"] == ring)]
    data = data.assign(panel=name_panels(data))
    bars = data.groupby(["panel", "condition"], sort=False)["jsd"].sum()
    highest = bars.groupby(level="panel", sort=False).max()
    flat = highest[highest < FLAT * highest.max()]
    data = data[~data["panel"].isin(flat.index)]
    classes, conditions = list(dict.fromkeys(data["token_class"])), order_conditions(data["condition"])[::-1]
    hues = choose_outcome_colours(classes)
    grid = sns.FacetGrid(data, col="panel", col_wrap=2, height=0.8 + 0.3 * len(conditions), aspect=2.4)
    for panel, axis in grid.axes_dict.items():
        own = data[data["panel"] == panel]
        wide = own.pivot(index="condition", columns="token_class", values="jsd")
        wide = wide.reindex(index=conditions, columns=classes).rename(index=name_condition)
        wide.plot.barh(stacked=True, ax=axis, legend=False, width=0.8, color=hues)
        axis.set(title=panel, ylabel="")
        _name_words(axis, own, conditions, FLAT * highest.max())
    for axis in grid.axes.flat:  # pandas empties shared axes at each plot
        axis.set(xlabel="JSD (bits)", xlim=(0, 1.5 * highest.max()))
        axis.tick_params(labelbottom=True)
    handles = [plt.Rectangle((0, 0), 1, 1, color=hue) for hue in hues]
    beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
    grid.figure.legend(handles, classes, title="next token begins", **beside)
    grid.figure.tight_layout()
    text = _describe_token_classes(data, bars, f"{name_probes(family)} ({name_ring(ring)})")
    if len(flat):
        rest = f"Not drawn, for no bar there exceeds {flat.max():.2g} bits: {', '.join(flat.index)}."
        grid.figure.text(0, -0.02, rest, va="top", fontsize=9)
        text += f" {rest}"
    return Picture("jsd_tokens", grid.figure, text)


def _name_words(axis: Axes, parts: pd.DataFrame, conditions: list[str], least: float) -> None:
    """Write the words of its largest part at the end of each bar that is longer than `least` bits."""
    for place, condition in enumerate(conditions):
        bar = parts[parts["condition"] == condition]
        if bar["jsd"].sum() > least:
            words = bar.loc[bar["jsd"].idxmax(), "words"]
            axis.text(bar["jsd"].sum(), place, f"  {words}", va="center", fontsize=8)


def _describe_token_classes(data: pd.DataFrame, bars: pd.Series, probes: str) -> str:
    panel, condition = bars.idxmax()
    parts = data[(data["panel"] == panel) & (data["condition"] == condition)].set_index("token_class")
    largest = parts.loc[parts["jsd"].idxmax()]
    text = f"Parts of the JSD from the base model on {probes}, a bar for each condition. The parts are classes of the "
    text += f"next token: {', '.join(dict.fromkeys(data['token_class']))}. "
    text += f"Panels: {', '.join(dict.fromkeys(data['panel']))}. The longest bar is {bars.max():.2g} bits, of "
    text += f"{name_condition(condition)} training in {panel}. Its largest part is {largest.name}, "
    return text + f"{largest['jsd'] / bars.max():.0%} of it. Most of that part is of: {largest['words'] or 'no word'}."


def draw_confusion(table: pd.DataFrame, family: str, ring: str = HELD_OUT) -> Picture:
    """Draw which condition a run was guessed to come from, over base checkpoints (or base models where there are none).

    Parameters
    ----------
    table : the table of that name; a cell is the share of the condition's runs, a row sums to 1
    """
    rows = select_matrices(table, family, ring)
    panels = list(rows.groupby(["base_model", "world"], sort=True))
    across = min(2, max(1, len(panels)))
    down = -(-max(1, len(panels)) // across)
    size = 1.6 + 0.42 * rows["condition"].nunique()
    figure, axes = plt.subplots(down, across, figsize=(across * (size + 1), down * size), squeeze=False)
    shown = []
    for axis, (key, part) in zip(axes.flat, panels, strict=False):
        order = order_conditions(part["condition"])
        wide = part.pivot(index="condition", columns="predicted", values="share").reindex(index=order, columns=order)
        wide = wide.rename(index=name_condition, columns=name_condition)
        sns.heatmap(wide, ax=axis, vmin=0, vmax=1, cmap="cividis", annot=True, fmt=".2f", cbar=False, square=True)
        name, right = " · ".join(filter(None, key)), f"{part['accuracy'].iloc[0]:.0%} right"
        shown.append(f"{name} {right}")
        axis.set(title=f"{name}\n{right}, chance {1 / len(wide):.0%}", xlabel="guessed training", ylabel="training")
    for axis in list(axes.flat)[len(panels) :]:
        axis.axis("off")
    figure.tight_layout()
    text = (
        f"Which training a run was guessed to have had, from its shifts of {name_probes(family)}: {', '.join(shown)}."
    )
    return Picture("confusion", figure, text)
