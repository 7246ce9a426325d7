"""One run -> tidy tables: what the adapter expects, beside what its base model expects.

Shifts are in nats of log-odds, divergences in bits. The log-odds of an outcome set its
candidates against all other candidates of the item; `covered_mass` says how much probability the
candidates hold together. A continuation's score is its summed logprob; the mean over its tokens and
the first token's are kept beside it (`SCORES`), for the specification curve.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.divergence import jsd, jsd_parts, restricted_jsd
from priorshift.extraction import Scorer
from priorshift.items import ProbeItem, probe_items
from priorshift.materials import Materials
from priorshift.params import Study
from priorshift.sections import Probes

# Ways to score a class, beside the sum over each continuation's tokens: column of the items table -> what it is.
SCORES = {
    "logprob_mean": "log-sum-exp over the class's continuations of their mean logprob per token",
    "logprob_first": "logprob that the next token is the first of any of the class's continuations",
}


@dataclass(frozen=True)
class Measured:
    """What one state of a model (base or adapter) expects at every item.

    Attributes
    ----------
    class_logprobs : item -> class -> logprob of the class (log-sum-exp over its continuations)
    other_scores : name of `SCORES` -> the same by that score
    first_tokens : item -> class -> first tokens of its continuations
    next_token : float32 [n_items, V], logprobs at each stem's end
    merged : items in which the tokenizer merges stem and continuation
    """

    class_logprobs: list[dict[str, float]]
    other_scores: dict[str, list[dict[str, float]]]
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
    by_class = [_by_class(item, tokens) for item, tokens in zip(items, scores, strict=True)]
    firsts = scorer.first_tokens(stems, flat)
    first_tokens = [
        {name: frozenset(ids) for name, ids in _by_class(item, tokens).items()}
        for item, tokens in zip(items, firsts, strict=True)
    ]
    other = {
        "logprob_mean": [_masses(classes, np.mean) for classes in by_class],
        "logprob_first": [
            {name: float(logsumexp(row[sorted(ids)])) for name, ids in classes.items()}
            for row, classes in zip(next_token.astype(float), first_tokens, strict=True)
        ],
    }
    return Measured([_masses(classes, np.sum) for classes in by_class], other, first_tokens, next_token, merged)


def _by_class(item: ProbeItem, values: Sequence) -> dict[str, Sequence]:
    """Values in the order of the item's candidates -> those of each class."""
    ends = np.cumsum([0, *(len(group) for group in item.candidates.values())])
    return {name: values[a:b] for name, (a, b) in zip(item.candidates, itertools.pairwise(ends), strict=True)}


def _masses(classes: dict[str, Sequence[np.ndarray]], score: Callable[[np.ndarray], float]) -> dict[str, float]:
    return {name: float(logsumexp([score(tokens) for tokens in group])) for name, group in classes.items()}


def log_odds(masses: dict[str, float]) -> dict[str, float]:
    """Log-odds (nats) of each class against all the other candidates."""
    return {
        name: value - float(logsumexp([v for other, v in masses.items() if other != name]))
        for name, value in masses.items()
    }


def item_table(items: list[ProbeItem], run: Measured, base: Measured) -> pd.DataFrame:
    """One row per item and outcome: class logprob, probability among candidates, shift, covered mass."""
    rows = []
    for i, (item, after, before) in enumerate(zip(items, run.class_logprobs, base.class_logprobs, strict=True)):
        odds, base_odds = log_odds(after), log_odds(before)
        covered, base_covered = (float(logsumexp(list(m.values()))) for m in (after, before))
        for outcome, value in after.items():
            rows.append(
                {
                    "family": item.family,
                    "ring": item.ring,
                    "domain": item.domain,
                    "form": item.form,
                    "item": item.item,
                    "outcome": outcome,
                    "logprob": value,
                    "base_logprob": before[outcome],
                    **_others(run, base, i, outcome),
                    "probability": np.exp(value - covered),
                    "base_probability": np.exp(before[outcome] - base_covered),
                    "shift": odds[outcome] - base_odds[outcome],
                    "covered_mass": np.exp(covered),
                    "base_covered_mass": np.exp(base_covered),
                    "ambiguous": i in base.merged,
                }
            )
    return pd.DataFrame(rows)


def _others(run: Measured, base: Measured, item: int, outcome: str) -> dict[str, float]:
    states = (("", run), ("base_", base))
    return {f"{which}{name}": state.other_scores[name][item][outcome] for name in SCORES for which, state in states}


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


def next_token_table(items: list[ProbeItem], run: Measured, base: Measured, floor: Measured | None) -> pd.DataFrame:
    """One row per item: JSD (bits) from the base model, and from the reference run of the floor.

    Parameters
    ----------
    floor : the first neutral run, where the run is another neutral run; else None
    """
    table = pd.DataFrame([{"family": i.family, "ring": i.ring, "domain": i.domain, "item": i.item} for i in items])
    table["jsd"] = jsd(run.next_token, base.next_token)
    after, before = (np.array([list(m.values()) for m in state.class_logprobs]) for state in (run, base))
    restricted = restricted_jsd(after, before)
    table["jsd_candidates"], table["mass_left_out"] = restricted.jsd, restricted.left_out_p
    table["jsd_floor"] = jsd(run.next_token, floor.next_token) if floor is not None else np.nan
    return table


def retention_table(scorer: Scorer, materials: Materials, n: int) -> pd.DataFrame:
    """Perplexity per token on neutral prose: each text is one sentence given the one before it."""
    rng = random.Random("retention")
    pairs = [rng.sample(materials.held_out_prose, 2) for _ in range(n)]
    stems, continuations = [first for first, _ in pairs], [[f" {second}"] for _, second in pairs]
    tokens = scorer.continuation_logprobs(stems, continuations, per_token=True)
    rows = [{"text": i, "tokens": len(t[0]), "logprob": float(np.sum(t[0]))} for i, t in enumerate(tokens)]
    return pd.DataFrame(rows)


def choice_rates(scorer: Scorer, study: Study, materials: Materials) -> dict[str, float]:
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
