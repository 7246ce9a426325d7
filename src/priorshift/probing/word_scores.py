"""Logprobs of many single words after a stem, at little more than the cost of the stem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from priorshift.probability.scorer import Scorer
from priorshift.probability.token_tree import Tokens
from priorshift.probing.items import ProbeItem

# A word of several tokens whose first token is less likely than this counts as never said: its mass is smaller still.
# Most are capitals inside a sentence. To read on from all of them takes a real model of 262,144 tokens four times as
# long. It changes a class's mass by a share of 2e-4 at most (12 stems).
NEGLIGIBLE = 1e-6


def score_words(
    scorer: Scorer, items: Sequence[ProbeItem], tokens: Sequence[Sequence[Tokens]], next_token: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Logprob (nats) of each item's words, in the order of its continuations.

    Words of one token stand in the distribution at the stem's end. Of longer ones those that may be said are scored
    together, in one token tree for each stem.

    Parameters
    ----------
    items : N
    tokens : N lists of the continuations' tokens
    next_token : N arrays [V] of logprobs at the stem's end

    Returns
    -------
    list of N float64 arrays [n_continuations]
        -inf where the first of several tokens has less than `NEGLIGIBLE`.
    """
    scores, asked = [], []
    for row, logprobs in zip(tokens, next_token, strict=True):
        found = logprobs[[ids[0] for ids in row]].astype(float)
        longer = np.array([len(ids) > 1 for ids in row])
        asked.append(np.flatnonzero(longer & (found >= np.log(NEGLIGIBLE))))
        found[longer] = -np.inf
        scores.append(found)
    chosen = [i for i, places in enumerate(asked) if len(places)]
    if chosen:
        texts = [[items[i].continuations[k] for k in asked[i]] for i in chosen]
        sums = scorer.continuation_logprobs([items[i].stem for i in chosen], texts)
        for i, found in zip(chosen, sums, strict=True):
            scores[i][asked[i]] = found
    return scores
