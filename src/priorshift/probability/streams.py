"""Stems and continuations as they are given, a list or a stream, in windows that fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest

from priorshift.errors import UserError

_MISSING = object()


def listed(texts: Iterable, name: str) -> Iterable:
    """The argument itself, unless it is one text where a list of texts is meant."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise UserError(f"{name}={texts!r}: expected a list of texts")
    return texts


def windows(items: Iterable, size: int) -> Iterator[tuple[int, list]]:
    """(number of the first item, next items) until there are none."""
    items, start = iter(items), 0
    while window := list(islice(items, size)):
        yield start, window
        start += len(window)


def paired(stems: Iterable[str], continuations: Iterable) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each stem with its continuations: one list for all, or one list for each."""
    rest = iter(listed(continuations, "continuations"))
    first = next(rest, None)
    if first is None:
        raise UserError("continuations is empty: expected at least one")
    lists = chain([first], rest)
    if isinstance(first, str):
        shared = tuple(lists)
        yield from ((stem, shared) for stem in stems)
        return
    for i, (stem, texts) in enumerate(zip_longest(stems, lists, fillvalue=_MISSING)):
        if stem is _MISSING or texts is _MISSING:
            raise UserError(f"{'stems' if stem is _MISSING else 'continuations'} end after {i}: expected one list each")
        texts = tuple(listed(texts, f"continuations[{i}]"))
        if not texts:
            raise UserError(f"stem {i} has no continuation")
        yield stem, texts
