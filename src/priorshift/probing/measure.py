"""What a model expects at every item, beside what its base model expects, as tidy tables.

Shifts are in nats of log-odds, divergences in bits. The log-odds of an outcome set its candidates against all other
candidates of the item. `covered_mass` is the probability that all candidates hold together. A continuation's score is
its logprob, summed over its tokens. Two other scores stand beside it for the specification curve (`SCORES`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.probability.class_sums import remove_overlaps, sum_by_class
from priorshift.probability.divergence import jsd, restricted_jsd
from priorshift.probability.scorer import Scorer
from priorshift.probability.token_tree import Tokens
from priorshift.probing.items import ProbeItem, make_probe_items
from priorshift.probing.word_scores import score_words
from priorshift.study.params import StudyParams

# Other scores of a class: column of the items table -> what it is.
SCORES = {
    "logprob_mean": "log-sum-exp over the class's continuations of their mean logprob per token",
    "logprob_first": "logprob that the next token is the first of any of the class's continuations",
}


@dataclass(frozen=True)
class ItemMeasurements:
    """What one model (a base, with or without an adapter or a context) expects at every item.

    Classes stand in the order of each item's candidates.

    Attributes
    ----------
    class_logprobs : float64 [n_items, n_classes], logprob of the class (log-sum-exp over its continuations, each
        without those that go on from it)
    other_scores : name of `SCORES` -> the same by that score
    first_tokens : item -> class -> first tokens of its continuations
    next_token : float32 [n_items, V], logprobs at each stem's end
    merged : numbers of the items in which the tokenizer merges stem and continuation
    """

    class_logprobs: np.ndarray
    other_scores: dict[str, np.ndarray]
    first_tokens: list[dict[str, frozenset[int]]]
    next_token: np.ndarray
    merged: frozenset[int]


def measure_model(scorer: Scorer, items: list[ProbeItem]) -> ItemMeasurements:
    """Score every item under the scorer's model as it stands."""
    stems, continuations = [item.stem for item in items], [item.continuations for item in items]
    ids = scorer.find_tokens(stems, continuations)
    merged = scorer.merged_stems
    next_token = scorer.next_token_logprobs(stems)
    scores = _score_continuations(scorer, items, ids, next_token)
    sizes = _count_candidates(items)
    sums, lengths = np.concatenate(scores), np.array([len(tokens) for row in ids for tokens in row])
    apart = np.concatenate([remove_overlaps(own, row) for own, row in zip(scores, ids, strict=True)])
    first_tokens = [_group_first_tokens(item, row) for item, row in zip(items, ids, strict=True)]
    other = {
        "logprob_mean": sum_by_class(sums / lengths, sizes),
        "logprob_first": _sum_first_tokens(next_token, first_tokens),
    }
    return ItemMeasurements(sum_by_class(apart, sizes), other, first_tokens, next_token, merged)


def _score_continuations(
    scorer: Scorer, items: list[ProbeItem], ids: list[tuple[Tokens, ...]], next_token: np.ndarray
) -> list[np.ndarray]:
    """Logprob of each item's continuations, float64 [n_continuations] each."""
    words = [i for i, item in enumerate(items) if item.family == NEXT_WORDS]
    phrases = [i for i, item in enumerate(items) if item.family != NEXT_WORDS]
    found = score_words(scorer, [items[i] for i in words], [ids[i] for i in words], [next_token[i] for i in words])
    scores = dict(zip(words, found, strict=True))
    if phrases:
        stems, texts = [items[i].stem for i in phrases], [items[i].continuations for i in phrases]
        scores |= zip(phrases, scorer.continuation_logprobs(stems, texts), strict=True)
    return [scores[i] for i in range(len(items))]


def list_retention_texts(materials: Materials, n: int) -> list[list[str]]:
    """List the `n` pairs of held-out sentences, of which the second is measured after the first."""
    rng = random.Random("retention")
    return [rng.sample(materials.held_out_prose, 2) for _ in range(n)]


def measure_retention(scorer: Scorer, materials: Materials, n: int) -> pd.DataFrame:
    """Logprob (nats) of `n` neutral texts: each is one sentence given the one before it.

    Returns
    -------
    DataFrame
        text (its number), tokens, logprob (summed over them)
    """
    pairs = list_retention_texts(materials, n)
    stems, continuations = [first for first, _ in pairs], [[f" {second}"] for _, second in pairs]
    tokens = scorer.token_logprobs(stems, continuations)
    rows = [{"text": i, "tokens": len(t[0]), "logprob": float(np.sum(t[0]))} for i, t in enumerate(tokens)]
    return pd.DataFrame(rows)


def list_choice_items(params: StudyParams, materials: Materials) -> list[ProbeItem]:
    """List the decisions by which choice rates are measured: all situations of the training domains."""
    probes = params.probes.model_copy(update={"families": ["choice"], "rings": {}})
    items = make_probe_items(params.model_copy(update={"probes": probes}), materials)
    return [item for item in items if item.ring == "training_domains"]


def measure_choice_rates(scorer: Scorer, params: StudyParams, materials: Materials) -> dict[str, float]:
    """The model's own choice rates: mean probability of each class of action on the training domains."""
    items = list_choice_items(params, materials)
    scores = scorer.continuation_logprobs([item.stem for item in items], [item.continuations for item in items])
    masses = sum_by_class(np.concatenate(scores).astype(float), _count_candidates(items))
    shares = np.exp(masses - logsumexp(masses, axis=1, keepdims=True)).mean(0)
    return dict(zip(items[0].candidates, (shares / shares.sum()).tolist(), strict=True))


def compute_log_odds(masses: np.ndarray) -> np.ndarray:
    """Log-odds (nats) of each class against all the other candidates. Classes on the last axis.

    Examples
    --------
    >>> np.exp(compute_log_odds(np.log([0.2, 0.1, 0.1]))).round(4)
    array([1.    , 0.3333, 0.3333])
    """
    others = [np.delete(masses, k, axis=-1) for k in range(masses.shape[-1])]
    return masses - np.stack([logsumexp(rest, axis=-1) for rest in others], axis=-1)


def tabulate_items(items: list[ProbeItem], run: ItemMeasurements, base: ItemMeasurements) -> pd.DataFrame:
    """One row per item and outcome: class logprob, probability among candidates, shift, covered mass."""
    after, before = run.class_logprobs, base.class_logprobs
    n_classes = after.shape[1]
    covered, base_covered = (logsumexp(masses, axis=1, keepdims=True) for masses in (after, before))
    keys = ("family", "ring", "domain", "form", "item")
    values = {"logprob": after, "base_logprob": before}
    for name in SCORES:
        values |= {name: run.other_scores[name], f"base_{name}": base.other_scores[name]}
    values |= {
        "probability": np.exp(after - covered),
        "base_probability": np.exp(before - base_covered),
        "shift": compute_log_odds(after) - compute_log_odds(before),
        "covered_mass": np.repeat(np.exp(covered), n_classes, axis=1),
        "base_covered_mass": np.repeat(np.exp(base_covered), n_classes, axis=1),
    }
    named = {key: np.repeat([getattr(item, key) for item in items], n_classes) for key in keys}
    named["outcome"] = [outcome for item in items for outcome in item.candidates]
    ambiguous = np.repeat([i in base.merged for i in range(len(items))], n_classes)
    return pd.DataFrame(named | {name: value.ravel() for name, value in values.items()} | {"ambiguous": ambiguous})


def tabulate_next_tokens(
    items: list[ProbeItem], run: ItemMeasurements, base: ItemMeasurements, reference: ItemMeasurements | None
) -> pd.DataFrame:
    """One row per item: JSD (bits) from the base model, and from the reference.

    Parameters
    ----------
    reference : the first neutral run; None for that run itself, and for what was not trained
    """
    table = pd.DataFrame([{"family": i.family, "ring": i.ring, "domain": i.domain, "item": i.item} for i in items])
    table["jsd"] = jsd(run.next_token, base.next_token)
    restricted = restricted_jsd(run.class_logprobs, base.class_logprobs)
    table["jsd_candidates"], table["mass_left_out"] = restricted.jsd, restricted.left_out_p
    table["jsd_reference"] = jsd(run.next_token, reference.next_token) if reference is not None else np.nan
    return table


def _count_candidates(items: list[ProbeItem]) -> np.ndarray:
    """int [n_items, n_classes]"""
    return np.array([[len(group) for group in item.candidates.values()] for item in items])


def _group_first_tokens(item: ProbeItem, tokens: Sequence[Tokens]) -> dict[str, frozenset[int]]:
    ends = itertools.pairwise(np.cumsum([0, *(len(group) for group in item.candidates.values())]))
    firsts = [each[0] for each in tokens]
    return {name: frozenset(firsts[a:b]) for name, (a, b) in zip(item.candidates, ends, strict=True)}


def _sum_first_tokens(next_token: np.ndarray, first_tokens: list[dict[str, frozenset[int]]]) -> np.ndarray:
    groups = [[sorted(ids) for ids in classes.values()] for classes in first_tokens]
    sizes = np.array([[len(ids) for ids in row] for row in groups])
    rows = np.repeat(np.arange(len(groups)), sizes.sum(1))
    columns = [token for row in groups for ids in row for token in ids]
    return sum_by_class(next_token[rows, columns].astype(float), sizes)
