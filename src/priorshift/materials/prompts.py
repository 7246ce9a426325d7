"""How situations, stems and options become the text that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

from priorshift.materials.schema import Forms, Stem


def fill_stem(stem: Stem, name: str | None) -> str:
    """A stem about `name`, or in the first person where `name` is None.

    Examples
    --------
    >>> stem = Stem(named="{name} decided to", first="I decided to")
    >>> fill_stem(stem, "Nora"), fill_stem(stem, None)
    ('Nora decided to', 'I decided to')
    """
    return stem.first if name is None else stem.named.replace("{name}", name)


def list_options(forms: Forms, phrases: Sequence[str], lettered: bool = False) -> str:
    """The sentence that offers the phrases, in the order given, with a letter before each where `lettered`."""
    if lettered:
        phrases = [f"{letter}) {phrase}" for letter, phrase in zip(forms.letters, phrases, strict=False)]
    return forms.options.replace("{options}", "; ".join(phrases))


def join_prompt(situation: str, stem: str, options: str = "") -> str:
    """Situation, options (if any) and stem, in the order in which they are read.

    Examples
    --------
    >>> join_prompt("It rains.", "Nora decided to", "Options: stay; go.")
    'It rains. Options: stay; go. Nora decided to'
    """
    return " ".join(part for part in (situation, options, stem) if part)


def write_scale_prompt(forms: Forms, text: str, labels: Sequence[str], name: str | None) -> str:
    """A scale item with its response options in the order given, up to the response."""
    line = forms.scale.prompt.replace("{text}", text).replace("{labels}", ", ".join(labels))
    return join_prompt(line, fill_stem(forms.scale.answer, name))
