"""Markdown -> its running text: paragraphs and list items, without headings, tables, pictures and code."""

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
