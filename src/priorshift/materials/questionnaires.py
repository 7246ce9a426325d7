"""Questionnaire items from a user's CSV, and the orders in which their response options stand."""

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
    """Read scales from a CSV, one line per item.

    Its columns are scale, outcome, text and key (1, or -1 where reverse-keyed). A column `options` may follow.

    Raises
    ------
    MaterialsError
        When a column is missing or a value cannot be used. The message names the line.
    """
    scales: dict[str, tuple[tuple[str, str], list[ScaleItem]]] = {}
    for number, line in enumerate(_read_lines(path), start=2):
        where = f"{path} line {number}"
        values = {name: (line[name] or "").strip() for name in COLUMNS}
        if not all(values.values()) or values["key"] not in ("1", "+1", "-1"):
            raise MaterialsError(f"{where}: found {values}; expected a text in each and a key of 1 or -1")
        own = values["outcome"], (line.get(OPTIONS) or "").strip()
        shared, items = scales.setdefault(values["scale"], (own, []))
        for column, found, others in zip(("outcome", OPTIONS), own, shared, strict=True):
            if found != others:
                raise MaterialsError(
                    f"{where}: found {column} {found!r}, where the scale's other items have {others!r}; make them agree"
                )
        item = {"text": values["text"], "key": int(values["key"])}
        items.append(validate(ScaleItem, item, where, MaterialsError))
    if not scales:
        raise MaterialsError(f"{path}: found no items; give one line for each")
    read = {
        name: {"outcome": outcome, "items": tuple(items), "labels": _split_labels(options)}
        for name, ((outcome, options), items) in scales.items()
    }
    return {name: validate(Scale, scale, f"{path}: {name}", MaterialsError) for name, scale in read.items()}


def list_balanced_orders(n_labels: int, n_orders: int) -> list[tuple[int, ...]]:
    """Option orders in which each label stands equally often in each place.

    The rotations of one order are a Latin square. `n_orders / n_labels` squares are drawn, always the same ones.
    There are n! orders of n labels. A larger `n_orders` gives all of them.

    Raises
    ------
    ParamsError
        When `n_orders` is no multiple of `n_labels`.

    Examples
    --------
    >>> list_balanced_orders(3, 3)
    [(0, 2, 1), (2, 1, 0), (1, 0, 2)]
    """
    squares = [(0, *rest) for rest in itertools.permutations(range(1, n_labels))]
    if n_orders % n_labels:
        raise ParamsError(
            f"probes.scale_orders: found {n_orders}; expected a multiple of {n_labels} (the number of response options)"
        )
    drawn = sorted(random.Random("scale orders").sample(squares, min(n_orders // n_labels, len(squares))))
    return [order[k:] + order[:k] for order in drawn for k in range(n_labels)]


def _read_lines(path: Path) -> list[dict[str, str | None]]:
    """The lines of the CSV, when its columns are those expected."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            found = set(reader.fieldnames or ())
            if lacking := [name for name in COLUMNS if name not in found]:
                raise MaterialsError(f"{path}: lacks the column(s) {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
            if unknown := sorted(found - {*COLUMNS, OPTIONS}):
                raise MaterialsError(
                    f"{path}: found the column(s) {', '.join(unknown)}; expected {', '.join(COLUMNS)} "
                    f"and, if you like, {OPTIONS}"
                )
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = getattr(problem, "strerror", None) or "it is no CSV in UTF-8"
        raise MaterialsError(f"{path}: cannot be read ({reason}); give the path of a CSV file") from None


def _split_labels(options: str) -> tuple[str, ...] | None:
    return tuple(label.strip() for label in options.split("|")) if options else None
