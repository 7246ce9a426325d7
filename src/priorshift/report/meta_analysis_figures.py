"""The forest plot: each base model's difference, and below it their mean with the interval for a further one."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from priorshift.report.meta_analysis_text import name_models
from priorshift.report.names import name_condition
from priorshift.report.save import Picture


def draw_forest(models: pd.DataFrame, combined: pd.DataFrame, margin: float, palette: Mapping[str, str]) -> Picture:
    """Draw the declared contrasts of each base model and over them, a panel for each.

    A square's area goes with the base model's weight. A diamond spans the mean's interval, a thin line through it the
    prediction interval. Base models that are combined more than once stand with the fewest others.

    Parameters
    ----------
    models, combined : declared rows of `synthesis_models` and of `synthesis`, at least one
    margin : nats, the study's smallest effect of interest
    """
    combined, models = (_name_panels(table) for table in (combined, models))
    panels = list(dict.fromkeys(combined["panel"]))
    names = _list_lines(models, combined)
    size = (4 * len(panels) + 2, 0.28 * len(names) + 1)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        for row in models[models["panel"] == panel].drop_duplicates("name").to_dict("records"):
            y, colour = names.index(row["name"]), palette[row["condition"]]
            axis.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=1)
            axis.scatter(row["estimate"], y, s=10 + 90 * row["weight"], marker="s", color=colour)
        for row in combined[combined["panel"] == panel].to_dict("records"):
            _draw_mean(axis, names.index(row["name"]), row)
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.axvspan(-margin, margin, color="0.92", zorder=-1)
        axis.set(title=panel, xlabel="difference of shifts (nats)", yticks=range(len(names)), yticklabels=names)
        axis.set_ylim(len(names) - 0.5, -0.5)
    most = max(2.0 * models["estimate"].abs().max(), 2 * margin)
    ends = pd.concat([models[["ci_low", "ci_high"]], combined[["ci_low", "ci_high"]]]).clip(-most, most)
    for axis in axes.flat:  # intervals of two runs or models can be many times the estimates
        axis.set_xlim(min(-margin, ends["ci_low"].min()) - 0.2, max(margin, ends["ci_high"].max()) + 0.2)
    figure.tight_layout()
    return Picture("forest", figure, _describe_forest(combined, panels))


def _name_panels(table: pd.DataFrame) -> pd.DataFrame:
    pairs = table["condition"].map(name_condition) + " minus " + table["control"].map(name_condition)
    named = table.assign(panel=pairs + "\n" + table["outcome"] + " (" + table["family"].str.replace("_", " ") + ")")
    if "over" in table:
        return named.assign(name=named["base_model"])
    return named.assign(name=[f"mean of {name_models(row)}" for row in table.to_dict("records")])


def _list_lines(models: pd.DataFrame, combined: pd.DataFrame) -> list[str]:
    """Names from the top: the base models of each row that are not named yet, then its mean. Small ones first."""
    groups = combined.sort_values("n_models", kind="stable").sort_values("world", kind="stable")
    names: list[str] = []
    for row in groups.drop_duplicates("name").to_dict("records"):
        mine = (models["over"] == row["base_model"]) & (models["world"] == row["world"])
        names += [name for name in dict.fromkeys(models.loc[mine, "name"]) if name not in names]
        names.append(row["name"])
    return names


def _draw_mean(axis: Axes, y: int, row: Mapping[str, float]) -> None:
    low, middle, high = row["ci_low"], row["estimate"], row["ci_high"]
    axis.fill([low, middle, high, middle], [y, y - 0.3, y, y + 0.3], color="black")
    axis.hlines(y, row["predict_low"], row["predict_high"], color="black", linewidth=0.8)


def _describe_forest(combined: pd.DataFrame, panels: list[str]) -> str:
    apart = ((combined["ci_low"] > 0) | (combined["ci_high"] < 0)).sum()
    further = ((combined["predict_low"] > 0) | (combined["predict_high"] < 0)).sum()
    named = ", ".join(panel.replace("\n", ": ") for panel in panels)
    return (
        f"Differences of shifts in nats of each base model, and their means over base models. Panels: {named}. {apart} "
        f"of {len(combined)} intervals of a mean leave out 0, and so do {further} prediction intervals for a further "
        "base model."
    )
