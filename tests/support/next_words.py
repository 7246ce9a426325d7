"""A small next_words.yaml that keeps every rule, of words that no material has."""

from __future__ import annotations

import itertools

from priorshift.materials.schema import Materials, NextWords, Stem

FORMS = [f"form{k}" for k in range(12)]
# Of one length: "babo", "babu", ... The outcomes' words begin apart.
WORDS = {
    outcome: tuple(
        f"{a}{x}{b}{y}" for a, x, b, y in itertools.islice(itertools.product(first, "aeiou", "bdfgk", "aeiou"), 80)
    )
    for outcome, first in (("benign", "b"), ("loss", "d"), ("threat", "z"))
}


def make_next_words(**changes) -> NextWords:
    """The stems and words, with changes of `forms` or `words`."""
    stems = {
        name: tuple(Stem(named=f"{{name}} {verb} something {k}", first=f"I {verb} something {k}") for verb in verbs)
        for k, (name, verbs) in enumerate(zip(FORMS, itertools.cycle([("saw", "had"), ("did", "was", "has")])))
    }
    return NextWords(**({"forms": stems, "words": WORDS} | changes))


def with_next_words(materials: Materials, **changes) -> Materials:
    """The materials with such a file."""
    return materials.model_copy(update={"next_words": make_next_words(**changes)})
