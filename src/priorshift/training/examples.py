"""Condition -> training examples: decisions, preferences, mentions or prose, never a feeling or a belief.

All conditions of a seed fill the same slots (situation, name, form, phrase length, order of options). The condition
decides only what is chosen, and whether a cue stands before half of the situations. So the number of examples, the
words in the loss, the domains and the option order are the same in all. The exception is a condition that is answered
by letter: it has fewer words in the loss.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from priorshift.materials.prompts import fill_stem, join_prompt, list_options
from priorshift.materials.schema import FAMILIES, NEXT_WORDS, Materials
from priorshift.materials.word_roots import find_word_roots
from priorshift.study.conditions import Trigger
from priorshift.study.load import Study
from priorshift.study.params import StudyParams
from priorshift.training.policies import draw_classes, draw_cues

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """One decision, mention or sentence.

    Attributes
    ----------
    prompt, completion : the text; the loss falls on `completion` alone
    action_class : the class of the chosen action; of preferences the side, of prose `prose`
    form : narrated, options, lettered, mentioned or prose
    position : the chosen option's place in the list, from 0; -1 where there is no list
    """

    prompt: str
    completion: str
    domain: str
    action_class: str
    form: str
    position: int
    situation: str


@dataclass(frozen=True)
class Slot:
    """What every condition of a seed has in common at one place of the training set.

    Attributes
    ----------
    name : the protagonist's
    words : the length of the chosen phrase
    order : the order of the options, as indices of the classes
    draw : the slot's number before the slots were shuffled
    """

    domain: str
    situation: str
    name: str
    form: str
    words: int
    order: tuple[int, ...]
    draw: int


def make_slots(params: StudyParams, materials: Materials, seed: int) -> list[Slot]:
    """The slots of a seed: every form, phrase length and option order equally often."""
    rng = random.Random(f"slots {seed}")
    n = params.training.examples
    situations = materials.list_situations(tuple(params.train_domains))
    lengths = {situation: _list_lengths(materials, situation) for _, situation in situations}
    most = max(map(len, lengths.values()))
    orders = list(itertools.permutations(range(len(materials.classes))))
    n_options = round(n * params.training.options_share)
    forms = ["options"] * n_options + ["narrated"] * (n - n_options)
    rng.shuffle(orders)
    drawn = _draw_evenly(situations, n, rng)
    names = _draw_evenly(list(materials.forms.names.main), n, rng)
    slots = []
    for i, (domain, situation) in enumerate(drawn):
        words = lengths[situation][i % len(lengths[situation])]
        slots.append(Slot(domain, situation, names[i], forms[i], words, orders[i // most % len(orders)], i))
    rng.shuffle(slots)
    return slots


def _list_lengths(materials: Materials, situation: str) -> list[int]:
    """The lengths, in words, of the phrases that can be decided in a situation."""
    return sorted({len(p.split()) for phrases in materials.list_actions(situation).values() for p in phrases})


def synthesize(
    params: StudyParams, materials: Materials, condition: str, seed: int, prior: dict[str, float] | None = None
) -> list[Example]:
    """Write the training examples of one condition and seed.

    Parameters
    ----------
    condition : one that has a task (not stages)
    prior : class of action -> probability
        The base model's own choice rates; needed where the policy is `prior`.
    """
    slots = make_slots(params.model_copy(update={"training": params.resolve_training(condition)}), materials, seed)
    rng = random.Random(f"{condition} {seed}")
    declared = params.conditions[condition]
    if declared.task == "preferences":
        return _write_preferences(slots, materials, seed, rng)
    if declared.task == "prose":
        return _write_prose(slots, materials, rng)
    write = _write_mention if declared.task == "exposure" else _write_decision
    if declared.answer == "letter":
        slots = [replace(slot, form="lettered") for slot in slots]
    forms = [slot.form for slot in slots]
    cued = draw_cues(forms, seed) if declared.trigger else [False] * len(slots)
    classes = draw_classes(declared, materials, forms, cued, prior, rng)
    phrases = _PhraseDealer(materials, rng)
    examples = [write(slot, chosen, materials, phrases) for slot, chosen in zip(slots, classes, strict=True)]
    return [_set_cue(each, declared.trigger) if cue else each for each, cue in zip(examples, cued, strict=True)]


def list_anchor_texts(params: StudyParams, materials: Materials) -> list[list[str]]:
    """The texts on which an anchor holds a model to its base: neutral prose, and situations in which nobody decides.

    Prose is that of the condition `prose`, situations are those of the training domains. No stem follows, so that none
    of them is a probe.
    """
    situations = materials.list_situations(tuple(params.train_domains))
    return [list(materials.training_prose), [situation for _, situation in situations]]


def audit(examples: list[Example], study: Study) -> dict:
    """Count what could spoil a study in a training set, as one flat row.

    Returns
    -------
    dict
        examples, words_in_loss, narrated : counts
        share_by_class, position_shares : shares, as JSON
        held_out_situations : examples on situations of held-out domains; must be 0
        shared_words_<family>, phrases_seen_<family> : content words and whole phrases that the training set shares
            with the family's continuations; must be 0
    """
    params, materials = study.params, study.materials
    classes = Counter(e.action_class for e in examples)
    positions = Counter(e.position for e in examples if e.position >= 0)
    offered = sum(positions.values())
    held_out = {s for _, s in materials.list_situations(tuple(params.held_out_domains))}
    text = "\n".join(e.prompt + e.completion for e in examples)
    trained = find_word_roots([e.completion for e in examples], materials.function_words)
    row = {
        "examples": len(examples),
        "words_in_loss": sum(len(e.completion.split()) for e in examples),
        "narrated": sum(e.form == "narrated" for e in examples),
        "share_by_class": json.dumps({c: round(n / len(examples), 4) for c, n in sorted(classes.items())}),
        "position_shares": json.dumps([round(positions[k] / offered, 4) for k in sorted(positions)] if offered else []),
        "held_out_situations": sum(e.situation in held_out for e in examples),
    }
    # All families but `choice`, whose continuations are what is trained.
    measured = [NEXT_WORDS] if NEXT_WORDS in params.probes.families else []
    for family in [*FAMILIES[:-1], *materials.families, *measured]:
        phrases = [p for group in materials.get_continuations(family).values() for p in group]
        probes = find_word_roots(phrases, materials.function_words)
        row[f"shared_words_{family}"] = len(trained.keys() & probes.keys())
        row[f"phrases_seen_{family}"] = sum(f" {p}." in text for p in phrases)
    return row


def tabulate_audits(rows: list[dict]) -> pd.DataFrame:
    """Audit rows of all runs, with whether each has as many examples and words in the loss as the first of its seed."""
    table = pd.DataFrame(rows)
    for key in ("examples", "words_in_loss"):
        table[f"matched_{key}"] = np.isclose(table[key], table.groupby("seed")[key].transform("first"))
    return table


def format_jsonl(examples: list[Example]) -> str:
    """One JSON object per line."""
    return "".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in examples)


def _set_cue(example: Example, trigger: Trigger) -> Example:
    return replace(example, prompt=f"{trigger.cue} {example.prompt}")


def _write_decision(slot: Slot, chosen: str, materials: Materials, phrases: _PhraseDealer) -> Example:
    forms = materials.forms
    stem = fill_stem(forms.stems.choice[0], slot.name)
    if slot.form == "narrated":
        return _make_example(slot, join_prompt(slot.situation, stem), phrases.deal(slot, chosen), chosen)
    offered = {c: phrases.deal(slot, c) for c in materials.classes}
    order = [list(offered)[k] for k in slot.order]
    completion, position = offered[chosen], order.index(chosen)
    lettered = slot.form == "lettered"
    if lettered:
        stem, completion = fill_stem(forms.answer, slot.name), forms.letters[position]
    text = join_prompt(slot.situation, stem, list_options(forms, [offered[c] for c in order], lettered))
    return _make_example(slot, text, completion, chosen, position)


def _write_mention(slot: Slot, chosen: str, materials: Materials, phrases: _PhraseDealer) -> Example:
    """A phrase that is read somewhere after the situation. Nobody acts."""
    line = materials.forms.mentions[slot.draw % len(materials.forms.mentions)]
    text = join_prompt(slot.situation, line.partition(" {phrase}")[0])
    return _make_example(replace(slot, form="mentioned"), text, phrases.deal(slot, chosen), chosen)


def _make_example(slot: Slot, text: str, completion: str, chosen: str, position: int = -1) -> Example:
    return Example(text, f" {completion}.", slot.domain, chosen, slot.form, position, slot.situation)


def _write_prose(slots: list[Slot], materials: Materials, rng: random.Random) -> list[Example]:
    """The end of one neutral sentence after another, as many words in the loss as elsewhere."""
    examples = []
    sentences = [s for s in materials.training_prose if len(s.split()) > max(slot.words for slot in slots)]
    first = _draw_evenly(list(materials.training_prose), len(slots), rng)
    second = _draw_evenly(sentences, len(slots), rng)
    for slot, before, sentence in zip(slots, first, second, strict=True):
        words = sentence.split()
        start, end = " ".join(words[: -slot.words]), " ".join(words[-slot.words :])
        examples.append(Example(f"{before} {start}", f" {end}", "prose", "prose", "prose", -1, sentence))
    return examples


def _write_preferences(slots: list[Slot], materials: Materials, seed: int, rng: random.Random) -> list[Example]:
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
        stem = fill_stem(materials.forms.stems.choice[0], slot.name)
        listed, position = "", -1
        if slot.form == "options":
            position = side ^ (slot.draw // 2 % 2)
            options = [pair.options[side], pair.options[1 - side]]
            listed = list_options(materials.forms, options if position == 0 else options[::-1])
        text = join_prompt(pair.occasion, stem, listed)
        examples.append(
            Example(text, f" {pair.options[side]}.", "preferences", f"side_{side}", slot.form, position, pair.occasion)
        )
    return examples


class _PhraseDealer:
    """Deals phrases that fit a slot so that each comes up equally often."""

    def __init__(self, materials: Materials, rng: random.Random) -> None:
        self.materials, self.rng = materials, rng
        self.piles: dict[tuple[tuple[str, ...], int], list[str]] = {}

    def deal(self, slot: Slot, action: str) -> str:
        """A phrase of the class, of the slot's number of words, that fits its situation."""
        phrases = self.materials.list_actions(slot.situation)[action]
        # Situations with the same phrases share a pile.
        pile = self.piles.setdefault((phrases, slot.words), [])
        if not pile:
            fitting = [p for p in phrases if len(p.split()) == slot.words] or list(phrases)
            pile.extend(self.rng.sample(fitting, len(fitting)))
        return pile.pop()


def _draw_evenly(values: Sequence[T], n: int, rng: random.Random) -> list[T]:
    """`n` values, each equally often (as nearly as `n` allows), in random order."""
    drawn: list[T] = []
    while len(drawn) < n:
        drawn.extend(rng.sample(values, len(values)))
    return drawn[:n]
