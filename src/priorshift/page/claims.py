"""The declared claims as rows: estimate, interval, and a verdict in a word that the table's own column decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from priorshift.page.parts import Findings
from priorshift.report.claims_text import CLAIMS, describe_contrast, describe_equivalence
from priorshift.report.coverage_text import describe_coverage
from priorshift.report.names import name_architecture, name_condition, name_probes
from priorshift.stats.declared import EXPLORATORY, Settings, is_claimed, keep_claims

HOLDS, OTHER_WAY, NOT_SHOWN, NOT_TESTED = "holds", "other way", "not shown", "exploratory"
WIDTH, HEIGHT = 240, 20  # of a line of the forest plot
LIMITS = {"contrasts": ("ci_low", "ci_high"), "equivalence": ("ci90_low", "ci90_high")}


class ClaimRow(NamedTuple):
    """A claim as a reader sees it.

    Attributes
    ----------
    claim : what is claimed, in a few words
    models : the base model, or the architecture
    world : of these, or ""
    kind : "shift" or "equivalence"
    estimate, low, high : nats of log-odds
    level : of the interval, percent
    margin : nats within which an equivalence must lie, or NaN
    verdict : one of `HOLDS`, `OTHER_WAY`, `NOT_SHOWN`, `NOT_TESTED`
    unit : what varies in the test, and how many runs
    sentence : all of it, in words
    """

    claim: str
    models: str
    world: str
    kind: str
    estimate: float
    low: float
    high: float
    level: float
    margin: float
    verdict: str
    unit: str
    sentence: str


def list_claims(findings: Findings) -> list[ClaimRow]:
    """List the declared claims as tested at their own unit. Where none could be, the same contrasts at unit `both`.

    The latter are exploratory, and so is their verdict.
    """
    tables, settings = findings.tables, findings.settings
    tested = {name: keep_claims(tables[name]) for name in CLAIMS}
    if not any(len(rows) for rows in tested.values()):
        tested = {name: _keep_claimed(tables[name], settings, kind) for name, kind in CLAIMS.items()}
    return [
        _describe_row(row, name, findings)
        for name, rows in tested.items()
        for row in rows.sort_values(["world", "family", "condition", "base_model"], kind="stable").to_dict("records")
    ]


def _keep_claimed(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    named = [row["unit"] == "both" and is_claimed(settings, kind, row) for row in table.to_dict("records")]
    return table[np.array(named, dtype=bool)]


def judge_claim(row: Mapping[str, Any], alpha: float) -> str:
    """Judge a row of `contrasts` or `equivalence` by its own verdict: `holds`, or `equivalent`.

    A significant shift against its declared direction does not hold.
    """
    if row["role"] == EXPLORATORY:
        return NOT_TESTED
    if "equivalent" in row:
        return HOLDS if row["equivalent"] else NOT_SHOWN
    if row["holds"]:
        return HOLDS
    return OTHER_WAY if row["p_adjusted"] < alpha else NOT_SHOWN


def _describe_row(row: Mapping[str, Any], table: str, findings: Findings) -> ClaimRow:
    alpha, kind = findings.settings.alpha, CLAIMS[table]
    coverage = describe_coverage(findings.shifts, row)
    shift = kind == "shift"
    sentence = describe_contrast(row, alpha, coverage) if shift else describe_equivalence(row, coverage)
    low, high = (float(row[name]) for name in LIMITS[table])
    what = {"increase": "more", "decrease": "less"}.get(row.get("direction", ""), "a shift of") if shift else "no more"
    claim = f"{name_condition(row['condition'])}: {what} {row['outcome']} than {name_condition(row['control'])}"
    if not shift:
        claim = (
            f"{name_condition(row['condition'])}: {row['outcome']} as {name_condition(row['control'])}, "
            f"within {row['margin']:g} nats"
        )
    return ClaimRow(
        claim=f"{claim} ({name_probes(row['family'])})",
        models=name_architecture(row["base_model"]),
        world=row["world"],
        kind=kind,
        estimate=float(row["estimate"]),
        low=low,
        high=high,
        level=100 * (1 - alpha) if shift else 90,
        margin=float("nan") if shift else float(row["margin"]),
        verdict=judge_claim(row, alpha),
        unit=f"{row['unit']}: {row['n_runs']} runs",
        sentence=sentence.replace("\n", " "),
    )


def draw_interval(row: ClaimRow, most: float) -> str:
    """Draw one line of the forest plot as SVG: it stands in its row, so it stays there when rows are sorted.

    Parameters
    ----------
    most : nats at either end; an interval that goes on ends in an arrow
    """
    middle = HEIGHT // 2
    marks = [f'<line class="zero" x1="{WIDTH / 2:g}" y1="0" x2="{WIDTH / 2:g}" y2="{HEIGHT}"/>']
    if row.kind == "equivalence":
        left, right = _place(-row.margin, most), _place(row.margin, most)
        marks.append(f'<rect class="band" x="{left}" y="0" width="{round(right - left, 1)}" height="{HEIGHT}"/>')
    low, high = _place(row.low, most), _place(row.high, most)
    marks.append(f'<line class="interval" x1="{low}" y1="{middle}" x2="{high}" y2="{middle}"/>')
    for value, at, way in ((row.low, low, 1), (row.high, high, -1)):
        if abs(value) > most:
            marks.append(f'<path class="more" d="M{at},{middle} l{6 * way},-4 v8 z"/>')
    marks.append(f'<circle class="estimate" cx="{_place(row.estimate, most)}" cy="{middle}" r="4.5"/>')
    return _wrap(marks)


def draw_axis(most: float) -> str:
    """Draw the head of the forest plot: nats at its ends and its middle."""
    ends = (
        (0, "start", f"{-most:+.1f}"),
        (WIDTH / 2, "middle", "0"),
        (WIDTH, "end", f"{most:+.1f} nats"),
    )
    return _wrap([f'<text x="{x:g}" y="14" text-anchor="{anchor}">{text}</text>' for x, anchor, text in ends])


def _place(value: float, most: float) -> float:
    return round(WIDTH / 2 + float(np.clip(value / most, -1, 1)) * (WIDTH / 2 - 6), 1)


def _wrap(marks: list[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">{"".join(marks)}</svg>'


def choose_range(rows: list[ClaimRow]) -> float:
    """Choose the nats at either end of the forest plot: twice the largest estimate, or the furthest interval."""
    furthest = max((max(abs(row.low), abs(row.high)) for row in rows), default=1.0)
    largest = max((max(abs(row.estimate), np.nan_to_num(row.margin)) for row in rows), default=1.0)
    return float(min(furthest, 2 * largest)) or 1.0
