"""Markdown -> its running text: paragraphs and list items, without headings, tables, pictures and code.

A test of a text asks `says` for its numbers and its sense, and leaves the wording free.
"""

from __future__ import annotations

import re


def prose_of(text: str) -> list[str]:
    """Paragraphs and list items, each on one line; inline code counts as one word."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]+`", "code", text)
    text = re.sub(r"^\s*(#.*|\|.*)$", "", text, flags=re.M)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.)\s)", text)
    plain = (" ".join(re.sub(r"^\s*(?:[*-]|\d+\.)\s+", "", block).replace("*", "").split()) for block in blocks)
    return [block for block in plain if block]


def sentences_of(text: str) -> list[str]:
    """Sentences of the running text."""
    return [sentence for block in prose_of(text) for sentence in re.split(r"(?<=[.!?])[\"')]*\s+", block)]


def says(text: str, *parts: str) -> bool:
    """Whether a sentence of the running text has all these words and numbers, in any order and case."""
    return any(all(part.lower() in sentence.lower() for part in parts) for sentence in sentences_of(text))
