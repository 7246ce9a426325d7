"""The rules for next_words.yaml: enough forms and words, single words, and outcomes of like word length."""

from __future__ import annotations

from pathlib import Path

from priorshift.errors import MaterialsError
from priorshift.materials.schema import NEXT_WORDS, Materials

LEAST_FORMS = 12
LEAST_WORDS = 80  # of each outcome
LETTER_TOLERANCE = 0.5  # letters: how far the outcomes' mean word lengths may lie apart


def check_next_words(materials: Materials, folder: Path) -> None:
    """Hold the stems and words of `next_words` to their rules. A folder without the file passes.

    Two more rules are those of all materials: no word twice, and no content root shared with an action.

    Raises
    ------
    MaterialsError
        At the first rule that is broken. The message names the file, and the form or word.
    """
    if materials.next_words is None:
        return
    where, words = f"{folder / NEXT_WORDS}.yaml", materials.next_words.words
    if (found := len(materials.next_words.forms)) < LEAST_FORMS:
        raise MaterialsError(f"{where}: found {found} forms; at least {LEAST_FORMS} are needed: add more")
    if unknown := [name for name in words if name not in materials.outcomes]:
        raise MaterialsError(
            f"{where}: found words for {unknown}; dispositions.yaml names {materials.outcomes}: make them agree"
        )
    if len(words) < 2:
        raise MaterialsError(f"{where}: found words for {list(words)}; log-odds need two outcomes or more: add one")
    for outcome, group in words.items():
        if len(group) < LEAST_WORDS:
            raise MaterialsError(
                f"{where}: {outcome}: found {len(group)} words; at least {LEAST_WORDS} are needed: add more"
            )
        if odd := next((word for word in group if not (word.isalpha() and word.islower())), None):
            raise MaterialsError(f"{where}: {outcome}: found {odd!r}; expected one word of small letters alone")
    _check_letters(where, words)


def _check_letters(where: str, words: dict[str, tuple[str, ...]]) -> None:
    means = {name: sum(map(len, group)) / len(group) for name, group in words.items()}
    if max(means.values()) - min(means.values()) > LETTER_TOLERANCE:
        found = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
        raise MaterialsError(
            f"{where}: mean letters per word differ ({found}) by more than {LETTER_TOLERANCE}: "
            "take shorter or longer words"
        )
