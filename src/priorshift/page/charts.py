"""Interactive figures: Vega-Altair charts that say which run a point is, and dim what a reader did not choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from priorshift.page.parts import Chart
from priorshift.report.names import name_condition, name_panels, name_worlds
from priorshift.report.palette import order_conditions
from priorshift.study.params import HELD_OUT

# Of the page's script: what a reader chose, or "" for all.
CHOSEN = {"condition": "chosen_condition", "base_model": "chosen_model"}
INK = "currentColor"  # that of the text around, in light and dark
CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK,
        "gridOpacity": 0.12, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 150,
    },
    "aria": False,  # the page's own description stands for all marks
}  # fmt: skip
STEP, OFFSET = 20, 8  # pixels of a row, and of a condition within a row
RUN = [
    alt.Tooltip("training:N", title="training"),
    alt.Tooltip("seed:Q", title="seed"),
    alt.Tooltip("base_model:N", title="base model"),
]


def write_spec(chart: alt.TopLevelMixin) -> dict:
    """Write a chart as Vega-Lite that the page's script can embed. Data stand in it, no address does."""
    with alt.data_transformers.enable("default", max_rows=None):
        return chart.properties(width="container", config=CONFIG).to_dict()


def add_filters(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    """Give a chart the parameters by which the page's filters reach it."""
    return chart.add_params(*(alt.param(name=name, value="") for name in CHOSEN.values()))


def dim_others(full: float = 0.85, *columns: str) -> alt.Opacity:
    """Opacity that leaves what a reader chose, and all but hides the rest."""
    tests = (f"({CHOSEN[name]} === '' || datum.{name} === {CHOSEN[name]})" for name in columns or CHOSEN)
    return alt.condition(" && ".join(tests), alt.value(full), alt.value(0.06))


def colour_conditions(colours: Mapping[str, str], order: Sequence[str]) -> alt.Color:
    """The one colour of each condition."""
    scale = alt.Scale(domain=list(order), range=[colours[name] for name in order])
    return alt.Color("condition:N", scale=scale, legend=None)


def name_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the name of each training, and their probabilities in percent where they have some."""
    named = rows.assign(training=rows["condition"].map(name_condition))
    return named.assign(after=100 * named["probability"], before=100 * named["base_probability"])


def draw_probabilities(rows: pd.DataFrame, colours: Mapping[str, str]) -> alt.LayerChart:
    """Draw the probability of one outcome after each training, a point for each run, beside that before training.

    Parameters
    ----------
    rows : of `runs.average_shifts`: one family, ring, outcome and place
    """
    order = order_conditions(rows["condition"])
    kept = ["base_model", "group", "condition", "seed", "shift", "probability", "base_probability"]
    data = name_runs(rows[kept]).round(4)
    axis = alt.Axis(tickCount=5, labelFlush=False)  # flush, 100 stands in 80 on a narrow page
    points = (
        alt.Chart(data[["base_model", "group", "condition", "training", "seed", "shift", "before", "after"]])
        .mark_point(filled=True, size=48, cursor="pointer")
        .encode(
            x=alt.X("after:Q", title="probability (%)", scale=alt.Scale(domain=[0, 100]), axis=axis),
            y=alt.Y("training:N", title=None, sort=[name_condition(name) for name in order]),
            color=colour_conditions(colours, order),
            shape=alt.Shape("group:N", legend=None),
            opacity=dim_others(0.75),
            tooltip=[
                *RUN,
                alt.Tooltip("before:Q", title="before (%)", format=".1f"),
                alt.Tooltip("after:Q", title="after (%)", format=".1f"),
                alt.Tooltip("shift:Q", title="shift (nats)", format="+.2f"),
            ],
        )
    )
    mean = pd.DataFrame({"before": [data["before"].mean()], "name": ["mean before training"]})
    rule = (
        alt.Chart(mean)
        .mark_rule(color=INK, strokeDash=[4, 3], opacity=0.8)
        .encode(x="before:Q", tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("before:Q", format=".1f")])
    )
    return add_filters(rule + points).properties(height=STEP * len(order))


def draw_shift_panels(
    shifts: pd.DataFrame, family: str, colours: Mapping[str, str], ring: str = HELD_OUT
) -> tuple[Chart, ...]:
    """Draw the shifts of a family's outcomes, a panel for each: `shift_figures.draw_shifts`, to touch."""
    rows = shifts[(shifts["family"] == family) & (shifts["ring"] == ring)]
    rows = rows.assign(place=name_panels(rows), training=rows["condition"].map(name_condition))
    order = order_conditions(rows["condition"])
    kept = ["place", "base_model", "condition", "training", "seed", "shift", "probability", "base_probability"]
    panels, height = [], OFFSET * (len(order) + 2) * rows["place"].nunique()
    for outcome, own in rows.groupby("outcome", sort=False):
        points = (
            alt.Chart(own[kept].round(4))
            .mark_point(filled=True, size=30, cursor="pointer")
            .encode(
                x=alt.X("shift:Q", title="shift (nats)", scale=_scale(rows["shift"])),
                y=alt.Y("place:N", title=None),
                yOffset=alt.YOffset("training:N", sort=[name_condition(name) for name in order]),
                color=colour_conditions(colours, order),
                shape=alt.Shape("base_model:N", legend=None),
                opacity=dim_others(0.8),
                tooltip=[*RUN, alt.Tooltip("shift:Q", title="shift (nats)", format="+.2f")],
            )
        )
        panels.append(Chart(outcome, add_filters(_draw_zero() + points).properties(height=height)))
    return tuple(panels)


def draw_interval_panels(rows: pd.DataFrame, margin: float, colours: Mapping[str, str]) -> tuple[Chart, ...]:
    """Draw contrasts with their intervals, a panel for each: `claim_figures.draw_claims`, to touch.

    Parameters
    ----------
    rows : `claim_figures.select_declared`
    margin : nats, the study's smallest effect of interest
    """
    rows = rows.assign(
        name=(rows["base_model"] + " · " + rows["world"]).where(rows["unit"] == "base", rows["base_model"])
    )
    rows = rows.assign(last=rows["unit"] == "base").sort_values(["world", "last", "base_model"], kind="stable")
    most = max(2.0 * rows["estimate"].abs().max(), margin)  # a wider interval runs out of the frame
    ends = rows[["ci_low", "ci_high"]].clip(-most, most).stack()
    scale, panels = _scale(pd.concat([ends, pd.Series([-margin, margin])])), []
    keys = ["condition", "control", "family", "outcome"]
    for (condition, control, family, outcome), own in rows.groupby(keys, sort=False):
        kept = ["name", "base_model", "condition", "estimate", "ci_low", "ci_high"]
        data = own[[*kept, "unit", "n_runs", "n_items"]].round(4)
        tips = [
            alt.Tooltip("name:N", title="base models"), alt.Tooltip("estimate:Q", format="+.2f"),
            alt.Tooltip("ci_low:Q", title="from", format="+.2f"), alt.Tooltip("ci_high:Q", title="to", format="+.2f"),
            alt.Tooltip("unit:N"), alt.Tooltip("n_runs:Q", title="runs"), alt.Tooltip("n_items:Q", title="items"),
        ]  # fmt: skip
        base = alt.Chart(data).encode(
            y=alt.Y("name:N", title=None, sort=list(dict.fromkeys(rows["name"]))),
            color=colour_conditions(colours, [condition]),
            opacity=dim_others(1.0),
            tooltip=tips,
        )
        bars = base.mark_rule(strokeWidth=2, cursor="pointer", clip=True).encode(
            x=alt.X("ci_low:Q", title="difference (nats)", scale=scale, axis=alt.Axis(tickCount=6)), x2="ci_high:Q"
        )
        points = base.mark_point(filled=True, size=50, cursor="pointer").encode(
            x="estimate:Q", shape=alt.Shape("unit:N", legend=None)
        )
        band = alt.Chart(pd.DataFrame({"low": [-margin], "high": [margin]}))
        band = band.mark_rect(color=INK, opacity=0.1).encode(x="low:Q", x2="high:Q")
        chart = add_filters(band + _draw_zero() + bars + points).properties(height=STEP * own["name"].nunique())
        title = f"{name_condition(condition)} minus {name_condition(control)}: {outcome} ({family.replace('_', ' ')})"
        panels.append(Chart(title, chart))
    return tuple(panels)


def draw_jsd_panels(table: pd.DataFrame, colours: Mapping[str, str], ring: str = HELD_OUT) -> tuple[Chart, ...]:
    """Draw the JSD, a panel for each world or group and for each start: `shift_figures.draw_jsd`, to touch."""
    starts = {"jsd": "from the base model", "jsd_reference": "from the first neutral run"}
    rows = table[(table["ring"] == ring) & table["measure"].isin(list(starts)) & (table["estimate"] > 0)]
    rows = rows.assign(
        place=name_worlds(rows, "group"),
        training=rows["condition"].map(name_condition),
        probes=rows["family"].str.replace("_", " "),
    )
    order, panels = order_conditions(rows["condition"]), []
    height = OFFSET * (len(order) + 2) * rows["probes"].nunique()
    kept = ["base_model", "condition", "training", "probes", "estimate", "ci_low", "ci_high", "n_runs"]
    ends = alt.Scale(type="log", domain=[float(rows["estimate"].min()), float(rows["estimate"].max())], nice=True)
    for (measure, place), own in rows.groupby(["measure", "place"], sort=True):
        chart = (
            alt.Chart(own[kept])
            .mark_point(filled=True, size=30, cursor="pointer")
            .encode(
                x=alt.X("estimate:Q", title="JSD (bits)", scale=ends, axis=alt.Axis(tickCount=4, format="~g")),
                y=alt.Y("probes:N", title=None),
                yOffset=alt.YOffset("training:N", sort=[name_condition(name) for name in order]),
                color=colour_conditions(colours, order),
                opacity=dim_others(),
                tooltip=[
                    alt.Tooltip("training:N"), alt.Tooltip("base_model:N", title="base model"),
                    alt.Tooltip("estimate:Q", title="JSD (bits)", format=".2g"),
                    alt.Tooltip("n_runs:Q", title="runs"),
                ],
            )
        )  # fmt: skip
        panels.append(Chart(f"{place}, {starts[measure]}", add_filters(chart).properties(height=height)))
    return tuple(panels)


def _scale(values: pd.Series) -> alt.Scale:
    """One domain for all panels of a figure."""
    room = 0.05 * max(float(values.max() - values.min()), 0.1)
    return alt.Scale(domain=[round(min(values.min(), 0) - room, 3), round(max(values.max(), 0) + room, 3)])


def _draw_zero() -> alt.Chart:
    return alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=INK, opacity=0.5).encode(x="zero:Q")
