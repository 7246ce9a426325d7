"""Figures of notebook 08, one for each analysis. Tables in, pictures out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
import seaborn as sns

from priorshift.report.names import name_panels
from priorshift.report.save import Picture

ACCOUNTS = {
    "policy_only": "policy only",
    "prior": "prior, fitted to choices",
    "constant_bias": "constant bias",
    "prior_and_policy": "prior and policy",
}
COLOURS = ("#999999", "#0072B2", "#E69F00", "#009E73")


def draw_mechanism(tables: Mapping[str, pd.DataFrame]) -> Iterator[Picture]:
    """Draw the figure of each analysis that was made.

    Parameters
    ----------
    tables : name -> table as written under `tables/`
    """
    for name, draw in {"prior_fit_runs": draw_prior_fit}.items():
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
