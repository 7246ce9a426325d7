"""A block of encoded stems -> logprobs, each text by the method that holds for it and computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from priorshift.errors import RunError
from priorshift.probability.encoder import EncodedStem
from priorshift.probability.forward import Forward
from priorshift.probability.prompt_once import Method
from priorshift.probability.stem_cache import look_up_cached
from priorshift.probability.token_tree import Row, Tokens, make_plain_rows, make_stem_row, make_tree_rows

# The number of a dropped continuation, whose logprob is NaN: the last of each list.
DROPPED = -1


class ContinuationLogprobs(NamedTuple):
    """Logprobs (nats) of one stem's C continuations: of each token, C float64 arrays [tokens], and summed, [C]."""

    tokens: list[np.ndarray]
    sums: np.ndarray


def compute_continuations(
    forward: Forward, method: Method, encoded: Sequence[EncodedStem], first: int
) -> list[ContinuationLogprobs]:
    """Logprobs of each stem's continuations. Equal stems, and equal continuations of a stem, are computed once.

    Parameters
    ----------
    first : int
        The number of the first stem, for errors.

    Raises
    ------
    RunError
        The model gives NaN or infinity, or memory runs out for a single row.
    """
    groups: dict[Tokens, dict[Tokens, int]] = {}
    lengths: list[int] = []
    for stem, continuations in encoded:
        known = groups.setdefault(stem, {})
        for tokens in continuations:
            if tokens and tokens not in known:
                known[tokens] = len(lengths)
                lengths.append(len(tokens))
    ends = np.cumsum(lengths, dtype=np.int64)
    starts = ends - lengths
    values = np.full(sum(lengths), np.nan)
    items = [(stem, list(known), starts[list(known.values())]) for stem, known in groups.items() if known]
    _look_up(forward, method, items, values)
    parts = [*np.split(values, ends[:-1]), np.array([np.nan])]
    sums = np.array([*(np.add.reduceat(values, starts) if lengths else ()), np.nan])
    found, finite = [], []
    for stem, continuations in encoded:
        chosen = [groups[stem][tokens] if tokens else DROPPED for tokens in continuations]
        found.append(ContinuationLogprobs([parts[i] for i in chosen], sums[chosen]))
        finite.append(bool(np.isfinite(sums[[i for i in chosen if i != DROPPED]]).all()))
    _check_finite(finite, first)
    return found


def compute_distributions(forward: Forward, method: Method, stems: Sequence[Tokens], first: int) -> np.ndarray:
    """Next-token logprobs (nats) after each stem, float32 [n, V]. Equal stems are computed once.

    Parameters and errors are those of `compute_continuations`.
    """
    lines = {stem: line for line, stem in enumerate(dict.fromkeys(stems))}
    found = np.empty((len(lines), forward.vocabulary), dtype=np.float32)
    rows = [make_stem_row(stem, line) for stem, line in lines.items()]
    limit = method.longest
    fits = [method.name == "prompt_once" and (limit is None or len(row.ids) <= limit) for row in rows]
    for plain in (False, True):
        forward.write_distributions([row for row, fit in zip(rows, fits, strict=True) if fit != plain], found, plain)
    if len(lines) < len(stems):
        found = found[[lines[stem] for stem in stems]]
    _check_finite([bool(row.all()) for row in np.isfinite(found)], first)
    return found


def _look_up(
    forward: Forward, method: Method, items: Sequence[tuple[Tokens, list[Tokens], np.ndarray]], values: np.ndarray
) -> None:
    """Fill `values` [E] for (stem, continuations, where each begins)."""
    tree: list[Row] = []
    plain: list[Row] = []
    for stem, continuations, starts in items:
        rows = make_tree_rows(stem, continuations, starts, method.longest) if method.name == "prompt_once" else None
        if rows is None:
            plain += make_plain_rows(stem, continuations, starts)
        else:
            tree += rows
    forward.look_up(tree, values, plain=False)
    fits = [bool(method.cache) and (method.longest is None or len(row.ids) <= method.longest) for row in plain]
    cached = [row for row, fit in zip(plain, fits, strict=True) if fit]
    if cached:
        look_up_cached(forward, cached, values, stepwise=method.cache == "stepwise")
    forward.look_up([row for row, fit in zip(plain, fits, strict=True) if not fit], values, plain=True)


def _check_finite(finite: Sequence[bool], first: int) -> None:
    bad = [number for number, fine in enumerate(finite, start=first) if not fine]
    if bad:
        raise RunError(
            f"the model gave NaN or infinity for stem {bad[0]} (and {len(bad) - 1} more); expected finite logprobs: "
            "look for damaged weights, or load it in float32"
        )
