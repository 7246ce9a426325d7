"""Lists and streams of texts: what is given is what comes out, in order, and what is no list is refused."""

from __future__ import annotations

from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from priorshift.errors import UserError
from priorshift.probability.streams import check_list, join_continuations, split_blocks


@given(st.lists(st.integers()), st.integers(1, 9))
def test_blocks_make_up_the_whole(items, size):
    blocks = list(split_blocks(iter(items), size))
    assert [item for _, block in blocks for item in block] == items
    assert [start for start, _ in blocks] == list(range(0, len(items), size))
    assert all(len(block) == size for _, block in blocks[:-1])


def test_an_endless_stream_is_read_no_further_than_needed():
    numbers = count()
    assert list(islice(split_blocks(numbers, 3), 2)) == [(0, [0, 1, 2]), (3, [3, 4, 5])]
    assert next(numbers) == 6


def test_one_list_serves_all_stems_and_own_lists_go_with_their_stems():
    assert list(join_continuations(iter(["a", "b"]), iter([" x", " y"]))) == [("a", (" x", " y")), ("b", (" x", " y"))]
    assert list(join_continuations(["a", "b"], ([text] for text in "xy"))) == [("a", ("x",)), ("b", ("y",))]


@pytest.mark.parametrize(
    ("stems", "continuations", "message"),
    [
        (["It"], [], "continuations is empty"),
        (["It"], " a", "continuations=' a': expected a list of texts"),
        (["It", "He"], [[" a"], []], r"continuations\[1\] is empty"),
        (["It", "He"], [[" a"], " b"], r"continuations\[1\]=' b': expected a list of texts"),
        (["It", "He"], [[" a"]], "continuations end after 1"),
        (["It"], [[" a"], [" b"]], "stems end after 1"),
    ],
)
def test_lists_that_do_not_fit_are_refused(stems, continuations, message):
    with pytest.raises(UserError, match=message):
        list(join_continuations(stems, continuations))


@pytest.mark.parametrize("texts", ["It", 3, None])
def test_what_is_no_list_is_refused_by_name(texts):
    with pytest.raises(UserError, match=r"stems=.*: expected a list of texts"):
        check_list(texts, "stems")
