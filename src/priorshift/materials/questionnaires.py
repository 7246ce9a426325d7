"""Questionnaire items from a user's CSV, and the orders in which their response options are shown."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

from priorshift.errors import MaterialsError, ParamsError
from priorshift.materials.schema import Scale, ScaleItem
from priorshift.yaml_files import validate

COLUMNS = ("scale", "outcome", "text", "key")
OPTIONS = "options"  # may be left out: response options from least to most, with | between them


def read_scales(path: Path) -> dict[str, Scale]:
    """Scales from a CSV with the columns scale, outcome, text and key (1, or -1 where reverse-keyed), and `OPTIONS`.

    Raises
    ------
    MaterialsError
        In one line with the line's number, where a column is missing or a value cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise MaterialsError(f"{path}: lacks the column(s) {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
            if unknown := sorted(set(reader.fieldnames) - {*COLUMNS, OPTIONS}):
                raise MaterialsError(
                    f"{path}: found the column(s) {', '.join(unknown)}; expected {', '.join(COLUMNS)} "
                    f"and, if you like, {OPTIONS}"
                )
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = getattr(problem, "strerror", None) or "it is no CSV in UTF-8"
        raise MaterialsError(f"{path}: cannot be read ({reason}); give the path of a CSV file") from None
    scales: dict[str, tuple[tuple[str, str], list[ScaleItem]]] = {}
    for number, line in enumerate(lines, start=2):
        values = {name: (line[name] or "").strip() for name in COLUMNS}
        if not all(values.values()) or values["key"] not in ("1", "+1", "-1"):
            raise MaterialsError(f"{path} line {number}: found {values}; expected a text in each and a key of 1 or -1")
        own = values["outcome"], (line.get(OPTIONS) or "").strip()
        shared, items = scales.setdefault(values["scale"], (own, []))
        for what, found, others in zip(("outcome", OPTIONS), own, shared, strict=True):
            if found != others:
                raise MaterialsError(
                    f"{path} line {number}: found {what} {found!r}; the scale's other items have {others!r}"
                )
        item = {"text": values["text"], "key": int(values["key"])}
        items.append(validate(ScaleItem, item, f"{path} line {number}", MaterialsError))
    if not scales:
        raise MaterialsError(f"{path}: found no items; give one line for each")
    read = {
        name: {"outcome": outcome, "items": tuple(items), "labels": _labels(options)}
        for name, ((outcome, options), items) in scales.items()
    }
    return {name: validate(Scale, scale, f"{path}: {name}", MaterialsError) for name, scale in read.items()}


def _labels(options: str) -> tuple[str, ...] | None:
    return tuple(label.strip() for label in options.split("|")) if options else None


def balanced_orders(n_labels: int, n_orders: int) -> list[tuple[int, ...]]:
    """Option orders in which each label stands equally often in each place.

    Orders that are rotations of one another are a Latin square; `n_orders / n_labels` squares are drawn,
    always the same ones. All n! orders are n_orders = n!, and there are no more.
    """
    squares = [(0, *rest) for rest in itertools.permutations(range(1, n_labels))]
    if n_orders % n_labels:
        raise ParamsError(
            f"probes.scale_orders: found {n_orders}; expected a multiple of {n_labels} (the number of response options)"
        )
    drawn = sorted(random.Random("scale orders").sample(squares, min(n_orders // n_labels, len(squares))))
    return [order[k:] + order[:k] for order in drawn for k in range(n_labels)]
