"""Stems and continuations as they are given, a list or a stream, in blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import Any, TypeVar

from priorshift.errors import UserError

Item = TypeVar("Item")
_MISSING: Any = object()


def check_list(texts: Iterable[Item], name: str) -> Iterable[Item]:
    """Return the argument itself, unless it is one text where a list of texts is meant.

    Raises
    ------
    UserError
        Naming the argument and what it is.

    Examples
    --------
    >>> check_list(["It was"], "stems")
    ['It was']
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise UserError(f"{name}={texts!r}: expected a list of texts")
    return texts


def split_blocks(items: Iterable[Item], size: int) -> Iterator[tuple[int, list[Item]]]:
    """Blocks of `size` items, each with the number of its first item.

    Examples
    --------
    >>> list(split_blocks("abc", 2))
    [(0, ['a', 'b']), (2, ['c'])]
    """
    rest, start = iter(items), 0
    while block := list(islice(rest, size)):
        yield start, block
        start += len(block)


def join_continuations(
    stems: Iterable[str], continuations: Iterable[str] | Iterable[Iterable[str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each stem with its continuations: one list for all stems, or one list for each.

    Raises
    ------
    UserError
        There is no continuation, or there are not as many lists as stems.

    Examples
    --------
    >>> list(join_continuations(["It was", "He"], [" a", " the"]))
    [('It was', (' a', ' the')), ('He', (' a', ' the'))]
    """
    rest: Iterator[Any] = iter(check_list(continuations, "continuations"))
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
        own = tuple(check_list(texts, f"continuations[{i}]"))
        if not own:
            raise UserError(f"continuations[{i}] is empty: expected at least one for stem {i}")
        yield stem, own
