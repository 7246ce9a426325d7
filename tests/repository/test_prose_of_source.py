"""What the code says is short too: docstrings, comments, errors and warnings."""

from __future__ import annotations

import pytest
from support.source_prose import comments_of, docstrings_of, messages_of, sentences_in

from priorshift.study.paths import PACKAGE

SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
LONGEST = 25  # words
SEMICOLONS = 4  # a hundred sentences of docstrings


@pytest.mark.parametrize("texts_of", [docstrings_of, comments_of, messages_of])
def test_no_sentence_of_the_source_is_longer_than_25_words(texts_of):
    found = {
        f"{name}:{line}": sentence
        for name, source in SOURCES.items()
        for line, text in texts_of(source)
        for sentence in sentences_in(text)
        if len(sentence.split()) > LONGEST
    }
    assert not found


def test_docstrings_have_few_semicolons():
    sentences = [s for source in SOURCES.values() for _, text in docstrings_of(source) for s in sentences_in(text)]
    assert len(sentences) > 1000
    assert 100 * sum(s.count(";") for s in sentences) / len(sentences) <= SEMICOLONS


def test_a_message_has_one_way_out():
    chains = {
        f"{name}:{line}": text
        for name, source in SOURCES.items()
        for line, text in messages_of(source)
        if text.count(";") > 1
    }
    assert not chains


MODULE = '''
"""Two words. See `a; b`::

    x = 1; no prose

The end.
"""
# One comment
# on two lines.
y = 1  # beside

def f(x):
    """Sums: up.

    size, other : a table; of words
        that goes on

    =====  ==
    a grid here
    =====  ==

    Formulas are ``x; y`` here.

    Parameters
    ----------
    x : int
        No prose; either.

    Notes
    -----
    More prose.

    >>> f(1)  # an example; too
    1
    """
    if x:
        raise ValueError(f"x: found {x + 1}; " "expected 0" if x > 1 else "x is short")
    warnings.warn("careful, {x}", stacklevel=2)
    logger.warning("lost %d of them", x)
'''


def test_prose_is_parted_from_tables_examples_and_formulas():
    docstrings = [sentences_in(text) for _, text in docstrings_of(MODULE)]
    assert docstrings == [
        ["Two words.", "See code::", "The end."],
        ["Sums: up.", "Formulas are code here.", "More prose."],
    ]
    assert list(comments_of(MODULE)) == [(8, "One comment\non two lines."), (10, "beside")]
    assert sorted(text for _, text in messages_of(MODULE)) == [
        "careful, {x}",
        "lost %d of them",
        "x: found VALUE; expected 0",
    ]
