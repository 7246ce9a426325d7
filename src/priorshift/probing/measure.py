"""One run -> tidy tables: what the adapter expects, beside what its base model expects.

Shifts are in nats of log-odds, divergences in bits. The log-odds of an outcome set its
candidates against all other candidates of the item; `covered_mass` says how much probability the
candidates hold together. A continuation's score is its summed logprob; the mean over its tokens and
the first token's are kept beside it (`SCORES`), for the specification curve.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.materials.schema import Materials
from priorshift.probability.divergence import jsd, jsd_parts, restricted_jsd
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import ProbeItem, probe_items
from priorshift.study.params import Study
from priorshift.study.sections import Probes

# Ways to score a class, beside the sum over each continuation's tokens: column of the items table -> what it is.
SCORES = {
    "logprob_mean": "log-sum-exp over the class's continuations of their mean logprob per token",
    "logprob_first": "logprob that the next token is the first of any of the class's continuations",
}


@dataclass(frozen=True)
class Measured:
    """What one state of a model (base or adapter) expects at every item.

    Classes stand in the order of each item's candidates.

    Attributes
    ----------
    class_logprobs : float64 [n_items, n_classes], logprob of the class (log-sum-exp over its continuations)
    other_scores : name of `SCORES` -> the same by that score
    first_tokens : item -> class -> first tokens of its continuations
    next_token : float32 [n_items, V], logprobs at each stem's end
    merged : items in which the tokenizer merges stem and continuation
    """

    class_logprobs: np.ndarray
    other_scores: dict[str, np.ndarray]
    first_tokens: list[dict[str, frozenset[int]]]
    next_token: np.ndarray
    merged: frozenset[int]


def measure_model(scorer: Scorer, items: list[ProbeItem]) -> Measured:
    """Score every item under the model's current state."""
    stems = [item.stem for item in items]
    flat = [[text for group in item.candidates.values() for text in group] for item in items]
    scores = scorer.continuation_logprobs(stems, flat, per_token=True)
    merged = scorer.merged_stems
    next_token = scorer.next_token_logprobs(stems)
    sizes = np.array([[len(group) for group in item.candidates.values()] for item in items])
    tokens = [continuation for row in scores for continuation in row]
    lengths = np.array([len(continuation) for continuation in tokens])
    sums = np.add.reduceat(np.concatenate(tokens).astype(float), _starts(lengths))
    firsts = scorer.first_tokens(stems, flat)
    first_tokens = [_first_by_class(item, ids) for item, ids in zip(items, firsts, strict=True)]
    other = {"logprob_mean": _masses(sums / lengths, sizes), "logprob_first": _first(next_token, first_tokens)}
    return Measured(_masses(sums, sizes), other, first_tokens, next_token, merged)


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where each of consecutive groups of these lengths begins."""
    return np.cumsum(lengths) - lengths


def _masses(scores: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Log-sum-exp of consecutive scores, `sizes` [n_items, n_classes] of them each."""
    return np.logaddexp.reduceat(scores, _starts(sizes.ravel())).reshape(sizes.shape)


def _first(next_token: np.ndarray, first_tokens: list[dict[str, frozenset[int]]]) -> np.ndarray:
    groups = [[sorted(ids) for ids in classes.values()] for classes in first_tokens]
    sizes = np.array([[len(ids) for ids in row] for row in groups])
    rows = np.repeat(np.arange(len(groups)), sizes.sum(1))
    columns = [token for row in groups for ids in row for token in ids]
    return _masses(next_token[rows, columns].astype(float), sizes)


def _first_by_class(item: ProbeItem, ids: Sequence[int]) -> dict[str, frozenset[int]]:
    ends = np.cumsum([0, *(len(group) for group in item.candidates.values())])
    return {name: frozenset(ids[a:b]) for name, (a, b) in zip(item.candidates, itertools.pairwise(ends), strict=True)}


def log_odds(masses: np.ndarray) -> np.ndarray:
    """Log-odds (nats) of each class against all the other candidates; classes on the last axis."""
    others = [np.delete(masses, k, axis=-1) for k in range(masses.shape[-1])]
    return masses - np.stack([logsumexp(rest, axis=-1) for rest in others], axis=-1)


def item_table(items: list[ProbeItem], run: Measured, base: Measured) -> pd.DataFrame:
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
        "shift": log_odds(after) - log_odds(before),
        "covered_mass": np.repeat(np.exp(covered), n_classes, axis=1),
        "base_covered_mass": np.repeat(np.exp(base_covered), n_classes, axis=1),
    }
    named = {key: np.repeat([getattr(item, key) for item in items], n_classes) for key in keys}
    named["outcome"] = [outcome for item in items for outcome in item.candidates]
    ambiguous = np.repeat([i in base.merged for i in range(len(items))], n_classes)
    return pd.DataFrame(named | {name: value.ravel() for name, value in values.items()} | {"ambiguous": ambiguous})


def token_table(items: list[ProbeItem], run: Measured, base: Measured) -> pd.DataFrame:
    """Which words carry the JSD: its parts (bits) by item and class of token, summing to the item's `jsd`.

    A token belongs to the class whose continuations begin with it, to ``several classes``, or to ``no class``.
    """
    rows = []
    for item, first, p, q in zip(items, run.first_tokens, run.next_token, base.next_token, strict=True):
        parts, known = jsd_parts(p, q), [token for tokens in first.values() for token in tokens]
        shared = {token for token in known if known.count(token) > 1}
        sums = {name: float(parts[sorted(tokens - shared)].sum()) for name, tokens in first.items()}
        sums["several classes"] = float(parts[sorted(shared)].sum())
        sums["no class"] = max(0.0, float(parts.sum()) - sum(sums.values()))
        key = {"family": item.family, "ring": item.ring, "domain": item.domain, "item": item.item}
        rows += [{**key, "token_class": name, "jsd": value} for name, value in sums.items()]
    return pd.DataFrame(rows)


def next_token_table(items: list[ProbeItem], run: Measured, base: Measured, reference: Measured | None) -> pd.DataFrame:
    """One row per item: JSD (bits) from the base model, and from the reference.

    Parameters
    ----------
    reference : the first neutral run (`finished.reference_run`); None for that run itself and for what was not trained
    """
    table = pd.DataFrame([{"family": i.family, "ring": i.ring, "domain": i.domain, "item": i.item} for i in items])
    table["jsd"] = jsd(run.next_token, base.next_token)
    restricted = restricted_jsd(run.class_logprobs, base.class_logprobs)
    table["jsd_candidates"], table["mass_left_out"] = restricted.jsd, restricted.left_out_p
    table["jsd_reference"] = jsd(run.next_token, reference.next_token) if reference is not None else np.nan
    return table


def retention_table(scorer: Scorer, materials: Materials, n: int) -> pd.DataFrame:
    """Perplexity per token on neutral prose: each text is one sentence given the one before it."""
    rng = random.Random("retention")
    pairs = [rng.sample(materials.held_out_prose, 2) for _ in range(n)]
    stems, continuations = [first for first, _ in pairs], [[f" {second}"] for _, second in pairs]
    tokens = scorer.continuation_logprobs(stems, continuations, per_token=True)
    rows = [{"text": i, "tokens": len(t[0]), "logprob": float(np.sum(t[0]))} for i, t in enumerate(tokens)]
    return pd.DataFrame(rows)


def measure_choice_rates(scorer: Scorer, study: Study, materials: Materials) -> dict[str, float]:
    """The model's own choice rates: mean probability of each class of action on the training domains."""
    items = [
        item
        for item in probe_items(study.model_copy(update={"probes": _choice_only(study)}), materials)
        if item.ring == "training_domains"
    ]
    flat = [[text for group in item.candidates.values() for text in group] for item in items]
    scores = np.array(scorer.continuation_logprobs([item.stem for item in items], flat), dtype=float)
    bounds = np.cumsum([0, *(len(group) for group in items[0].candidates.values())])
    masses = np.stack([logsumexp(scores[:, a:b], axis=1) for a, b in itertools.pairwise(bounds)], axis=1)
    shares = np.exp(masses - logsumexp(masses, axis=1, keepdims=True)).mean(0)
    return dict(zip(items[0].candidates, (shares / shares.sum()).tolist(), strict=True))


def _choice_only(study: Study) -> Probes:
    return study.probes.model_copy(update={"families": ["choice"], "rings": {}})
