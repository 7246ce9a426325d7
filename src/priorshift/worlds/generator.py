"""What a calibration world's text is, and how probable each text is.

A text has one agent and a few episodes, in the form of a story, a letter, a diary or a dialogue. Most episodes are
a situation with one or two follow-ups: what the agent decides, expects or feels. Others are a self-statement, a
response to a scale item, or a neutral preference. Some texts are neutral prose alone.

A hidden disposition, never named, sets the probabilities of what the agent decides, expects, feels and says. In the
*coupled* world one disposition drives both actions and expectations. In the *decoupled* world two independent ones
do, with the same marginals. Domains tint expectations and never actions, so that no common cause joins the two.
The probability of a text is known exactly, with the dispositions summed out. Its mean is the entropy that a model can
reach.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import logsumexp

from priorshift.materials.prompts import fill_stem, join_prompt, list_options, write_scale_prompt
from priorshift.materials.schema import Materials, Stem
from priorshift.worlds.params import WorldParams

T = TypeVar("T")
NEUTRAL_PROSE = 0.7  # of neutral texts: the share of prose among their lines. The others mention phrases


@dataclass
class Document:
    """One text and what is needed for its exact probability.

    Attributes
    ----------
    actions, expectations : log-likelihood (nats) of each disposition by what was chosen, `[n_dispositions]`
    free : log-probability (nats) of all choices that no disposition touches
    """

    actions: np.ndarray
    expectations: np.ndarray
    free: float = 0.0
    text: str = ""


class World:
    """A generator of texts whose log-probabilities are exact.

    Parameters
    ----------
    materials, params : what is written, and with which probabilities
    coupled : one disposition for actions and expectations, or two independent ones

    Attributes
    ----------
    prior : P(disposition), `[n_dispositions]`
    classes, outcomes : the dispositions' own classes of action and outcomes
    class_probabilities : P(class | disposition), `[n_dispositions, n_classes]`, of actions and of self-statements
    tinted : domain -> the same of expectations and feelings in that domain
    """

    def __init__(self, materials: Materials, params: WorldParams, coupled: bool) -> None:
        self.materials, self.params, self.coupled = materials, params, coupled
        dispositions = materials.dispositions.values()
        self.prior = np.array([disposition.share for disposition in dispositions])
        self.classes = [disposition.action for disposition in dispositions]
        self.outcomes = materials.outcomes
        n = len(self.prior)
        self.class_probabilities = np.full((n, n), (1 - params.own_class) / (n - 1))
        np.fill_diagonal(self.class_probabilities, params.own_class)
        tints = np.random.default_rng(params.tint_seed).normal(0, params.domain_sd, (len(materials.domains), n))
        self.tinted = {}
        for domain, tint in zip(materials.domains, tints, strict=True):
            weights = self.class_probabilities * np.exp(tint)
            self.tinted[domain] = weights / weights.sum(1, keepdims=True)
        self.situations = materials.list_situations(tuple(materials.domains))
        self.actions = {situation: materials.list_actions(situation) for _, situation in self.situations}
        self.all_actions = [p for phrases in materials.all_actions.values() for p in phrases]

    def sample(self, seed: int) -> Iterator[Document]:
        """An endless stream of texts."""
        rng = random.Random(seed)
        while True:
            yield _Writer(self, rng).write()

    def compute_log_probability(self, document: Document) -> float:
        """Log-probability of a text (nats), the hidden dispositions summed out."""
        log_prior = np.log(self.prior)
        if self.coupled:
            return float(document.free + logsumexp(log_prior + document.actions + document.expectations))
        acting, expecting = logsumexp(log_prior + document.actions), logsumexp(log_prior + document.expectations)
        return float(document.free + acting + expecting)

    def predict_outcome(self, domain: str, actions: list[str]) -> np.ndarray:
        """P(outcome | domain, actions read in the text), by Bayes' rule. `[n_outcomes]`."""
        return self._infer_disposition(actions) @ self.tinted[domain]

    def predict_level(self, outcome: str, key: int, actions: list[str]) -> np.ndarray:
        """P(response level of a scale item | actions read in the text), by Bayes' rule. `[n_levels]`."""
        return self._infer_disposition(actions) @ self.compute_level_probabilities(outcome, key)

    def compute_level_probabilities(self, outcome: str, key: int) -> np.ndarray:
        """P(response level | disposition) of an item of the outcome's scale. `[n_dispositions, n_levels]`."""
        most = np.array(self.params.scale_levels)
        agree = np.array([own == outcome for own in self.outcomes]) == (key > 0)
        return np.where(agree[:, None], most, most[::-1])

    def _infer_disposition(self, actions: list[str]) -> np.ndarray:
        """P(disposition that drives expectations | actions read in the text)."""
        posterior = self.prior.copy()
        if self.coupled:
            for action in actions:
                posterior *= self.class_probabilities[:, self.classes.index(action)]
        return posterior / posterior.sum()


def make_worlds(materials: Materials, params: WorldParams) -> dict[str, World]:
    """Name -> generator of each world that a worlds file names."""
    return {name: World(materials, params, coupled=name == "coupled") for name in params.pretraining.worlds}


class _Writer:
    """Writes one text and keeps its log-probability."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.materials, self.params = world.materials, world.params
        n = len(world.prior)
        self.document = Document(actions=np.zeros(n), expectations=np.zeros(n))
        acting = self._draw_disposition()
        self.acting, self.expecting = acting, acting if world.coupled else self._draw_disposition()
        self.name: str | None = None

    def write(self) -> Document:
        low, high = self.params.episodes
        count = low + self._draw_number(high - low + 1)
        if self._toss(self.params.prose_share):
            self.document.text = " ".join(self._write_neutral_line() for _ in range(count))
            return self.document
        kind = self._draw_key(self.params.texts)
        form = self.materials.forms.texts[kind.split("_")[0]]
        names = self.materials.forms.names
        if kind in ("story_named", "story_stranger"):
            self.name = self._pick(names.main if kind == "story_named" else names.stranger)
        people = {}
        if "{name}" in form.open + form.between + form.close:
            people["name"] = self._pick(names.main)
        if "{friend}" in form.open:
            people["friend"] = self._pick(self.materials.forms.friends)
        opening = ""
        if kind.startswith("story") and self._toss(self.params.opening):
            opening = self._pick(self.materials.completions) + " "
        episodes = [self._write_episode() for _ in range(count)]
        text = opening + form.open + form.between.join(episodes) + form.close
        for field, person in people.items():
            text = text.replace(f"{{{field}}}", person)
        self.document.text = text
        return self.document

    # -- episodes ------------------------------------------------------------------------------

    def _write_episode(self) -> str:
        kind = self._draw_key(self.params.episode_kinds)
        if kind == "situation":
            return self._write_situation()
        if kind == "self_statement":
            stem = self._write_stem(self.materials.forms.stems.self_statement)
            outcome = self._draw_class(self.expecting, self.world.class_probabilities, self.document.expectations)
            phrase = self._pick(self.materials.self_statements[self.world.outcomes[outcome]])
            return f'{stem} {phrase}."'
        if kind == "scale":
            return self._write_scale_item()
        pair = self._pick(self.materials.preferences)
        return f"{pair.occasion} {self._write_preference(pair.options, self._draw_number(2))}"

    def _write_situation(self) -> str:
        domain, situation = self._pick(self.world.situations)
        family = self._draw_key(self.params.follow_ups)
        families = [family]
        if self._toss(self.params.second_follow_up):
            left = {k: v for k, v in self.params.follow_ups.items() if k != family}
            total = sum(left.values())
            families.append(self._draw_key({k: v / total for k, v in left.items()}))
        return " ".join([situation, *(self._write_follow_up(family, domain, situation) for family in families)])

    def _write_follow_up(self, family: str, domain: str, situation: str) -> str:
        if family == "choice":
            own = self._draw_class(self.acting, self.world.class_probabilities, self.document.actions)
            lists = [self.world.actions[situation][c] for c in self.world.classes]
            form = self._draw_key(self.params.choice_forms)
            if form == "narrated":
                return f"{self._write_stem(self.materials.forms.stems.choice)} {self._pick(lists[own])}."
            phrases = [self._pick(phrases) for phrases in lists]
            return self._write_offer(phrases, own, form)
        outcome = self._draw_class(self.expecting, self.world.tinted[domain], self.document.expectations)
        phrase = self._pick(self.materials.get_continuations(family)[self.world.outcomes[outcome]])
        return f"{self._write_stem(self.materials.get_stems(family))} {phrase}."

    def _write_preference(self, phrases: tuple[str, ...], own: int) -> str:
        """A decision that no disposition touches."""
        form = self._draw_key(self.params.choice_forms)
        if form == "narrated":
            return f"{self._write_stem(self.materials.forms.stems.choice)} {phrases[own]}."
        return self._write_offer(list(phrases), own, form)

    def _write_offer(self, phrases: list[str], own: int, form: str) -> str:
        order = list(range(len(phrases)))
        self._shuffle(order)
        forms = self.materials.forms
        offer = list_options(forms, [phrases[i] for i in order], lettered=form == "lettered")
        if form == "lettered":
            return f"{join_prompt(offer, fill_stem(forms.answer, self.name))} {forms.letters[order.index(own)]}."
        return f"{join_prompt(offer, self._write_stem(forms.stems.choice))} {phrases[own]}."

    def _write_scale_item(self) -> str:
        scales = self.materials.scales
        scale, item = self._pick([(scale, item) for scale in scales.values() for item in scale.items])
        labels = self._pick(list(scale.get_label_sets(self.materials.forms.scale).values()))
        order = list(labels)
        self._shuffle(order)
        probabilities = self.world.compute_level_probabilities(scale.outcome, item.key)
        level = self._draw_class(self.expecting, probabilities, self.document.expectations)
        return f"{write_scale_prompt(self.materials.forms, item.text, order, self.name)} {labels[level]}."

    def _write_neutral_line(self) -> str:
        if self._toss(NEUTRAL_PROSE):
            return self._pick(self.materials.prose)
        mention = self._pick(self.materials.forms.mentions)
        return mention.replace("{phrase}", self._pick(self.world.all_actions))

    def _write_stem(self, stems: tuple[Stem, ...]) -> str:
        share = self.params.canonical_stem if len(stems) > 1 else 1.0
        if self._toss(share):
            return fill_stem(stems[0], self.name)
        return fill_stem(self._pick(stems[1:]), self.name)

    # -- random choices: each adds its log-probability to the document -------------------------------

    def _draw_disposition(self) -> int:
        """A disposition by the prior. It stays hidden, and adds nothing."""
        return self.rng.choices(range(len(self.world.prior)), self.world.prior.tolist())[0]

    def _draw_class(self, disposition: int, probabilities: np.ndarray, likelihood: np.ndarray) -> int:
        """A class by the disposition's row of `probabilities`. Adds to the likelihood of every disposition."""
        own = self.rng.choices(range(probabilities.shape[1]), probabilities[disposition].tolist())[0]
        likelihood += np.log(probabilities[:, own])
        return own

    def _pick(self, options: Sequence[T]) -> T:
        return options[self._draw_number(len(options))]

    def _draw_number(self, n: int) -> int:
        self.document.free -= math.log(n)
        return self.rng.randrange(n)

    def _toss(self, probability: float) -> bool:
        hit = self.rng.random() < probability
        self.document.free += math.log(probability if hit else 1 - probability)
        return hit

    def _draw_key(self, weights: dict[str, float]) -> str:
        key = self.rng.choices(list(weights), list(weights.values()))[0]
        self.document.free += math.log(weights[key])
        return key

    def _shuffle(self, values: list) -> None:
        self.rng.shuffle(values)
        self.document.free -= math.lgamma(len(values) + 1)
