"""Which items a study has: the rings around the training set, and in which form each situation comes in them.

Rings go outwards. First come the training domains and the held-out domains. On the held-out domains each further ring
changes one thing more. `paraphrase` changes the wording of the stem. `narrator` changes whom it is about: the first
person, or a stranger. `text_form` changes the kind of text: a letter, a diary or a dialogue, in the first person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from priorshift.materials.schema import Materials
from priorshift.study.params import HELD_OUT, NEAR, StudyParams


@dataclass(frozen=True)
class Form:
    """How an item is written.

    Attributes
    ----------
    stem : which stem of its family
    narrator : main, stranger or first (person)
    text : which kind of text
    variant : what tells an item's name from that of another of the same label
    """

    label: str
    stem: int = 0
    narrator: str = "main"
    text: str = "story"
    variant: str = ""


CANONICAL = Form("canonical")


@dataclass(frozen=True)
class ItemKey:
    """What an item is made from: a ring, a form, and the `number`-th situation of a domain."""

    ring: str
    form: Form
    domain: str
    number: int

    def name_item(self, family: str) -> str:
        """Name the item, once in a study."""
        parts = [family, self.domain, f"{self.number:02d}"]
        parts += [self.form.label] if self.form is not CANONICAL else []
        return "/".join([*parts, *filter(None, [self.form.variant])])


def list_ring_forms(ring: str, materials: Materials, family: str) -> list[Form]:
    """The forms that a ring's items take in turn."""
    if ring == "paraphrase":
        return [Form(f"stem {k}", stem=k) for k in range(1, len(materials.get_stems(family)))]
    if ring == "narrator":
        return [Form("first person", narrator="first"), Form("stranger", narrator="stranger")]
    if ring == "text_form":
        return [Form(text, narrator="first", text=text) for text in materials.forms.texts if text != "story"]
    return [CANONICAL]


def list_situations(params: StudyParams) -> Iterator[tuple[str, str, int]]:
    """(ring, domain, number of the situation) of the two rings that every study has."""
    for ring, domains in ((NEAR, params.train_domains), (HELD_OUT, params.held_out_domains)):
        yield from ((ring, domain, i) for domain in domains for i in range(params.probes.situations_per_domain))


def list_keys(params: StudyParams, materials: Materials, family: str) -> Iterator[ItemKey]:
    """What a family's items are made from, ring by ring."""
    yield from (ItemKey(ring, CANONICAL, domain, i) for ring, domain, i in list_situations(params))
    numbers = range(params.probes.situations_per_domain)
    situations = [(domain, i) for i in numbers for domain in params.held_out_domains]
    for ring, count in params.probes.rings.items():
        # A situation comes in every form before the next one: forms are compared on the same situations.
        forms = list_ring_forms(ring, materials, family)
        crossed = [ItemKey(ring, form, *situation) for situation in situations for form in forms]
        yield from crossed[:count]
