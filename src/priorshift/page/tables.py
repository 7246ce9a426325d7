"""Tables of a page: plain HTML that a script of the page sorts and filters, and that reads well without it."""

from __future__ import annotations

import numbers
from html import escape

import pandas as pd

from priorshift.report.names import name_condition

NAMED = ("condition", "control", "training", "training set")  # columns whose cells are names of conditions
WORDS = ("family", "ring", "outcome", "scale", "reason", "measure", "action", "method", "table")
SHORT, MOST_DIGITS = 26, 3  # characters of a cell that is not broken, decimals of a number


def write_table(frame: pd.DataFrame, label: str) -> str:
    """Write a table as HTML: a button in each head sorts, numbers stand right and keep their value beside.

    Parameters
    ----------
    frame : columns of several levels are joined, the index is left out
    label : what the table is, for those who hear it
    """
    heads = [_name_column(column) for column in frame.columns]
    cells = "".join(f'<th scope="col"><button type="button">{escape(head)}</button></th>' for head in heads)
    digits = [_count_digits(frame.iloc[:, k]) for k in range(frame.shape[1])]
    rows = "".join(
        f"<tr>{''.join(map(_write_cell, heads, row, digits))}</tr>" for row in frame.itertuples(index=False, name=None)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table class="sortable">'
        f"<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _name_column(column: object) -> str:
    parts = column if isinstance(column, tuple) else (column,)
    return " · ".join(str(part).replace("_", " ") for part in parts if part)


def _count_digits(column: pd.Series) -> int:
    """How many decimals a column's numbers need, of at most three."""
    if not pd.api.types.is_numeric_dtype(column) or column.dropna().empty:
        return 0
    shown = column.dropna().astype(float)
    return next((digits for digits in range(MOST_DIGITS) if (shown.round(digits) == shown).all()), MOST_DIGITS)


def _write_cell(head: str, value: object, digits: int) -> str:
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return f'<td class="number" data-value="{value}">{write_number(float(value), digits)}</td>'
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    text = name_condition(text) if head in NAMED else text.replace("_", " ") if head in WORDS else text
    return f"<td{' class=short' if len(text) < SHORT else ''}>{escape(text)}</td>"


def write_number(value: float, digits: int) -> str:
    """Write a number of a table with as many decimals as its column needs. What is missing is a dash.

    What so few decimals would round away, a learning rate or a small p, is written with two digits of its own.

    Examples
    --------
    >>> write_number(3.0, 0), write_number(0.0005, 3), write_number(float("nan"), 2)
    ('3', '0.0005', '–')
    """
    if pd.isna(value):
        return "–"
    if 0 < abs(value) < 10.0**-MOST_DIGITS:
        return f"{value:.2g}"
    return f"{round(value, digits) + 0.0:.{digits}f}"
