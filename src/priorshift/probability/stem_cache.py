"""Plain rows, their stem read once: its cache (or state) is expanded over the continuations and gone on from."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import torch

from priorshift.probability.forward import Forward, narrow_head
from priorshift.probability.log_softmax import look_up_log_softmax
from priorshift.probability.token_tree import Row

# What a model may call its cache.
CACHES = ("past_key_values", "cache_params")
# Tokens that the caches of a batch may hold, in budgets: a cached token is far smaller than a computed one.
HELD = 8
# From so many rows on, tails of each length are read apart.
MANY = 96


def look_up_cached(forward: Forward, rows: Sequence[Row], out: np.ndarray, stepwise: bool) -> None:
    """`Forward.look_up` of plain rows, those of one stem together.

    Parameters
    ----------
    rows : sequence of Row, as `make_plain_rows` makes them
    out : float64 [E], written to
    stepwise : bool
        Whether a continuation is read token by token, as models with a state need it, or at once.

    Raises
    ------
    RunError
        Memory runs out for a single row.
    """
    plan = partial(_plan, forward)
    for batch, logits in forward.run(rows, plan, lambda batch: _compute(forward, batch, stepwise)):
        stems, index = _find_stems(batch)
        # `logits` has a line for each stem's end, and then one for each token that is read after it, row by row.
        read = np.array([row.n_wanted - 1 for row in batch])
        targets = [len(row.target) for row in batch]
        predictor = np.concatenate([row.predictor for row in batch])
        after = np.repeat(len(stems) + np.cumsum(read) - read, targets) + predictor - 1
        lines = np.where(predictor == 0, np.repeat(index, targets), after)
        values = look_up_log_softmax(logits, lines, np.concatenate([row.target for row in batch]))
        out[np.concatenate([row.slot for row in batch])] = values


def _plan(forward: Forward, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Batches of rows whose stems have one length, the rows of a stem side by side."""
    batch: list[Row] = []
    stems: set[bytes] = set()
    held = wanted = 0
    budget, most_wanted = forward.budget, forward.most_wanted
    keyed = sorted(((-row.first, _read_stem(row), i) for i, row in enumerate(rows)))
    for first, stem, i in keyed:
        row = rows[i]
        if batch:
            computed = (1 - first) * (len(stems) + (stem not in stems))
            full = computed > budget or held + len(row.ids) > HELD * budget or wanted + row.n_wanted > most_wanted
            if full or row.first != batch[0].first:
                yield batch
                batch, stems, held, wanted = [], set(), 0, 0
        batch.append(row)
        stems.add(stem)
        held += len(row.ids)
        wanted += row.n_wanted
    if batch:
        yield batch


def _read_stem(row: Row) -> bytes:
    return row.ids[: row.first + 1].tobytes()


def _find_stems(batch: list[Row]) -> tuple[np.ndarray, list[int]]:
    """The different stems [B, L] of a batch, and which of them each row has."""
    known: dict[bytes, int] = {}
    index = [known.setdefault(_read_stem(row), len(known)) for row in batch]
    firsts = [index.index(number) for number in range(len(known))]
    return np.stack([batch[i].ids[: batch[i].first + 1] for i in firsts]), index


@torch.no_grad()
def _compute(forward: Forward, batch: list[Row], stepwise: bool) -> torch.Tensor:
    """Logits at each stem's end and at each token read after it: [B + tokens, V]."""
    stems, index = _find_stems(batch)
    tails = [row.ids[row.first + 1 :] for row in batch]
    longest = max(map(len, tails))
    at_end = np.full(len(stems), stems.shape[1] - 1)
    found, cache = _read(forward, stems, np.arange(len(stems)), at_end, {}, keep=longest > 0)
    logits, row_of, step_of = [found], [], []
    # Tails of one length need no padding. Few of them are padded all the same, and read in one go.
    lengths = np.array([len(tail) for tail in tails])
    parts = [np.flatnonzero(lengths == length) for length in np.unique(lengths[lengths > 0])]
    parts = parts if len(batch) >= MANY else [np.flatnonzero(lengths)] if longest else []
    for part in parts:
        ids = np.zeros((len(part), lengths[part].max()), dtype=np.int64)
        for line, i in enumerate(part):
            ids[line, : lengths[i]] = tails[i]
        own = cache if part is parts[-1] else copy.deepcopy(cache)
        own = _expand(own, torch.tensor([index[i] for i in part], device=forward.device))
        for found, lines, step in _go_on(forward, ids, lengths[part], own, stepwise):
            logits.append(found)
            row_of.append(part[lines])
            step_of.append(step)
    if not parts:
        return logits[0]
    order = np.lexsort((np.concatenate(step_of), np.concatenate(row_of)))
    order = np.concatenate([np.arange(len(stems)), len(stems) + order])
    return torch.cat(logits)[torch.from_numpy(order).to(forward.device)]


def _go_on(
    forward: Forward, ids: np.ndarray, lengths: np.ndarray, cache: dict[str, Any], stepwise: bool
) -> Iterator[tuple[torch.Tensor, np.ndarray, np.ndarray]]:
    """Logits after each real token of `ids` [B, T], with their lines and columns: in one go, or token by token."""
    real = np.arange(ids.shape[1]) < lengths[:, None]
    if not stepwise:
        line, step = np.nonzero(real)
        yield _read(forward, ids, line, step, cache)[0], line, step
        return
    for column in range(ids.shape[1]):
        line = np.flatnonzero(real[:, column])
        found, cache = _read(forward, ids[:, column : column + 1], line, np.zeros_like(line), cache)
        yield found, line, np.full(len(line), column)


def _read(
    forward: Forward, ids: np.ndarray, line: np.ndarray, column: np.ndarray, cache: dict[str, Any], keep: bool = True
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Read tokens [B, T] after a cache: the logits at (line, column), and the cache, by the model's own name for it."""
    tokens, at_line, at_column = (torch.from_numpy(array).to(forward.device) for array in (ids, line, column))
    head = forward.model.get_output_embeddings()
    with narrow_head(head, at_line, at_column, tokens.shape) as narrowed:
        made = forward.model(input_ids=tokens, **cache, use_cache=keep)
    forward.count(tokens.numel(), tokens.numel())
    logits = made.logits[0] if narrowed else made.logits[at_line, at_column]
    name = next((name for name in CACHES if getattr(made, name, None) is not None), None)
    return logits, {name: made[name]} if name and keep else {}


def _expand(cache: dict[str, Any], index: torch.Tensor) -> dict[str, Any]:
    """The cache with the lines `index`: each continuation has its stem's."""
    [(name, state)] = cache.items()
    state.reorder_cache(index)
    return {name: state}


def has_cache(forward: Forward) -> bool:
    """Whether the model takes a cache, by its signature."""
    accepted = signature(forward.core.forward).parameters
    return "use_cache" in accepted and any(name in accepted for name in CACHES)
