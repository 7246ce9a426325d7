"""Probe items: a stem, its candidates, and the ring that says how far it lies from the training set.

Rings go outwards from the training domains, and past the held-out domains each changes one thing more:
the wording of the stem (`paraphrase`), who tells it (`narrator`: first person, a named stranger) or the
kind of text (`text_form`: letter, diary and dialogue, which are told in the first person).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from priorshift.materials.prompts import fill, prompt
from priorshift.materials.schema import Materials
from priorshift.study.params import Study
from priorshift.training.examples import Example, retell


@dataclass(frozen=True)
class ProbeItem:
    """A stem and its candidates: class -> continuations, the leading space in sight."""

    item: str
    family: str
    ring: str
    domain: str
    form: str
    stem: str
    candidates: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Form:
    """How an item is told: which stem of its family, by whom, in which kind of text."""

    label: str
    stem: int = 0
    narrator: str = "main"  # main, stranger or first (person)
    text: str = "story"


CANONICAL = Form("canonical")


@dataclass(frozen=True)
class Place:
    """Where an item stands: ring, form, and the `number`-th situation of a domain."""

    ring: str
    form: Form
    domain: str
    number: int


def probe_items(study: Study, materials: Materials, told: Sequence[Example] = (), n_told: int = 0) -> list[ProbeItem]:
    """The items of a study: families x rings x situations.

    Parameters
    ----------
    told, n_told : decisions, of which each stem is preceded by the next `n_told`, told about its own protagonist
    """
    items = []
    for family in study.probes.families:
        candidates = _candidates(materials, family, study.probes.continuations_per_class)
        for k, place in enumerate(_places(study, materials, family)):
            decisions = [told[(k * n_told + j) % len(told)] for j in range(n_told)]
            name = f"{family}/{place.domain}/{place.number:02d}"
            if place.form is not CANONICAL:
                name += f"/{place.form.label}"
            stem = _stem(place, family, materials, decisions)
            items.append(ProbeItem(name, family, place.ring, place.domain, place.form.label, stem, candidates))
    return items


def ring_forms(ring: str, materials: Materials, family: str) -> list[Form]:
    """The forms that a ring's items take in turn."""
    if ring == "paraphrase":
        return [Form(f"stem {k}", stem=k) for k in range(1, len(materials.stems(family)))]
    if ring == "narrator":
        return [Form("first person", narrator="first"), Form("stranger", narrator="stranger")]
    if ring == "text_form":
        return [Form(text, narrator="first", text=text) for text in materials.forms.texts if text != "story"]
    return [CANONICAL]


def _places(study: Study, materials: Materials, family: str) -> Iterator[Place]:
    per_domain = range(study.probes.situations_per_domain)
    for ring, domains in (("training_domains", study.train_domains), ("held_out_domains", study.held_out_domains)):
        yield from (Place(ring, CANONICAL, domain, i) for domain in domains for i in per_domain)
    situations = [(domain, i) for i in per_domain for domain in study.held_out_domains]
    for ring, count in study.probes.rings.items():
        # A situation comes in every form before the next one: forms are compared on the same situations.
        crossed = [Place(ring, form, *where) for where in situations for form in ring_forms(ring, materials, family)]
        yield from crossed[:count]


def _stem(place: Place, family: str, materials: Materials, decisions: Sequence[Example]) -> str:
    names = materials.forms.names
    form, text = place.form, materials.forms.texts[place.form.text]
    main = names.main[place.number % len(names.main)]
    who = {"main": main, "stranger": names.stranger[place.number % len(names.stranger)], "first": None}[form.narrator]
    stem = materials.stems(family)[form.stem]
    episode = prompt(materials.domains[place.domain][place.number], fill(stem, who))
    friend = materials.forms.friends[place.number % len(materials.forms.friends)]
    parts = [*(retell(decision, who, materials) for decision in decisions), episode]
    opened = text.open + text.between.join(parts)
    return opened.replace("{friend}", friend).replace("{name}", main)


def _candidates(materials: Materials, family: str, most: int | None) -> dict[str, tuple[str, ...]]:
    classes = materials.continuations(family)
    return {c: tuple(f" {phrase}" for phrase in phrases[:most]) for c, phrases in classes.items()}
