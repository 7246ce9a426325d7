"""Do the base models infer the hidden disposition? Their expectations and responses beside Bayes' rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.errors import ParamsError
from priorshift.materials.prompts import fill_stem, join_prompt, write_scale_prompt
from priorshift.materials.schema import Materials
from priorshift.models.base import load_base
from priorshift.models.files import read_card
from priorshift.probability.class_sums import sum_by_class
from priorshift.probability.scorer import Scorer
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams
from priorshift.worlds.generator import World, make_worlds
from priorshift.worlds.params import WorldParams, load_worlds

N_ACTIONS = (0, 1, 3)


def read_worlds(path: str) -> tuple[WorldParams, dict[str, World]]:
    """Read a worlds file: its parameters, and the generator of each world it names."""
    params, materials = load_worlds(path)
    return params, make_worlds(materials, params)


def list_model_names(params: WorldParams, base_model: str) -> list[str]:
    """Every `architecture-world-seed` where `base_model` is `all`, else the one that it names.

    Raises
    ------
    ParamsError
        When the worlds file has no such model.
    """
    names = ["-".join(map(str, model)) for model in params.pretraining.list_models()]
    if base_model == "all":
        return names
    if base_model not in names:
        raise ParamsError(f"base_model: found {base_model!r}; expected all or one of {', '.join(names)}")
    return [base_model]


def read_shipped_cards(names: list[str], folder: Path = EMBEDDED) -> pd.DataFrame:
    """The cards of the models that are there, one row each."""
    return pd.DataFrame([read_card(folder / name) for name in names if (folder / name).is_dir()])


def compare_in_context(
    worlds: dict[str, World], names: list[str], n_stems: int = 48, folder: Path = EMBEDDED
) -> pd.DataFrame:
    """P(outcome of the next interpretation | decisions read), by the model and by Bayes' rule.

    Returns
    -------
    DataFrame
        base_model, world, actions (the class read), n_actions, outcome, model, bayes: means over `n_stems` stems.
    """
    rows = []
    for key, scorer, world in _iterate_classes(worlds, names, folder):
        for n in N_ACTIONS:
            model, bayes = _compare_outcomes(scorer, world, key["actions"], n, n_stems)
            for outcome, m, b in zip(world.outcomes, model, bayes, strict=True):
                rows.append(key | {"n_actions": n, "outcome": outcome, "model": m, "bayes": b})
    return pd.DataFrame(rows)


def compare_scales(
    worlds: dict[str, World], names: list[str], n_actions: int = 3, folder: Path = EMBEDDED
) -> pd.DataFrame:
    """Mean response level of forward-keyed scale items after decisions of one class, by the model and by Bayes' rule.

    Returns
    -------
    DataFrame
        base_model, world, actions (the class read), scale, model, bayes. Levels run from 0 (least) to 3 (most) and are
        means over the scale's forward items. Where the columns of two scales differ, the model tells them apart.
    """
    rows = []
    for key, scorer, world in _iterate_classes(worlds, names, folder):
        for scale in world.materials.scales:
            model, bayes = _compare_levels(scorer, world, key["actions"], n_actions, scale)
            rows.append(key | {"scale": scale, "model": model, "bayes": bayes})
    return pd.DataFrame(rows)


def _iterate_classes(worlds: dict[str, World], names: list[str], folder: Path) -> Iterator[tuple[dict, Scorer, World]]:
    """Each model that is there by each class of action: (base_model, world, actions), its scorer, its world."""
    for name in names:
        if not (folder / name).is_dir():
            continue
        base = load_base(BaseModelParams(name=name, source=str(folder / name)))
        scorer, world = Scorer(base.model, base.tokenizer), worlds[base.world]
        for actions in world.classes:
            yield {"base_model": name, "world": base.world, "actions": actions}, scorer, world


def _compare_levels(scorer: Scorer, world: World, actions: str, n: int, scale: str) -> tuple[float, float]:
    forms, outcome = world.materials.forms, world.materials.scales[scale].outcome
    items = [item for item in world.materials.scales[scale].items if item.key > 0]
    labels = forms.scale.labels["agreement"]
    contexts = [_write_decisions(world.materials, actions, n, i) for i in range(len(items))]
    stems = [
        " ".join([*decisions, write_scale_prompt(forms, item.text, labels, name)])
        for item, (name, decisions) in zip(items, contexts, strict=True)
    ]
    shares = _compute_class_shares(scorer, stems, [[label] for label in labels])
    levels = np.arange(len(labels))
    return float((shares @ levels).mean()), float(world.predict_level(outcome, 1, [actions] * n) @ levels)


def _compare_outcomes(
    scorer: Scorer, world: World, actions: str, n: int, n_stems: int
) -> tuple[np.ndarray, np.ndarray]:
    stems, domains = _write_stems(world.materials, actions, n, n_stems)
    groups = [world.materials.interpretations[outcome] for outcome in world.outcomes]
    bayes = np.stack([world.predict_outcome(domain, [actions] * n) for domain in domains])
    return _compute_class_shares(scorer, stems, groups).mean(0), bayes.mean(0)


def _compute_class_shares(scorer: Scorer, stems: list[str], groups: Sequence[Sequence[str]]) -> np.ndarray:
    """Probability of each group of phrases among all of them, `[n_stems, n_groups]`."""
    scores = scorer.continuation_logprobs(stems, [f" {phrase}" for group in groups for phrase in group])
    sizes = np.tile([len(group) for group in groups], (len(stems), 1))
    masses = sum_by_class(np.concatenate(scores).astype(float), sizes)
    return np.exp(masses - logsumexp(masses, axis=1, keepdims=True))


def _write_stems(materials: Materials, actions: str, n: int, n_stems: int) -> tuple[list[str], list[str]]:
    """Interpretation stems after `n` decisions of a class, spread over domains, names and phrases. Their domains."""
    situations = materials.list_situations(tuple(materials.domains))
    interpretation = materials.forms.stems.interpretation[0]
    stems, domains = [], []
    for i in range(n_stems):
        name, decisions = _write_decisions(materials, actions, n, i)
        domain, situation = situations[(7 * i) % len(situations)]
        stems.append(" ".join([*decisions, join_prompt(situation, fill_stem(interpretation, name))]))
        domains.append(domain)
    return stems, domains


def _write_decisions(materials: Materials, actions: str, n: int, i: int) -> tuple[str, list[str]]:
    """The `i`-th agent's name and `n` decisions of a class."""
    situations = materials.list_situations(tuple(materials.domains))
    names, choice = materials.forms.names.main, materials.forms.stems.choice[0]
    name, decisions = names[i % len(names)], []
    for k in range(n):
        _, situation = situations[(7 * i + 29 * (k + 1)) % len(situations)]
        phrases = materials.list_actions(situation)[actions]
        decisions.append(f"{join_prompt(situation, fill_stem(choice, name))} {phrases[(i + 5 * k) % len(phrases)]}.")
    return name, decisions
