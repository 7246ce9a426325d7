"""Calibration worlds: text by agents with a known hidden disposition.

Every text has one agent. A hidden disposition, never named, sets the odds of what the agent
decides, expects, feels and says. In the *coupled* world one disposition drives both actions and
expectations; in the *decoupled* world two independent ones do, with the same marginals. Domains
tint expectations and never actions, so that no common cause joins the two. The probability of a
text is known exactly, the dispositions summed out: its mean is the entropy that a model can reach.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from priorshift.materials.prompts import fill, list_options, prompt, scale_prompt
from priorshift.materials.schema import Materials, Stem
from priorshift.worlds.params import WorldParams


@dataclass
class Document:
    """One text and what is needed for its exact probability.

    Attributes
    ----------
    text : the text
    free : log-probability (nats) of all choices that no disposition touches
    actions, expectations : log-likelihood of each disposition, `[n_dispositions]`
    """

    free: float = 0.0
    parts: list[str] = field(default_factory=list)
    actions: np.ndarray | None = None
    expectations: np.ndarray | None = None
    text: str = ""


class World:
    """A generator of texts whose log-probabilities are exact.

    Parameters
    ----------
    materials, params : what is written, and with which odds
    coupled : one disposition for actions and expectations, or two independent ones
    """

    def __init__(self, materials: Materials, params: WorldParams, coupled: bool) -> None:
        self.materials, self.params, self.coupled = materials, params, coupled
        self.dispositions = list(materials.dispositions)
        self.prior = np.array([d.share for d in materials.dispositions.values()])
        self.classes = [d.action for d in materials.dispositions.values()]
        self.outcomes = [d.outcome for d in materials.dispositions.values()]
        n = len(self.dispositions)
        rest = (1 - params.own_class) / (n - 1)
        self.emission = np.full((n, n), rest)
        np.fill_diagonal(self.emission, params.own_class)
        tints = np.random.default_rng(params.tint_seed).normal(0, params.domain_sd, (len(materials.domains), n))
        self.tinted = {}
        for domain, tint in zip(materials.domains, tints, strict=True):
            weights = self.emission * np.exp(tint)
            self.tinted[domain] = weights / weights.sum(1, keepdims=True)
        self.situations = materials.situations(tuple(materials.domains))

    # -- the truth that a base model is compared with ------------------------------------------

    def outcome_odds(self, domain: str, actions: list[str]) -> np.ndarray:
        """P(outcome | domain, actions seen in the text), by Bayes' rule; `[n_outcomes]`."""
        return self._posterior(actions) @ self.tinted[domain]

    def level_odds(self, outcome: str, key: int, actions: list[str]) -> np.ndarray:
        """P(response level of a scale item | actions seen in the text), by Bayes' rule; `[n_levels]`."""
        return self._posterior(actions) @ self.scale_odds(outcome, key)

    def scale_odds(self, outcome: str, key: int) -> np.ndarray:
        """P(response level | disposition) of an item of the outcome's scale; `[n_dispositions, n_levels]`."""
        most = np.array(self.params.scale_levels)
        agree = np.array([own == outcome for own in self.outcomes]) == (key > 0)
        return np.where(agree[:, None], most, most[::-1])

    def action_odds(self) -> np.ndarray:
        """P(class of action) of an agent of whom nothing is known; `[n_classes]`."""
        return self.prior @ self.emission

    def _posterior(self, actions: list[str]) -> np.ndarray:
        """P(disposition that drives expectations | actions seen in the text)."""
        posterior = self.prior.copy()
        if self.coupled:
            for action in actions:
                posterior *= self.emission[:, self.classes.index(action)]
        return posterior / posterior.sum()

    def log_probability(self, document: Document) -> float:
        """Log-probability of a text (nats), the hidden dispositions summed out."""
        log_prior = np.log(self.prior)
        if self.coupled:
            return document.free + _logsumexp(log_prior + document.actions + document.expectations)
        return document.free + _logsumexp(log_prior + document.actions) + _logsumexp(log_prior + document.expectations)

    # -- sampling ------------------------------------------------------------------------------

    def sample(self, seed: int) -> Iterator[Document]:
        """An endless stream of texts."""
        rng = random.Random(seed)
        while True:
            yield _Writer(self, rng).write()


class _Writer:
    """Writes one text and keeps its log-probability."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.materials, self.params = world.materials, world.params
        n = len(world.dispositions)
        self.doc = Document(actions=np.zeros(n), expectations=np.zeros(n))
        acting = self._hidden()
        self.acting, self.expecting = acting, acting if world.coupled else self._hidden()

    def write(self) -> Document:
        low, high = self.params.episodes
        count = low + self._uniform(high - low + 1)
        if self._flag(self.params.prose_share):
            self.doc.text = " ".join(self._neutral_line() for _ in range(count))
            return self.doc
        kind = self._weighted(self.params.texts)
        form = self.materials.forms.texts[kind.split("_")[0]]
        names = self.materials.forms.names
        self.name = None
        if kind in ("story_named", "story_stranger"):
            self.name = self._pick(names.main if kind == "story_named" else names.stranger)
        frame = {}
        if "{name}" in form.open + form.between + form.close:
            frame["name"] = self._pick(names.main)
        if "{friend}" in form.open:
            frame["friend"] = self._pick(self.materials.forms.friends)
        opening = ""
        if kind.startswith("story") and self._flag(self.params.opening):
            opening = self._pick(self.materials.completions) + " "
        episodes = [self._episode() for _ in range(count)]
        text = opening + form.open + form.between.join(episodes) + form.close
        for key, value in frame.items():
            text = text.replace(f"{{{key}}}", value)
        self.doc.text = text
        return self.doc

    # -- episodes ------------------------------------------------------------------------------

    def _episode(self) -> str:
        kind = self._weighted(self.params.episode_kinds)
        if kind == "situation":
            return self._situation()
        if kind == "self_statement":
            stem = self._stem(self.materials.forms.stems.self_statement)
            outcome = self._class(self.expecting, self.world.emission, self.doc.expectations)
            phrase = self._pick(self.materials.self_statements[self.world.outcomes[outcome]])
            return f'{stem} {phrase}."'
        if kind == "scale":
            return self._scale()
        pair = self._pick(self.materials.preferences)
        return f"{pair.occasion} {self._decision(pair.options, self._uniform(2))}"

    def _situation(self) -> str:
        domain, situation = self._pick(self.world.situations)
        family = self._weighted(self.params.follow_ups)
        families = [family]
        if self._flag(self.params.second_follow_up):
            left = {k: v for k, v in self.params.follow_ups.items() if k != family}
            total = sum(left.values())
            families.append(self._weighted({k: v / total for k, v in left.items()}))
        return " ".join([situation, *(self._follow_up(family, domain) for family in families)])

    def _follow_up(self, family: str, domain: str) -> str:
        if family == "choice":
            own = self._class(self.acting, self.world.emission, self.doc.actions)
            lists = [self.materials.actions[c] for c in self.world.classes]
            form = self._weighted(self.params.choice_forms)
            if form == "narrated":
                return f"{self._stem(self.materials.forms.stems.choice)} {self._pick(lists[own])}."
            phrases = [self._pick(phrases) for phrases in lists]
            return self._offer(phrases, own, form)
        outcome = self._class(self.expecting, self.world.tinted[domain], self.doc.expectations)
        phrase = self._pick(self.materials.continuations(family)[self.world.outcomes[outcome]])
        return f"{self._stem(self.materials.stems(family))} {phrase}."

    def _decision(self, phrases: tuple[str, ...], own: int) -> str:
        """A decision that no disposition touches."""
        form = self._weighted(self.params.choice_forms)
        if form == "narrated":
            return f"{self._stem(self.materials.forms.stems.choice)} {phrases[own]}."
        return self._offer(list(phrases), own, form)

    def _offer(self, phrases: list[str], own: int, form: str) -> str:
        order = list(range(len(phrases)))
        self.rng.shuffle(order)
        self.doc.free -= math.lgamma(len(order) + 1)
        forms = self.materials.forms
        shown = list_options(forms, [phrases[i] for i in order], lettered=form == "lettered")
        if form == "lettered":
            return f"{prompt(shown, fill(forms.answer, self.name))} {forms.letters[order.index(own)]}."
        return f"{prompt(shown, self._stem(forms.stems.choice))} {phrases[own]}."

    def _scale(self) -> str:
        scales = self.materials.scales
        scale, item = self._pick([(scale, item) for scale in scales.values() for item in scale.items])
        labels = self._pick(list(scale.label_sets(self.materials.forms.scale).values()))
        order = list(labels)
        self.rng.shuffle(order)
        self.doc.free -= math.lgamma(len(order) + 1)
        level = self._class(self.expecting, self.world.scale_odds(scale.outcome, item.key), self.doc.expectations)
        return f"{scale_prompt(self.materials.forms, item.text, order, self.name)} {labels[level]}."

    def _neutral_line(self) -> str:
        if self._flag(0.7):
            return self._pick(self.materials.prose)
        mention = self._pick(self.materials.forms.mentions)
        phrases = [p for c in self.world.classes for p in self.materials.actions[c]]
        return mention.replace("{phrase}", self._pick(phrases))

    # -- choices: each adds its log-probability ------------------------------------------------

    def _hidden(self) -> int:
        return self.rng.choices(range(len(self.world.prior)), self.world.prior.tolist())[0]

    def _class(self, disposition: int, odds: np.ndarray, likelihood: np.ndarray) -> int:
        own = self.rng.choices(range(odds.shape[1]), odds[disposition].tolist())[0]
        likelihood += np.log(odds[:, own])
        return own

    def _stem(self, stems: tuple[Stem, ...]) -> str:
        share = self.params.canonical_stem if len(stems) > 1 else 1.0
        if self._flag(share):
            return fill(stems[0], self.name)
        return fill(self._pick(stems[1:]), self.name)

    def _pick(self, options: list | tuple):  # noqa: ANN202 (an element of `options`)
        return options[self._uniform(len(options))]

    def _uniform(self, n: int) -> int:
        self.doc.free -= math.log(n)
        return self.rng.randrange(n)

    def _flag(self, probability: float) -> bool:
        hit = self.rng.random() < probability
        chance = probability if hit else 1 - probability
        self.doc.free += math.log(chance)
        return hit

    def _weighted(self, weights: dict[str, float]) -> str:
        key = self.rng.choices(list(weights), list(weights.values()))[0]
        self.doc.free += math.log(weights[key])
        return key


def _logsumexp(values: np.ndarray) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))
