"""Decisions that stand before a stem, for conditions that train nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from priorshift.materials.prompts import fill_stem, join_prompt
from priorshift.materials.schema import Materials
from priorshift.training.examples import Example


@dataclass(frozen=True)
class Context:
    """A training set's decisions, and how many of them stand before each stem."""

    decisions: Sequence[Example]
    per_stem: int

    def narrate(self, stem: int, name: str | None, materials: Materials) -> list[str]:
        """The decisions before the stem of that number, about its own protagonist.

        Each stem takes the next `per_stem` decisions, and the first follow the last.
        """
        first = stem * self.per_stem
        chosen = [self.decisions[k % len(self.decisions)] for k in range(first, first + self.per_stem)]
        return [narrate_decision(decision, name, materials) for decision in chosen]


NO_CONTEXT = Context((), 0)


def narrate_decision(example: Example, name: str | None, materials: Materials) -> str:
    """A decision of the training set, without its options, about `name` or in the first person."""
    stem = fill_stem(materials.forms.stems.choice[0], name)
    return join_prompt(example.situation, stem) + example.completion
