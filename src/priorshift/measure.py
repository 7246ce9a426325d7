"""One run -> tidy tables: what the adapter expects, beside what its base model expects.

Shifts are in nats of log-odds, divergences in bits. The log-odds of an outcome set its
candidates against all other candidates of the item; `covered_mass` says how much probability the
candidates hold together.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from priorshift.divergence import jsd, restricted_jsd
from priorshift.extraction import Scorer
from priorshift.items import ProbeItem, probe_items
from priorshift.materials import Materials
from priorshift.params import Study
from priorshift.sections import Probes


@dataclass(frozen=True)
class Measured:
    """What one state of a model (base or adapter) expects at every item.

    Attributes
    ----------
    class_logprobs : item -> class -> logprob of the class (log-sum-exp over its continuations)
    next_token : float32 [n_items, V], logprobs at each stem's end
    merged : items in which the tokenizer merges stem and continuation
    """

    class_logprobs: list[dict[str, float]]
    next_token: np.ndarray
    merged: frozenset[int]


def measure_model(scorer: Scorer, items: list[ProbeItem]) -> Measured:
    """Score every item under the model's current state."""
    flat = [[text for group in item.candidates.values() for text in group] for item in items]
    scores = scorer.continuation_logprobs([item.stem for item in items], flat)
    merged = scorer.merged_stems
    class_logprobs = []
    for item, values in zip(items, scores, strict=True):
        at, masses = 0, {}
        for name, group in item.candidates.items():
            masses[name] = float(logsumexp(np.asarray(values[at : at + len(group)], dtype=float)))
            at += len(group)
        class_logprobs.append(masses)
    return Measured(class_logprobs, scorer.next_token_logprobs([item.stem for item in items]), merged)


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
                    "probability": np.exp(value - covered),
                    "base_probability": np.exp(before[outcome] - base_covered),
                    "shift": odds[outcome] - base_odds[outcome],
                    "covered_mass": np.exp(covered),
                    "base_covered_mass": np.exp(base_covered),
                    "ambiguous": i in base.merged,
                }
            )
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
