"""Which next tokens carry the divergence from the base model, and of which class they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from priorshift.probability.divergence import jsd_parts
from priorshift.probing.items import ProbeItem

SEVERAL, NONE = "several classes", "no class"
NAMED = 5  # tokens of each class that have a row of their own


def tabulate_tokens(
    items: Sequence[ProbeItem],
    first_tokens: Sequence[dict[str, frozenset[int]]],
    run: np.ndarray,
    base: np.ndarray,
    write_token: Callable[[int], str],
) -> pd.DataFrame:
    """Split the JSD at each item's stem by next token.

    A token belongs to the class whose continuations begin with it, to ``several classes``, or to ``no class``.

    Parameters
    ----------
    items : N
    first_tokens : item -> class -> first tokens of its continuations
    run, base : float [N, V]
        Logprobs (nats) of the next token at each stem's end.
    write_token : token -> its text

    Returns
    -------
    DataFrame
        family, ring, domain, item, token_class, text, jsd (bits). Each class has rows for the five tokens that hold
        most, and one without a text for all its others. An item's rows sum to its JSD.
    """
    write = cache(write_token)
    rows = []
    for item, classes, p, q in zip(items, first_tokens, run, base, strict=True):
        key = {"family": item.family, "ring": item.ring, "domain": item.domain, "item": item.item}
        parts = jsd_parts(p, q)
        for name, tokens in _group_tokens(classes, parts).items():
            named = tokens[_find_largest(parts[tokens], NAMED)]
            rows += [{**key, "token_class": name, "text": write(int(i)), "jsd": parts[i]} for i in named]
            rest = max(0.0, parts[tokens].sum() - parts[named].sum())
            rows.append({**key, "token_class": name, "text": "", "jsd": rest})
    return pd.DataFrame(rows)


def _group_tokens(classes: dict[str, frozenset[int]], parts: np.ndarray) -> dict[str, np.ndarray]:
    """Class -> its tokens. What begins no continuation is last."""
    known = Counter(token for tokens in classes.values() for token in tokens)
    shared = frozenset(token for token, count in known.items() if count > 1)
    groups = {**{name: tokens - shared for name, tokens in classes.items()}, SEVERAL: shared}
    rest = np.delete(np.arange(len(parts)), sorted(known))
    return {**{name: np.array(sorted(tokens), dtype=int) for name, tokens in groups.items()}, NONE: rest}


def _find_largest(values: np.ndarray, k: int) -> np.ndarray:
    """Places of the k largest values, the largest first. Sorting a whole vocabulary for each item would take long."""
    few = np.argpartition(-values, k)[:k] if len(values) > k else np.arange(len(values))
    return few[np.argsort(-values[few], kind="stable")]
