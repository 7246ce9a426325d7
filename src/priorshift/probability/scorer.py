"""Stems and continuations -> logprobs. See `Scorer`.

A stem's tokens go through the model once, whatever the number of continuations, wherever that gives the numbers of
plain one-by-one scoring. Elsewhere plain scoring is done in batches. It goes on from the stem's cache where that gives
the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

import numpy as np
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.errors import UserError
from priorshift.probability.block_logprobs import ContinuationLogprobs, compute_continuations, compute_distributions
from priorshift.probability.encoder import EncodedStem, Encoder, find_longest_input
from priorshift.probability.forward import Forward
from priorshift.probability.padded_vocabulary import PaddingWatch, count_tokens
from priorshift.probability.prompt_once import Method, choose_method
from priorshift.probability.streams import check_list, join_continuations, split_blocks
from priorshift.probability.token_tree import Tokens

logger = logging.getLogger("priorshift")

# Stems of one block: enough to find others of like length, few enough to stay small.
BLOCK_STEMS = 256
# Values in one block of next-token logprobs (128 MB in float32).
BLOCK_VALUES = 2**25


class Scorer:
    """Exact logprobs of next tokens and continuations under any causal language model.

    Parameters
    ----------
    model : PreTrainedModel or PeftModel
        Adapters may be switched between calls: no model state is kept.
    tokenizer : PreTrainedTokenizerBase
    read : callable, str -> str
        What the model reads of a stem: chat turns, say. A continuation follows what it returns.
    on_merge : {"error", "report", "drop"}
        Where the tokenizer merges the stem's end and the continuation's start into one token: raise,
        or score the continuation's own tokens, or give NaN. The last two log a warning and list
        (stem, continuation) in `merges`, anew for each call, up to a thousand; `merged_stems` has every stem.
    token_budget : int, optional
        Padded tokens per forward pass to begin with; halved where memory runs out.
    prove : bool
        Compare prompt-once scoring with one-by-one scoring on a few stems now. Without proof it is not used.
    progress : bool
        Show a progress bar.

    Attributes
    ----------
    method : {"prompt_once", "plain"}
    reason : str
        Why this method.
    counts : dict
        "forwards", "computed_tokens" (with padding), "read_tokens" (without), since construction.

    Notes
    -----
    BOS is added if and only if the tokenizer would add it. A leading space belongs to the continuation.
    Logprobs are natural logs of a float32 softmax. Prompt-once scoring reads the stem and a trie of its
    continuations as one sequence under a tree mask (as in SpecInfer, arXiv 2305.09781, section 4).

    Examples
    --------
    A model whose weights are all zero finds each of four tokens equally likely:

    >>> from priorshift.probability.uniform_model import make_uniform_model
    >>> model, tokenizer = make_uniform_model(["it", "was", "fine"])
    >>> scorer = Scorer(model, tokenizer)
    >>> scorer.method
    'prompt_once'
    >>> [logprobs] = scorer.continuation_logprobs(["it was"], [" fine", " fine it was"])
    >>> (logprobs / np.log(1 / 4)).round(4)
    array([1., 3.])
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        read: Callable[[str], str] = str,
        on_merge: str = "error",
        token_budget: int | None = None,
        prove: bool = True,
        progress: bool = False,
    ) -> None:
        if token_budget is not None and token_budget < 1:
            raise UserError(f"token_budget={token_budget}: expected a positive number of tokens")
        longest = find_longest_input(model.config)
        self.progress = progress
        self._forward = Forward(model, token_budget)
        self._encoder = Encoder(tokenizer, longest, on_merge, read, self._forward.n_embedded)
        self._padding = PaddingWatch(count_tokens(tokenizer))
        unproved = Method("plain", "prompt-once was not proved")
        self._method = choose_method(self._forward, longest) if prove else unproved
        if prove and self.method == "plain":
            logger.warning("plain scoring: %s", self.reason)

    @property
    def method(self) -> str:
        return self._method.name

    @property
    def reason(self) -> str:
        return self._method.reason

    @property
    def counts(self) -> dict[str, int]:
        return self._forward.counts

    @property
    def merges(self) -> list[tuple[int, int]]:
        return self._encoder.merges

    @property
    def merged_stems(self) -> frozenset[int]:
        return frozenset(self._encoder.merged_stems)

    def next_token_logprobs(self, stems: Sequence[str]) -> np.ndarray:
        """Logprobs (nats) of every token after each stem.

        Parameters
        ----------
        stems : sequence of str, N

        Returns
        -------
        logprobs : float32 [N, V]
            V is the width of the model's logits. Where that is more than the tokenizer's tokens and the rest holds
            probability, a warning says how much.

        Raises
        ------
        UserError
            A stem is empty or too long; the message says which.
        RunError
            The model gave NaN or infinity, or memory ran out for a single stem.

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> np.exp(scorer.next_token_logprobs(["it", "it was"]))
        array([[0.25, 0.25, 0.25, 0.25],
               [0.25, 0.25, 0.25, 0.25]], dtype=float32)
        """
        stems = list(check_list(stems, "stems"))
        out = np.empty((len(stems), self._forward.vocabulary), dtype=np.float32)
        for start, block in self.iter_next_token_logprobs(stems):
            out[start : start + len(block)] = block
        return out

    def iter_next_token_logprobs(self, stems: Iterable[str]) -> Iterator[tuple[int, np.ndarray]]:
        """`next_token_logprobs` in blocks and flat memory: (number of the first stem, float32 [n, V]).

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> [(start, len(block)) for start, block in scorer.iter_next_token_logprobs("it" for _ in range(300))]
        [(0, 256), (256, 44)]
        """
        size = max(1, min(BLOCK_STEMS, BLOCK_VALUES // self._forward.vocabulary))
        with self._show_progress(stems) as bar:
            for start, block in split_blocks(check_list(stems, "stems"), size):
                encoded = self._encoder.encode([(stem, ()) for stem in block], start)
                found = compute_distributions(self._forward, self._method, [each.stem for each in encoded], start)
                self._padding.look(found)
                yield start, found
                bar.update(len(block))

    def continuation_logprobs(
        self, stems: Sequence[str], continuations: Sequence[str] | Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """Logprobs (nats) of each continuation after its stem, summed over the continuation's tokens.

        Parameters
        ----------
        stems : sequence of str, N
        continuations : sequence of str, or N sequences of str
            One list for all stems, or one list for each.

        Returns
        -------
        list of N float64 arrays [C_i]
            In the order given. NaN only for a continuation dropped by ``on_merge="drop"``.

        Raises
        ------
        UserError
            A text is empty, too long, or merges with its stem; the message says which.
        RunError
            The model gave NaN or infinity, or memory ran out for a single stem.

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> scorer.continuation_logprobs(["it", "it was"], [[" was"], [" fine", " fine it"]])
        [array([-1.38629436]), array([-1.38629436, -2.77258873])]
        """
        stems = list(check_list(stems, "stems"))
        return [sums for _, block in self.iter_continuation_logprobs(stems, continuations) for sums in block]

    def iter_continuation_logprobs(
        self, stems: Iterable[str], continuations: Iterable[str] | Iterable[Sequence[str]]
    ) -> Iterator[tuple[int, list[np.ndarray]]]:
        """`continuation_logprobs` in blocks and flat memory: (number of the first stem, list of n arrays).

        `stems`, and the lists of continuations where each stem has its own, may be generators.

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> blocks = scorer.iter_continuation_logprobs(("it" for _ in range(300)), [" was", " was fine"])
        >>> [(start, len(block)) for start, block in blocks]
        [(0, 256), (256, 44)]
        """
        for start, block in self._iter_blocks(stems, continuations):
            yield start, [each.sums for each in block]

    def token_logprobs(
        self, stems: Sequence[str], continuations: Sequence[str] | Sequence[Sequence[str]]
    ) -> list[list[np.ndarray]]:
        """Logprobs (nats) of each token of each continuation after its stem.

        Parameters and errors are those of `continuation_logprobs`.

        Returns
        -------
        list of N lists of C_i float64 arrays [tokens]

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> scorer.token_logprobs(["it"], [" was", " was fine"])
        [[array([-1.38629436]), array([-1.38629436, -1.38629436])]]
        """
        stems = list(check_list(stems, "stems"))
        return [each.tokens for _, block in self._iter_blocks(stems, continuations) for each in block]

    def find_tokens(
        self, stems: Sequence[str], continuations: Sequence[str] | Sequence[Sequence[str]]
    ) -> list[tuple[Tokens, ...]]:
        """The tokens of each continuation after its stem, as it is scored. None for a dropped one.

        Parameters and errors are those of `continuation_logprobs`.

        Examples
        --------
        >>> from priorshift.probability.uniform_model import make_uniform_model
        >>> scorer = Scorer(*make_uniform_model(["it", "was", "fine"]))
        >>> scorer.find_tokens(["it"], [" was", " was fine"])
        [((2,), (2, 3))]
        """
        stems = list(check_list(stems, "stems"))
        return [each.continuations for _, block in self._iter_encoded(stems, continuations) for each in block]

    def _iter_blocks(
        self, stems: Iterable[str], continuations: Iterable[str] | Iterable[Sequence[str]]
    ) -> Iterator[tuple[int, list[ContinuationLogprobs]]]:
        with self._show_progress(stems) as bar:
            for start, encoded in self._iter_encoded(stems, continuations):
                yield start, compute_continuations(self._forward, self._method, encoded, start)
                bar.update(len(encoded))

    def _iter_encoded(
        self, stems: Iterable[str], continuations: Iterable[str] | Iterable[Sequence[str]]
    ) -> Iterator[tuple[int, list[EncodedStem]]]:
        self._encoder.forget_merges()
        for start, block in split_blocks(join_continuations(check_list(stems, "stems"), continuations), BLOCK_STEMS):
            yield start, self._encoder.encode(block, start)

    def _show_progress(self, stems: Iterable[str]) -> tqdm:
        total = len(stems) if isinstance(stems, Sized) else None
        return tqdm(total=total, unit="stem", disable=not self.progress)
