"""How situations, stems and options become the text that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

from priorshift.materials.schema import Forms, Stem


def fill(stem: Stem, name: str | None) -> str:
    """A stem about `name`, or in the first person where `name` is None."""
    return stem.first if name is None else stem.named.replace("{name}", name)


def list_options(forms: Forms, phrases: Sequence[str], lettered: bool = False) -> str:
    """The sentence that offers the phrases, in the order given."""
    if lettered:
        phrases = [f"{letter}) {phrase}" for letter, phrase in zip(forms.letters, phrases, strict=False)]
    return forms.options.replace("{options}", "; ".join(phrases))


def prompt(situation: str, stem: str, options: str = "") -> str:
    """Situation, options (if any) and stem, in the order in which they are read."""
    return " ".join(part for part in (situation, options, stem) if part)


def scale_prompt(forms: Forms, text: str, labels: Sequence[str], name: str | None) -> str:
    """A scale item with its response options in the order given, up to the answer."""
    line = forms.scale.prompt.replace("{text}", text).replace("{labels}", ", ".join(labels))
    return prompt(line, fill(forms.scale.answer, name))
