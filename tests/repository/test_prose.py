"""What people read is short: words in a sentence, words in the README, and no chains of clauses."""

from __future__ import annotations

import re

import pytest
from support.prose import prose_of, sentences_of

from priorshift.study.paths import PACKAGE

ROOT = PACKAGE.parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    if path.name != "LICENSE"
)


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_is_longer_than_25_words(page):
    sentences = sentences_of((ROOT / page).read_text(encoding="utf-8"))
    assert sentences
    assert not {s: n for s in sentences if (n := len(s.split())) > 25}


@pytest.mark.parametrize("page", PAGES)
def test_no_semicolon_chains_two_thoughts(page):
    assert not [block for block in prose_of((ROOT / page).read_text(encoding="utf-8")) if ";" in block]


def test_the_readme_is_read_in_minutes(root):
    assert len((root / "README.md").read_text(encoding="utf-8").split()) <= 900


def test_tables_and_code_are_no_prose():
    text = "# Title\n\nOne. Two `a; b`\nthree.\n\n| a; b |\n\n```\nc; d\n```\n\n"
    text += "* [Four](x.md) five: six! Seven\n  eight.\n* Nine"
    assert prose_of(text) == ["One. Two code three.", "Four five: six! Seven eight.", "Nine"]
    assert sentences_of(text) == ["One.", "Two code three.", "Four five: six!", "Seven eight.", "Nine"]
    assert not re.search(r"[;|#]", " ".join(prose_of(text)))
