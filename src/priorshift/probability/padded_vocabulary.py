"""Models whose vocabulary is wider than their tokenizer's: the logits of no token may carry probability."""

from __future__ import annotations

import logging

import numpy as np
from transformers import PreTrainedTokenizerBase

logger = logging.getLogger("priorshift")

# The least probability beyond the tokenizer that is told: trained models give far less to rows that were never trained.
TOLD = 1e-4


def count_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokenizer's highest token number, plus 1: added tokens are counted, and gaps too.

    Examples
    --------
    >>> from priorshift.probability.uniform_model import make_uniform_model
    >>> count_tokens(make_uniform_model(["it", "was"])[1])
    3
    """
    return max(tokenizer.get_vocab().values()) + 1


class PaddingWatch:
    """Warns, once, where next-token distributions give probability to logits beyond the tokenizer's tokens.

    Parameters
    ----------
    n_tokens : how many tokens the tokenizer has

    Attributes
    ----------
    largest : the largest such probability of a distribution so far
    """

    def __init__(self, n_tokens: int) -> None:
        self.n_tokens, self.largest = n_tokens, 0.0

    def look(self, logprobs: np.ndarray) -> None:
        """Look through distributions.

        Parameters
        ----------
        logprobs : float [n, V], in nats
        """
        beyond = logprobs[:, self.n_tokens :]
        if not beyond.size:
            return
        told, mass = self.largest > TOLD, np.exp(beyond.astype(np.float64)).sum(-1)
        self.largest = max(self.largest, float(mass.max()))
        if self.largest > TOLD and not told:
            first = self.n_tokens + int(beyond[mass.argmax()].argmax())
            logger.warning(
                "logits beyond the tokenizer's %d tokens hold up to %.2g of the probability (most: %d of %d); take the "
                "model's own tokenizer, or lose it",
                self.n_tokens, self.largest, first, logprobs.shape[1],
            )  # fmt: skip
