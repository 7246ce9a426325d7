"""Do the embedded base models infer the hidden disposition? Their expectations and answers beside Bayes' rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.errors import ParamsError
from priorshift.materials.prompts import fill, prompt, scale_prompt
from priorshift.materials.schema import Materials
from priorshift.models.base import load_base
from priorshift.models.files import read_card
from priorshift.probability.scorer import Scorer
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams
from priorshift.worlds.generator import World
from priorshift.worlds.params import WorldParams, load_worlds

N_ACTIONS = (0, 1, 3)


def worlds_from(path: str) -> tuple[WorldParams, dict[str, World]]:
    """The parameters of a worlds file and the generator of each world it names."""
    params, materials = load_worlds(path)
    worlds = params.pretraining.worlds
    return params, {name: World(materials, params, coupled=name == "coupled") for name in worlds}


def model_names(params: WorldParams, base_model: str) -> list[str]:
    """Every `architecture-world-seed`, or the one that was asked for."""
    shape = params.pretraining
    names = [f"{a}-{w}-{s}" for s in shape.seeds for w in shape.worlds for a in shape.architectures]
    if base_model == "all":
        return names
    if base_model not in names:
        raise ParamsError(f"base_model: found {base_model!r}; expected all or one of {', '.join(names)}")
    return [base_model]


def shipped_cards(names: list[str], folder: Path = EMBEDDED) -> pd.DataFrame:
    """The cards of the models that are there, one row each."""
    return pd.DataFrame([read_card(folder / name) for name in names if (folder / name).is_dir()])


def in_context_table(
    worlds: dict[str, World], names: list[str], n_stems: int = 48, folder: Path = EMBEDDED
) -> pd.DataFrame:
    """P(outcome of the next interpretation | decisions read), model and Bayes posterior.

    Returns
    -------
    DataFrame
        base_model, world, actions (the class read), n_actions, outcome, model, bayes: means over `n_stems` stems.
    """
    rows = []
    for key, scorer, world in _each_class(worlds, names, folder):
        for n in N_ACTIONS:
            model, bayes = _expectations(scorer, world, key["actions"], n, n_stems)
            for outcome, m, b in zip(world.outcomes, model, bayes, strict=True):
                rows.append(key | {"n_actions": n, "outcome": outcome, "model": m, "bayes": b})
    return pd.DataFrame(rows)


def scale_table(
    worlds: dict[str, World], names: list[str], n_actions: int = 3, folder: Path = EMBEDDED
) -> pd.DataFrame:
    """Mean response level of forward-keyed scale items after decisions of one class, model and Bayes.

    Returns
    -------
    DataFrame
        base_model, world, actions (the class read), scale, model, bayes: levels from 0 (least) to 3 (most), means
        over the scale's forward items; the items of two scales are told apart where their columns differ.
    """
    rows = []
    for key, scorer, world in _each_class(worlds, names, folder):
        for scale in world.materials.scales:
            model, bayes = _levels(scorer, world, key["actions"], n_actions, scale)
            rows.append(key | {"scale": scale, "model": model, "bayes": bayes})
    return pd.DataFrame(rows)


def _each_class(worlds: dict[str, World], names: list[str], folder: Path) -> Iterator[tuple[dict, Scorer, World]]:
    """(base_model, world and actions; scorer; world) of each model that is there and each class of action."""
    for name in names:
        if not (folder / name).is_dir():
            continue
        base = load_base(BaseModelParams(name=name, source=str(folder / name)))
        scorer, world = Scorer(base.model, base.tokenizer), worlds[base.world]
        for actions in world.classes:
            yield {"base_model": name, "world": base.world, "actions": actions}, scorer, world


def _levels(scorer: Scorer, world: World, actions: str, n: int, scale: str) -> tuple[float, float]:
    forms, outcome = world.materials.forms, world.materials.scales[scale].outcome
    items = [item for item in world.materials.scales[scale].items if item.key > 0]
    labels = forms.scale.labels["agreement"]
    contexts = [_decisions(world.materials, actions, n, i) for i in range(len(items))]
    stems = [
        " ".join([*parts, scale_prompt(forms, item.text, labels, name)])
        for item, (name, parts) in zip(items, contexts, strict=True)
    ]
    scores = np.array(scorer.continuation_logprobs(stems, [f" {label}" for label in labels]), dtype=float)
    shares = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    levels = np.arange(len(labels))
    return float((shares @ levels).mean()), float(world.level_odds(outcome, 1, [actions] * n) @ levels)


def _expectations(scorer: Scorer, world: World, actions: str, n: int, n_stems: int) -> tuple[np.ndarray, np.ndarray]:
    materials = world.materials
    stems, domains = _contexts(materials, actions, n, n_stems)
    groups = [materials.interpretations[outcome] for outcome in world.outcomes]
    flat = [f" {phrase}" for group in groups for phrase in group]
    scores = np.array(scorer.continuation_logprobs(stems, flat), dtype=float)
    bounds = np.cumsum([0, *map(len, groups)])
    masses = np.stack([logsumexp(scores[:, a:b], axis=1) for a, b in itertools.pairwise(bounds)], axis=1)
    shares = np.exp(masses - logsumexp(masses, axis=1, keepdims=True))
    bayes = np.stack([world.outcome_odds(domain, [actions] * n) for domain in domains])
    return shares.mean(0), bayes.mean(0)


def _contexts(materials: Materials, actions: str, n: int, n_stems: int) -> tuple[list[str], list[str]]:
    """Texts with `n` decisions of a class before an interpretation stem, spread over domains, names and phrases."""
    situations = materials.situations(tuple(materials.domains))
    thought = materials.forms.stems.interpretation[0]
    stems, domains = [], []
    for i in range(n_stems):
        name, parts = _decisions(materials, actions, n, i)
        domain, situation = situations[(7 * i) % len(situations)]
        stems.append(" ".join([*parts, prompt(situation, fill(thought, name))]))
        domains.append(domain)
    return stems, domains


def _decisions(materials: Materials, actions: str, n: int, i: int) -> tuple[str, list[str]]:
    """The `i`-th agent's name and `n` decisions of a class."""
    situations = materials.situations(tuple(materials.domains))
    names, phrases = materials.forms.names.main, materials.actions[actions]
    choice, name = materials.forms.stems.choice[0], names[i % len(names)]
    return name, [
        prompt(situations[(7 * i + 29 * (k + 1)) % len(situations)][1], fill(choice, name))
        + f" {phrases[(i + 5 * k) % len(phrases)]}."
        for k in range(n)
    ]
