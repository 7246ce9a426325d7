"""Which tokens go through the model together: a prompt once, its continuations as branches.

A row is one sequence of the batch. In a *tree row* the stem comes first and the continuations follow as a trie in
preorder. So a token's descendants are the columns right after it, up to `end`. Token `j` is seen by token `i` exactly
where ``j <= i < end[j]``: that one comparison is the whole attention mask. A *plain row* is a stem and one
continuation. Numpy only: no model here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Tokens = tuple[int, ...]
# Attention grows with the square of a row, so a larger trie is cheaper as several rows.
SOFT_ROW = 1024
# A batch is closed when padding passes this share of it, unless it is still too small to be worth a call.
PADDING = 0.04


@dataclass(frozen=True, slots=True)
class Trie:
    """Continuations merged by their common prefixes. Node 0 is the end of the stem.

    The last token of a continuation is only ever predicted, never read: it is no node unless another
    continuation goes on from it.
    """

    ids: np.ndarray  # [W] token of nodes 1..W, in preorder
    depth: np.ndarray  # [W] 1 for the first token of a continuation
    end: np.ndarray  # [W] one past the last descendant, as a node number
    predictor: np.ndarray  # [E] the node that predicts, for each token of each continuation in turn
    target: np.ndarray  # [E] the token that is predicted
    lengths: np.ndarray  # [C] tokens of each continuation; E is their sum


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence: what the model reads, and which of its next-token distributions are wanted."""

    ids: np.ndarray  # [L] tokens
    position: np.ndarray  # [L] distance from the start of the text
    end: np.ndarray  # [L] one past the last column that sees this one
    first: int  # the first column whose distribution is wanted: all from there on are
    predictor: np.ndarray  # [E] which of the wanted distributions predicts, counted from `first`
    target: np.ndarray  # [E] the token looked up in it
    slot: np.ndarray  # [E] where the looked-up logprob goes (next-token rows: [1], the output line)

    @property
    def n_wanted(self) -> int:
        """How many next-token distributions are wanted."""
        return len(self.ids) - self.first


@lru_cache(maxsize=128)
def build_trie(continuations: tuple[Tokens, ...]) -> Trie:
    """Merge continuations, each with at least one token, into a trie.

    Examples
    --------
    >>> trie = build_trie(((5, 6, 7), (5, 6, 8), (9,)))
    >>> trie.ids.tolist(), trie.predictor.tolist()
    ([5, 6], [0, 1, 2, 0, 1, 2, 0])
    """
    child: dict[tuple[int, int], int] = {}
    ids: list[int] = []
    depth: list[int] = []
    parents: list[int] = []
    # Sorted prefixes meet each subtree in one go, so numbering by first sight is preorder.
    for prefix in sorted({tokens[:-1] for tokens in continuations}):
        node = 0
        for level, token in enumerate(prefix, start=1):
            known = child.get((node, token))
            if known is None:
                known = child[node, token] = len(ids) + 1
                ids.append(token)
                depth.append(level)
                parents.append(node)
            node = known
    end = list(range(1, len(ids) + 2))
    for node in range(len(ids), 0, -1):
        end[parents[node - 1]] = max(end[parents[node - 1]], end[node])
    predictor = []
    for tokens in continuations:
        node = 0
        for token in tokens:
            predictor.append(node)
            node = child.get((node, token), -1)
    return Trie(
        ids=np.array(ids, dtype=np.int64),
        depth=np.array(depth, dtype=np.int64),
        end=np.array(end[1:], dtype=np.int64),
        predictor=np.array(predictor, dtype=np.int64),
        target=np.array([token for tokens in continuations for token in tokens], dtype=np.int64),
        lengths=np.array([len(tokens) for tokens in continuations], dtype=np.int64),
    )


def make_tree_rows(
    stem: Tokens, continuations: Sequence[Tokens], starts: np.ndarray, longest: int | None
) -> list[Row] | None:
    """Rows that hold all continuations of a stem, or None where one row would be longer than `longest`.

    Usually there is one row, and more where the trie is large.

    Parameters
    ----------
    stem : tokens
    continuations : sequence of tokens, C
    starts : int64 [C]
        Where in the output each continuation's first token goes.
    longest : int or None
        The longest row, in tokens; None for any length.

    Examples
    --------
    >>> [row] = make_tree_rows((1, 2), [(5, 6), (5, 7), (9,)], np.array([0, 2, 4]), longest=None)
    >>> row.ids.tolist(), row.target.tolist(), row.n_wanted
    ([1, 2, 5], [5, 6, 5, 7, 9], 2)
    """
    trie = build_trie(tuple(continuations))
    length, limit = len(stem) + len(trie.ids), max(SOFT_ROW, 2 * len(stem))
    if longest is not None:
        limit = min(limit, longest)
    if length > limit and len(continuations) > 1:
        order = sorted(range(len(continuations)), key=lambda i: continuations[i])
        half = len(order) // 2
        rows: list[Row] = []
        for part in (order[:half], order[half:]):
            found = make_tree_rows(stem, [continuations[i] for i in part], starts[part], longest)
            if found is None:
                return None
            rows += found
        return rows
    if longest is not None and length > longest:
        return None
    end = np.concatenate([np.full(len(stem), length), trie.end + (len(stem) - 1)])
    position = np.concatenate([np.arange(len(stem)), trie.depth + (len(stem) - 1)])
    ids = np.concatenate([np.array(stem, dtype=np.int64), trie.ids])
    slot = _number_slots(starts, trie.lengths)
    return [Row(ids, position, end, len(stem) - 1, trie.predictor, trie.target, slot)]


def make_plain_rows(stem: Tokens, continuations: Sequence[Tokens], starts: np.ndarray) -> list[Row]:
    """One row per continuation, as plain scoring reads it. Those that differ only in the last token share one.

    Parameters are those of `make_tree_rows`.

    Examples
    --------
    >>> [row.ids.tolist() for row in make_plain_rows((1, 2), [(5, 6), (5, 7), (9,)], np.array([0, 2, 4]))]
    [[1, 2, 5], [1, 2]]
    """
    shared: dict[Tokens, list[int]] = {}
    for i, tokens in enumerate(continuations):
        shared.setdefault(tokens[:-1], []).append(i)
    rows = []
    for read, members in shared.items():
        targets = [continuations[i] for i in members]
        predictor = np.tile(np.arange(len(read) + 1), len(members))
        slot = _number_slots(starts[members], np.full(len(members), len(read) + 1))
        rows.append(_make_row(stem + read, len(stem) - 1, predictor, np.array(targets).ravel(), slot))
    return rows


def make_stem_row(stem: Tokens, slot: int) -> Row:
    """The row that yields the distribution at a stem's end, which goes to output line `slot`.

    Examples
    --------
    >>> row = make_stem_row((7, 8, 9), slot=0)
    >>> row.first, row.n_wanted
    (2, 1)
    """
    none = np.zeros(0, dtype=np.int64)
    return _make_row(stem, len(stem) - 1, none, none, np.array([slot]))


def _make_row(ids: Tokens, first: int, predictor: np.ndarray, target: np.ndarray, slot: np.ndarray) -> Row:
    length = len(ids)
    tokens = np.array(ids, dtype=np.int64)
    return Row(tokens, np.arange(length), np.full(length, length), first, predictor, target, slot)


def _number_slots(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Consecutive output places for each continuation: [sum of lengths]."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def plan_batches(rows: Sequence[Row], budget: int, most_wanted: int, smallest: int, equal: bool) -> Iterator[list[Row]]:
    """Group rows of like length into batches, the longest rows first.

    Parameters
    ----------
    rows : sequence of Row
    budget : int
        The most padded tokens of a batch. A single longer row is a batch of its own.
    most_wanted : int
        The most wanted distributions of a batch.
    smallest : int
        A batch below so many tokens is padded rather than closed.
    equal : bool
        Only rows of one length share a batch, so that nothing is padded.

    Yields
    ------
    list of Row

    Examples
    --------
    >>> rows = [make_stem_row((1,) * length, slot=0) for length in (3, 10, 10)]
    >>> batches = plan_batches(rows, budget=20, most_wanted=8, smallest=4, equal=False)
    >>> [[len(row.ids) for row in batch] for batch in batches]
    [[10, 10], [3]]
    """
    batch: list[Row] = []
    tokens = kept = 0
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        length = len(row.ids)
        if batch:
            longest = len(batch[0].ids)
            padded = longest * (len(batch) + 1)
            wasteful = padded > smallest and padded - tokens - length > PADDING * padded
            full = padded > budget or kept + row.n_wanted > most_wanted
            if full or (length != longest if equal else wasteful):
                yield batch
                batch, tokens, kept = [], 0, 0
        batch.append(row)
        tokens += length
        kept += row.n_wanted
    if batch:
        yield batch


def pad_rows(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, positions and ends of a batch, each [B, L]. Padding sees and is seen by itself alone.

    Examples
    --------
    >>> ids, position, end = pad_rows([make_stem_row((7, 8, 9), slot=0), make_stem_row((4,), slot=1)])
    >>> ids.tolist(), end.tolist()
    ([[7, 8, 9], [4, 0, 0]], [[3, 3, 3], [1, 2, 3]])
    """
    length = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    position = np.zeros_like(ids)
    end = np.tile(np.arange(1, length + 1), (len(rows), 1))
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = row.ids
        position[i, : len(row.ids)] = row.position
        end[i, : len(row.ids)] = row.end
    return ids, position, end


def locate_wanted(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each wanted distribution, row by row: two arrays [K].

    Examples
    --------
    >>> line, column = locate_wanted([make_stem_row((7, 8, 9), slot=0), make_stem_row((4,), slot=1)])
    >>> line.tolist(), column.tolist()
    ([0, 1], [2, 0])
    """
    line = np.repeat(np.arange(len(rows)), [row.n_wanted for row in rows])
    column = np.concatenate([np.arange(row.first, len(row.ids)) for row in rows])
    return line, column
