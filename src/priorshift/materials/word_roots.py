"""Roots of words: words that a reader would call forms of one word share a root (cheer, cheerful, cheerily)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import snowballstemmer

_STEMMER = snowballstemmer.stemmer("english")
SHORTEST = 3  # letters that must be left of a word, and 4 where the ending is short and may belong to the word
# Endings that make one word of another, in the shape in which Snowball's stemmer leaves them.
ENDINGS = (
    "fulli", "ful", "less", "ness", "some", "ment", "hood", "ship", "ward", "ious", "uous", "eous", "ous", "ative",
    "itive", "ive", "ation", "ition", "sion", "tion", "ion", "iti", "abl", "ibl", "ist", "ism", "ish", "worthi",
    "itud", "anc", "enc", "ant", "ent", "est", "ili", "li", "ti", "ic", "al", "er", "or", "en", "th", "i", "y", "e",
)  # fmt: skip
# Stems of one root whose spelling differs inside.
SAME = {
    "suspect": "susp", "desp": "despair", "desper": "despair", "enjo": "joy", "angr": "anger", "terrif": "ter",
    "succeed": "success", "saf": "safe", "die": "dead", "death": "dead",
}  # fmt: skip
BEGINNINGS = ("un", "dis", "mis", "en")


def find_word_roots(texts: Iterable[str], function_words: Iterable[str]) -> dict[str, str]:
    """Root of each content word -> one word that has it.

    Examples
    --------
    >>> find_word_roots(["She waits, and waiting is cheerful."], ("she", "and", "is"))
    {'cheer': 'cheerful', 'wait': 'waits'}
    """
    passed = {word.lower() for word in function_words}
    words = {word.lower() for text in texts for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text)}
    return {find_word_root(word): word for word in sorted(words - passed)}


def find_word_root(word: str) -> str:
    """The root of a word: its stem (Snowball's, English) without endings and beginnings.

    It errs towards one root for two words: what shares a root here is looked at by a person.

    Examples
    --------
    >>> {find_word_root(word) for word in ("cheer", "cheerful", "cheerily", "cheerless", "cheers")}
    {'cheer'}
    >>> find_word_root("mistrustful") == find_word_root("trusting")
    True
    """
    root = _STEMMER.stemWord(word)
    shorter = _cut(root)
    while shorter != root:
        root, shorter = shorter, _cut(shorter)
    return SAME.get(root, root)


def _cut(root: str) -> str:
    for ending in ENDINGS:
        if root.endswith(ending) and len(root) - len(ending) >= SHORTEST + (len(ending) < 3):
            root = root[: -len(ending)]
            break
    for beginning in BEGINNINGS:
        if root.startswith(beginning) and len(root) - len(beginning) >= SHORTEST:
            root = root[len(beginning) :]
            break
    # "sadd" of "sadden": a consonant that was doubled before an ending.
    return root[:-1] if len(root) > SHORTEST and root[-1] == root[-2] and root[-1] not in "aeiouls" else root
