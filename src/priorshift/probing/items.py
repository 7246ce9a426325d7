"""Probe items: a stem, its candidates, and the ring that says how far it lies from the training set.

Rings go outwards. First come the training domains and the held-out domains. On the held-out domains each further ring
changes one thing more. `paraphrase` changes the wording of the stem. `narrator` changes whom it is about: the first
person, or a stranger. `text_form` changes the kind of text: a letter, a diary or a dialogue, in the first person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from priorshift.materials.prompts import fill_stem, join_prompt
from priorshift.materials.schema import Materials
from priorshift.probing.context import NO_CONTEXT, Context
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


@dataclass(frozen=True)
class Form:
    """How an item is written.

    Attributes
    ----------
    stem : which stem of its family
    narrator : main, stranger or first (person)
    text : which kind of text
    """

    label: str
    stem: int = 0
    narrator: str = "main"
    text: str = "story"


CANONICAL = Form("canonical")


@dataclass(frozen=True)
class ItemKey:
    """What an item is made from: a ring, a form, and the `number`-th situation of a domain."""

    ring: str
    form: Form
    domain: str
    number: int


def make_probe_items(params: StudyParams, materials: Materials, context: Context = NO_CONTEXT) -> list[ProbeItem]:
    """Make the items of a study: families x rings x situations.

    Parameters
    ----------
    context : decisions that stand before each stem
    """
    items = []
    for family in params.probes.families:
        for k, key in enumerate(_list_keys(params, materials, family)):
            candidates = _list_candidates(params.probes, materials, family, key)
            name = f"{family}/{key.domain}/{key.number:02d}"
            if key.form is not CANONICAL:
                name += f"/{key.form.label}"
            stem = _write_stem(key, family, materials, context, k)
            items.append(ProbeItem(name, family, key.ring, key.domain, key.form.label, stem, candidates))
    return items


def list_ring_forms(ring: str, materials: Materials, family: str) -> list[Form]:
    """The forms that a ring's items take in turn."""
    if ring == "paraphrase":
        return [Form(f"stem {k}", stem=k) for k in range(1, len(materials.get_stems(family)))]
    if ring == "narrator":
        return [Form("first person", narrator="first"), Form("stranger", narrator="stranger")]
    if ring == "text_form":
        return [Form(text, narrator="first", text=text) for text in materials.forms.texts if text != "story"]
    return [CANONICAL]


def _list_keys(params: StudyParams, materials: Materials, family: str) -> Iterator[ItemKey]:
    per_domain = range(params.probes.situations_per_domain)
    for ring, domains in (("training_domains", params.train_domains), ("held_out_domains", params.held_out_domains)):
        yield from (ItemKey(ring, CANONICAL, domain, i) for domain in domains for i in per_domain)
    situations = [(domain, i) for i in per_domain for domain in params.held_out_domains]
    for ring, count in params.probes.rings.items():
        # A situation comes in every form before the next one: forms are compared on the same situations.
        forms = list_ring_forms(ring, materials, family)
        crossed = [ItemKey(ring, form, *situation) for situation in situations for form in forms]
        yield from crossed[:count]


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
    situation = materials.domains[key.domain][key.number].text
    classes = materials.list_actions(situation) if family == "choice" else materials.get_continuations(family)
    wanted = probes.intensities
    return {
        name: tuple(
            f" {phrase}"
            for phrase in [p for p in phrases if not wanted or materials.grades.get(p, wanted[0]) in wanted][
                : probes.continuations_per_class
            ]
        )
        for name, phrases in classes.items()
    }
