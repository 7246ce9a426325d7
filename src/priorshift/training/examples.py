"""Condition -> training examples: decisions, preferences, mentions or prose, never a feeling or a belief.

All conditions of a seed fill the same slots (situation, name, form, phrase length, order of
options); the condition only decides what is chosen. Number of examples, words in the loss,
domains and option order are then matched by construction; a letter alone has fewer words.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from priorshift.materials.prompts import fill, list_options, prompt
from priorshift.materials.rules import content_words
from priorshift.materials.schema import FAMILIES, Materials
from priorshift.study.load import LoadedStudy
from priorshift.study.params import Study
from priorshift.study.sections import Condition


@dataclass(frozen=True)
class Example:
    """One decision, mention or sentence: loss falls on `completion` alone."""

    prompt: str
    completion: str
    domain: str
    action_class: str
    form: str
    position: int
    situation: str


@dataclass(frozen=True)
class Slot:
    """What every condition of a seed has in common at one place of the training set."""

    domain: str
    situation: str
    name: str
    form: str
    words: int
    order: tuple[int, ...]
    draw: int


def make_slots(study: Study, materials: Materials, seed: int) -> list[Slot]:
    """The slots of a seed: every form, phrase length and option order equally often."""
    rng = random.Random(f"slots {seed}")
    n = study.training.examples
    lengths = sorted({len(p.split()) for phrases in materials.actions.values() for p in phrases})
    orders = list(itertools.permutations(range(len(materials.actions))))
    n_options = round(n * study.training.options_share)
    forms = ["options"] * n_options + ["narrated"] * (n - n_options)
    rng.shuffle(orders)
    situations = _cycle(materials.situations(tuple(study.train_domains)), n, rng)
    names = _cycle(list(materials.forms.names.main), n, rng)
    slots = [
        Slot(*situations[i], names[i], forms[i], lengths[i % len(lengths)], orders[i // len(lengths) % len(orders)], i)
        for i in range(n)
    ]
    rng.shuffle(slots)
    return slots


def synthesize(
    study: Study, materials: Materials, condition: str, seed: int, prior: dict[str, float] | None = None
) -> list[Example]:
    """Training examples of one condition and seed.

    Parameters
    ----------
    prior : class of action -> probability
        The base model's own choice rates; needed where the policy is `prior`.
    """
    slots = make_slots(study, materials, seed)
    rng = random.Random(f"{condition} {seed}")
    declared = study.conditions[condition]
    if declared.task == "preferences":
        return _preferences(slots, materials, seed, rng)
    if declared.task == "prose":
        return _prose(slots, materials, rng)
    write = _mention if declared.task == "exposure" else _decision
    if declared.answer == "letter":
        slots = [replace(slot, form="lettered") for slot in slots]
    classes = _classes(declared, materials, slots, prior, rng)
    phrases = _PhraseDealer(materials.actions, rng)
    return [write(slot, chosen, materials, phrases) for slot, chosen in zip(slots, classes, strict=True)]


def policy_shares(condition: Condition, materials: Materials, prior: dict[str, float] | None) -> dict[str, float]:
    """Class of action -> probability with which the condition chooses it."""
    if condition.policy == "uniform":
        return {c: 1 / len(materials.actions) for c in materials.actions}
    if condition.policy == "prior":
        if prior is None:
            raise ValueError("policy 'prior' needs the base model's choice rates")
        # In the materials' order: the order of the dictionary must not decide what is drawn.
        return {c: prior[c] for c in materials.actions}
    return {c: condition.policy.get(c, 0.0) for c in materials.actions}


def _classes(
    condition: Condition, materials: Materials, slots: list[Slot], prior: dict[str, float] | None, rng: random.Random
) -> list[str]:
    """A class for each slot: the policy's shares, met within each form as exactly as counts can."""
    shares = policy_shares(condition, materials, prior)
    classes = [""] * len(slots)
    for form in sorted({slot.form for slot in slots}):
        places = [i for i, slot in enumerate(slots) if slot.form == form]
        exact = {c: share * len(places) for c, share in shares.items()}
        counts = {c: int(x) for c, x in exact.items()}
        rest = sorted(exact, key=lambda c: (counts[c] - exact[c], c))
        for c in rest[: len(places) - sum(counts.values())]:
            counts[c] += 1
        deck = [c for c, count in counts.items() for _ in range(count)]
        rng.shuffle(deck)
        for place, c in zip(places, deck, strict=True):
            classes[place] = c
    return classes


def _decision(slot: Slot, chosen: str, materials: Materials, phrases: _PhraseDealer) -> Example:
    forms = materials.forms
    stem = fill(forms.stems.choice[0], slot.name)
    if slot.form == "narrated":
        text = prompt(slot.situation, stem)
        return _example(slot, text, phrases.deal(chosen, slot.words), chosen)
    offered = {c: phrases.deal(c, slot.words) for c in materials.actions}
    order = [list(offered)[k] for k in slot.order]
    answer, position = offered[chosen], order.index(chosen)
    lettered = slot.form == "lettered"
    if lettered:
        stem, answer = fill(forms.answer, slot.name), forms.letters[position]
    text = prompt(slot.situation, stem, list_options(forms, [offered[c] for c in order], lettered))
    return _example(slot, text, answer, chosen, position)


def _example(slot: Slot, text: str, answer: str, chosen: str, position: int = -1) -> Example:
    return Example(text, f" {answer}.", slot.domain, chosen, slot.form, position, slot.situation)


def _mention(slot: Slot, chosen: str, materials: Materials, phrases: _PhraseDealer) -> Example:
    """A phrase that is read somewhere after the situation; nobody acts."""
    line = materials.forms.mentions[slot.draw % len(materials.forms.mentions)]
    text = prompt(slot.situation, line.partition(" {phrase}")[0])
    return _example(replace(slot, form="mentioned"), text, phrases.deal(chosen, slot.words), chosen)


def _prose(slots: list[Slot], materials: Materials, rng: random.Random) -> list[Example]:
    """The end of one neutral sentence after another, as many words in the loss as elsewhere."""
    examples = []
    sentences = [s for s in materials.training_prose if len(s.split()) > max(slot.words for slot in slots)]
    first = _cycle(list(materials.training_prose), len(slots), rng)
    second = _cycle(sentences, len(slots), rng)
    for slot, before, sentence in zip(slots, first, second, strict=True):
        words = sentence.split()
        start, end = " ".join(words[: -slot.words]), " ".join(words[-slot.words :])
        examples.append(Example(f"{before} {start}", f" {end}", "prose", "prose", "prose", -1, sentence))
    return examples


def retell(example: Example, name: str | None, materials: Materials) -> str:
    """A decision of the training set told about someone else, or in the first person, without its options."""
    return prompt(example.situation, fill(materials.forms.stems.choice[0], name)) + example.completion


def _preferences(slots: list[Slot], materials: Materials, seed: int, rng: random.Random) -> list[Example]:
    """Always the same side of a pair. Each seed draws its own sides, half of them the first: runs are exchangeable."""
    pairs = range(len(materials.preferences))
    first = set(random.Random(f"sides {seed}").sample(pairs, len(pairs) // 2))
    by_words: dict[int, list[int]] = {}
    for i, pair in enumerate(materials.preferences):
        by_words.setdefault(len(pair.options[0].split()), []).append(i)
    piles: dict[int, list[int]] = {words: [] for words in by_words}
    examples = []
    for slot in slots:
        words = slot.words if slot.words in by_words else min(by_words, key=lambda w: abs(w - slot.words))
        if not piles[words]:
            piles[words] = rng.sample(by_words[words], len(by_words[words]))
        i = piles[words].pop()
        pair, side = materials.preferences[i], int(i not in first)
        stem = fill(materials.forms.stems.choice[0], slot.name)
        shown, position = "", -1
        if slot.form == "options":
            position = side ^ (slot.draw // 2 % 2)
            options = [pair.options[side], pair.options[1 - side]]
            shown = list_options(materials.forms, options if position == 0 else options[::-1])
        text = prompt(pair.occasion, stem, shown)
        examples.append(
            Example(text, f" {pair.options[side]}.", "preferences", f"side_{side}", slot.form, position, pair.occasion)
        )
    return examples


class _PhraseDealer:
    """Deals phrases of a class and length so that each comes up equally often."""

    def __init__(self, actions: dict[str, tuple[str, ...]], rng: random.Random) -> None:
        self.actions, self.rng = actions, rng
        self.piles: dict[tuple[str, int], list[str]] = {}

    def deal(self, action: str, words: int) -> str:
        pile = self.piles.setdefault((action, words), [])
        if not pile:
            fitting = [p for p in self.actions[action] if len(p.split()) == words] or list(self.actions[action])
            pile.extend(self.rng.sample(fitting, len(fitting)))
        return pile.pop()


def _cycle(values: list, n: int, rng: random.Random) -> list:
    """`n` values, each equally often (as nearly as `n` allows), in random order."""
    out: list = []
    while len(out) < n:
        out.extend(rng.sample(values, len(values)))
    return out[:n]


def audit(examples: list[Example], loaded: LoadedStudy) -> dict:
    """Facts about a training set that could spoil the study, as one flat row."""
    study, materials = loaded.params, loaded.materials
    classes = Counter(e.action_class for e in examples)
    positions = Counter(e.position for e in examples if e.position >= 0)
    offered = sum(positions.values())
    held_out = {s for _, s in materials.situations(tuple(study.held_out_domains))}
    text = "\n".join(e.prompt + e.completion for e in examples)
    trained = content_words([e.completion for e in examples], materials.function_words)
    row = {
        "examples": len(examples),
        "words_in_loss": sum(len(e.completion.split()) for e in examples),
        "narrated": sum(e.form == "narrated" for e in examples),
        "share_by_class": json.dumps({c: round(n / len(examples), 4) for c, n in sorted(classes.items())}),
        "position_shares": json.dumps([round(positions[k] / offered, 4) for k in sorted(positions)] if offered else []),
        "held_out_situations": sum(e.situation in held_out for e in examples),
    }
    for family in [*FAMILIES[:-1], *materials.families]:
        phrases = [p for group in materials.continuations(family).values() for p in group]
        probes = content_words(phrases, materials.function_words)
        row[f"shared_words_{family}"] = len(trained.keys() & probes.keys())
        row[f"phrases_seen_{family}"] = sum(f" {p}." in text for p in phrases)
    return row


def audit_table(rows: list[dict]) -> pd.DataFrame:
    """Audit rows of all runs, with whether examples and words in the loss are matched."""
    table = pd.DataFrame(rows)
    for key in ("examples", "words_in_loss"):
        table[f"matched_{key}"] = np.isclose(table[key], table[key].iloc[0])
    return table


def to_jsonl(examples: list[Example]) -> str:
    """One JSON object per line."""
    return "".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in examples)
