"""Tries, rows and batches against what plain lists of tokens say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from priorshift.probability import token_tree
from priorshift.probability.token_tree import (
    build_trie,
    locate_wanted,
    make_plain_rows,
    make_stem_row,
    make_tree_rows,
    pad_rows,
    plan_batches,
)

TOKENS = st.lists(st.integers(1, 4), min_size=1, max_size=6).map(tuple)
CONTINUATIONS = st.lists(TOKENS, min_size=1, max_size=8, unique=True)
STEMS = st.lists(st.integers(5, 9), min_size=1, max_size=5).map(tuple)


def starts_of(continuations):
    lengths = [len(tokens) for tokens in continuations]
    return np.cumsum(lengths) - lengths


def read_before(row, column):
    """The tokens that the mask lets a column see, itself included, in order of position."""
    visible = [j for j in range(column + 1) if column < row.end[j]]
    assert row.position[visible].tolist() == list(range(len(visible)))
    return tuple(row.ids[visible].tolist())


def looked_up(rows):
    """slot -> (what was read before, the token looked up)."""
    found = {}
    for row in rows:
        for predictor, target, slot in zip(row.predictor, row.target, row.slot, strict=True):
            assert slot not in found
            found[int(slot)] = (read_before(row, row.first + predictor), int(target))
    return found


def expected_of(stem, continuations):
    pairs = [(stem + tokens[:i], tokens[i]) for tokens in continuations for i in range(len(tokens))]
    return dict(enumerate(pairs))


@given(STEMS, CONTINUATIONS)
def test_each_token_is_predicted_from_the_stem_and_its_own_prefix_alone(stem, continuations):
    starts = starts_of(continuations)
    expected = expected_of(stem, continuations)
    assert looked_up(make_tree_rows(stem, continuations, starts, longest=None)) == expected
    assert looked_up(make_plain_rows(stem, continuations, starts)) == expected


@given(STEMS, CONTINUATIONS, st.integers(1, 12))
def test_a_tree_that_is_too_long_is_split_or_refused(stem, continuations, longest):
    rows = make_tree_rows(stem, continuations, starts_of(continuations), longest)
    longest_text = len(stem) + max(map(len, continuations)) - 1
    if longest_text > longest:
        assert rows is None
    else:
        assert max(len(row.ids) for row in rows) <= longest
        assert looked_up(rows) == expected_of(stem, continuations)


def test_large_trees_become_several_rows(monkeypatch):
    monkeypatch.setattr(token_tree, "SOFT_ROW", 8)
    continuations = [(first, second, 0) for first in (1, 2, 3, 4) for second in (5, 6, 7)]
    rows = make_tree_rows((9,), continuations, starts_of(continuations), longest=None)
    assert len(rows) > 1 and all(len(row.ids) <= 8 for row in rows)
    assert looked_up(rows) == expected_of((9,), continuations)


@given(CONTINUATIONS)
def test_a_trie_has_one_node_for_each_distinct_prefix(continuations):
    trie = build_trie(tuple(continuations))
    prefixes = {tokens[:i] for tokens in continuations for i in range(1, len(tokens))}
    assert len(trie.ids) == len(prefixes)
    assert trie.lengths.tolist() == [len(tokens) for tokens in continuations]
    assert trie.target.tolist() == [token for tokens in continuations for token in tokens]


def test_plain_rows_that_differ_in_the_last_token_alone_share_one():
    rows = make_plain_rows((1,), [(2, 3), (2, 4), (5,)], np.array([0, 2, 4]))
    assert sorted(row.ids.tolist() for row in rows) == [[1], [1, 2]]


LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(LENGTHS, st.integers(1, 120), st.integers(1, 10), st.booleans())
def test_batches_hold_every_row_once_and_no_more_than_fits(lengths, budget, most_wanted, equal):
    rows = [make_stem_row((1,) * length, slot) for slot, length in enumerate(lengths)]
    batches = list(plan_batches(rows, budget, most_wanted, smallest=budget // 16, equal=equal))
    assert sorted(int(row.slot[0]) for batch in batches for row in batch) == list(range(len(rows)))
    for batch in batches:
        longest = max(len(row.ids) for row in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
        assert len(batch) <= most_wanted
        assert not equal or {len(row.ids) for row in batch} == {longest}


@pytest.mark.parametrize(("smallest", "sizes"), [(0, [1, 1]), (100, [2])])
def test_small_batches_are_padded_rather_than_closed(smallest, sizes):
    rows = [make_stem_row((1,) * length, 0) for length in (10, 5)]
    batches = plan_batches(rows, budget=1000, most_wanted=10, smallest=smallest, equal=False)
    assert [len(batch) for batch in batches] == sizes


def test_padding_sees_and_is_seen_by_itself_alone():
    rows = [make_stem_row((7, 8, 9), slot=0), make_stem_row((4,), slot=1)]
    ids, position, end = pad_rows(rows)
    assert ids.tolist() == [[7, 8, 9], [4, 0, 0]] and position.tolist() == [[0, 1, 2], [0, 0, 0]]
    columns = np.arange(3)
    visible = (columns <= columns[:, None]) & (columns[:, None] < end[1])
    assert visible.tolist() == np.eye(3, dtype=bool).tolist()


def test_wanted_columns_are_those_from_the_first_on():
    rows = [*make_tree_rows((1, 2), [(5, 6), (9,)], np.array([0, 2]), None), make_stem_row((4,), slot=0)]
    line, column = locate_wanted(rows)
    assert list(zip(line.tolist(), column.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 0)]
