"""Probe items: a stem, its candidates, and the ring that says how far it lies from the training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from priorshift.materials.prompts import fill_stem, join_prompt
from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.probing.context import NO_CONTEXT, Context
from priorshift.probing.next_words import list_next_word_keys, spell_words
from priorshift.probing.rings import ItemKey, list_keys
from priorshift.study.params import StudyParams
from priorshift.study.sections import Probes


@dataclass(frozen=True)
class ProbeItem:
    """A stem and its candidates.

    Attributes
    ----------
    item : the item's name, unique in the study
    form : in which of its ring's forms the item is written
    candidates : class -> continuations, each with its leading space
    """

    item: str
    family: str
    ring: str
    domain: str
    form: str
    stem: str
    candidates: dict[str, tuple[str, ...]]

    @property
    def continuations(self) -> list[str]:
        """The candidates of all classes, class after class."""
        return [text for group in self.candidates.values() for text in group]


def make_probe_items(params: StudyParams, materials: Materials, context: Context = NO_CONTEXT) -> list[ProbeItem]:
    """Make the items of a study: families x rings x situations.

    Parameters
    ----------
    context : decisions that stand before each stem
    """
    items = []
    for family in params.probes.families:
        keys = list_next_word_keys(params, materials) if family == NEXT_WORDS else list_keys(params, materials, family)
        for k, key in enumerate(keys):
            candidates = _list_candidates(params.probes, materials, family, key)
            stem = _write_stem(key, family, materials, context, k)
            item = ProbeItem(key.name_item(family), family, key.ring, key.domain, key.form.label, stem, candidates)
            items.append(item)
    return items


def _write_stem(key: ItemKey, family: str, materials: Materials, context: Context, k: int) -> str:
    names, form = materials.forms.names, key.form
    text = materials.forms.texts[form.text]
    main = _take(names.main, key.number)
    who = {"main": main, "stranger": _take(names.stranger, key.number), "first": None}[form.narrator]
    stem = fill_stem(materials.get_stems(family)[form.stem], who)
    episode = join_prompt(materials.domains[key.domain][key.number].text, stem)
    opened = text.open + text.between.join([*context.narrate(k, who, materials), episode])
    return opened.replace("{friend}", _take(materials.forms.friends, key.number)).replace("{name}", main)


def _take(names: Sequence[str], number: int) -> str:
    return names[number % len(names)]


def _list_candidates(probes: Probes, materials: Materials, family: str, key: ItemKey) -> dict[str, tuple[str, ...]]:
    """Class -> continuations of an item: of the intensities that the study names, and what fits its situation."""
    if family == NEXT_WORDS:
        return spell_words(materials.next_words.words)
    situation = materials.domains[key.domain][key.number].text
    classes = materials.list_actions(situation) if family == "choice" else materials.get_continuations(family)
    wanted = {*(probes.intensities or ["mild", "moderate", "strong"]), None}  # None: what has no intensity stays
    fitting = {name: [p for p in phrases if materials.grades.get(p) in wanted] for name, phrases in classes.items()}
    most = probes.continuations_per_class
    return {name: tuple(f" {phrase}" for phrase in phrases[:most]) for name, phrases in fitting.items()}
