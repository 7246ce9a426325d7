"""Stems and continuations -> logprobs: the probability core.

A prompt's tokens go through the model once, whatever the number of continuations, wherever that gives
the numbers of plain one-by-one scoring; elsewhere plain scoring, still batched. See `Scorer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.errors import RunError, UserError
from priorshift.probability.encoder import Encoder, longest_input
from priorshift.probability.fast_path import Path, choose_path
from priorshift.probability.forward import Forward
from priorshift.probability.streams import listed, paired, windows
from priorshift.probability.token_tree import Row, Tokens, plain_rows, stem_row, tree_rows

logger = logging.getLogger("priorshift")

# Stems held at a time: enough to find others of like length, few enough to stay small.
WINDOW = 256
# Values in one block of next-token logprobs (128 MB in float32).
BLOCK = 2**25


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
        Prove the fast path on a few stems now. Without proof there is no fast path.
    progress : bool
        Show a progress bar.

    Attributes
    ----------
    path : {"prompt_once", "plain"}
    reason : str
        Why this path; the pipeline records it in measured.json.
    counts : dict
        "forwards", "computed_tokens" (with padding), "read_tokens" (without), since construction.

    Notes
    -----
    BOS is added if and only if the tokenizer would add it; a leading space belongs to the continuation.
    Logprobs are natural logs of a float32 softmax. Prompt-once scoring reads the stem and a trie of its
    continuations as one sequence under a tree mask (as in SpecInfer, arXiv 2305.09781, section 4).

    Examples
    --------
    A model whose weights are all zero finds every token equally likely:

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> words = Tokenizer(models.WordLevel({"<unk>": 0, "it": 1, "was": 2, "fine": 3}, unk_token="<unk>"))
    >>> words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    >>> shape = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=4, **shape))
    >>> for weight in model.parameters():
    ...     _ = weight.data.zero_()
    >>> scorer = Scorer(model, tokenizer)
    >>> scorer.path
    'prompt_once'
    >>> [scores] = scorer.continuation_logprobs(["it was"], [" fine", " fine it was"])
    >>> (scores / np.log(1 / 4)).round(4)
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
        longest = longest_input(model.config)
        self.progress = progress
        self._encoder = Encoder(tokenizer, longest, on_merge, read)
        self._forward = Forward(model, token_budget)
        self._path = choose_path(self._forward, longest) if prove else Path("plain", "prompt-once was not proved")
        if prove and self.path == "plain":
            logger.warning("plain scoring: %s", self.reason)

    @property
    def path(self) -> str:
        return self._path.name

    @property
    def reason(self) -> str:
        return self._path.reason

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
            V is the width of the model's logits.

        Raises
        ------
        UserError
            A stem is empty or too long; the message says which.
        RunError
            The model gave NaN or infinity, or memory ran out for a single stem.

        Examples
        --------
        >>> from priorshift.models.base import load_base
        >>> from priorshift.study.sections import BaseModelParams
        >>> base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
        >>> scorer = Scorer(base.model, base.tokenizer)
        >>> logprobs = scorer.next_token_logprobs(["Nora", "Nora felt"])
        >>> logprobs.shape == (2, base.model.config.vocab_size), np.exp(logprobs).sum(axis=1).round(3)
        (True, array([1., 1.], dtype=float32))
        """
        stems = list(listed(stems, "stems"))
        out = np.empty((len(stems), self._forward.vocabulary), dtype=np.float32)
        for start, block in self.iter_next_token_logprobs(stems):
            out[start : start + len(block)] = block
        return out

    def iter_next_token_logprobs(self, stems: Iterable[str]) -> Iterator[tuple[int, np.ndarray]]:
        """`next_token_logprobs` in blocks and flat memory: (number of the first stem, float32 [n, V]).

        Examples
        --------
        >>> from priorshift.models.base import load_base
        >>> from priorshift.study.sections import BaseModelParams
        >>> base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
        >>> scorer = Scorer(base.model, base.tokenizer)
        >>> blocks = scorer.iter_next_token_logprobs("Nora" for _ in range(300))
        >>> [(start, len(block)) for start, block in blocks]
        [(0, 256), (256, 44)]
        """
        stems = listed(stems, "stems")
        width = self._forward.vocabulary
        with self._bar(stems) as bar:
            for start, window in windows(stems, max(1, min(WINDOW, BLOCK // width))):
                encoded = [stem for stem, _ in self._encoder.encode(window, [()] * len(window), start)]
                lines = {stem: line for line, stem in enumerate(dict.fromkeys(encoded))}
                block = np.empty((len(lines), width), dtype=np.float32)
                rows = [stem_row(stem, line) for stem, line in lines.items()]
                self._distribute(rows, block)
                order = [lines[stem] for stem in encoded]
                block = block if len(lines) == len(encoded) else block[order]
                _check_finite(np.isfinite(block).all(axis=1), start)
                bar.update(len(window))
                yield start, block

    def continuation_logprobs(
        self,
        stems: Sequence[str],
        continuations: Sequence[str] | Sequence[Sequence[str]],
        per_token: bool = False,
    ) -> list[np.ndarray] | list[list[np.ndarray]]:
        """Logprobs (nats) of each continuation after its stem, summed over the continuation's tokens.

        Parameters
        ----------
        stems : sequence of str, N
        continuations : sequence of str, or N sequences of str
            One list for all stems, or one list for each.
        per_token : bool
            Return each token's logprob instead of their sum.

        Returns
        -------
        list of N float64 arrays [C_i]; with `per_token`, N lists of C_i float64 arrays [tokens]
            In the order given. NaN only for a continuation dropped by ``on_merge="drop"``.

        Raises
        ------
        UserError
            A text is empty, too long, or merges with its stem; the message says which.
        RunError
            The model gave NaN or infinity, or memory ran out for a single stem.

        Examples
        --------
        >>> from priorshift.models.base import load_base
        >>> from priorshift.study.sections import BaseModelParams
        >>> base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
        >>> scorer = Scorer(base.model, base.tokenizer)
        >>> [scores] = scorer.continuation_logprobs(["Nora"], [" felt", " felt fine"])
        >>> [[felt, felt_fine]] = scorer.continuation_logprobs(["Nora"], [" felt", " felt fine"], per_token=True)
        >>> len(felt_fine), bool(felt_fine[0] == felt[0]), bool(np.isclose(felt_fine.sum(), scores[1]))
        (2, True, True)
        """
        stems = list(listed(stems, "stems"))
        blocks = self.iter_continuation_logprobs(stems, continuations, per_token)
        return [scores for _, block in blocks for scores in block]

    def first_tokens(
        self, stems: Sequence[str], continuations: Sequence[str] | Sequence[Sequence[str]]
    ) -> list[list[int]]:
        """The first token of each continuation after its stem, as it is scored; -1 for a dropped one.

        Parameters and errors are those of `continuation_logprobs`.

        Examples
        --------
        >>> from priorshift.models.base import load_base
        >>> from priorshift.study.sections import BaseModelParams
        >>> base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
        >>> scorer = Scorer(base.model, base.tokenizer)
        >>> [[felt, felt_fine]] = scorer.first_tokens(["Nora"], [" felt", " felt fine"])
        >>> felt == felt_fine
        True
        """
        stems = list(listed(stems, "stems"))
        self._encoder.forget_merges()
        found = []
        for start, window in windows(paired(stems, continuations), WINDOW):
            encoded = self._encoder.encode(*zip(*window, strict=True), start)
            found += [[ids[0] if ids else -1 for ids in branches] for _, branches in encoded]
        return found

    def iter_continuation_logprobs(
        self,
        stems: Iterable[str],
        continuations: Sequence[str] | Iterable[Sequence[str]],
        per_token: bool = False,
    ) -> Iterator[tuple[int, list]]:
        """`continuation_logprobs` in blocks and flat memory: (number of the first stem, list of n).

        `stems`, and the lists of continuations where each stem has its own, may be generators.

        Examples
        --------
        >>> from priorshift.models.base import load_base
        >>> from priorshift.study.sections import BaseModelParams
        >>> base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
        >>> scorer = Scorer(base.model, base.tokenizer)
        >>> blocks = scorer.iter_continuation_logprobs(("Nora" for _ in range(300)), [" felt", " felt fine"])
        >>> [(start, len(block)) for start, block in blocks]
        [(0, 256), (256, 44)]
        """
        stems = listed(stems, "stems")
        self._encoder.forget_merges()
        with self._bar(stems) as bar:
            for start, window in windows(paired(stems, continuations), WINDOW):
                texts, branches = zip(*window, strict=True)
                scores = self._score(self._encoder.encode(texts, branches, start), start, per_token)
                bar.update(len(window))
                yield start, scores

    def _score(self, encoded: list[tuple[Tokens, tuple[Tokens, ...]]], start: int, per_token: bool) -> list:
        """Scores of one window; equal stems, and equal continuations of a stem, are computed once."""
        groups: dict[Tokens, dict[Tokens, int]] = {}
        lengths: list[int] = []
        for stem, continuations in encoded:
            known = groups.setdefault(stem, {})
            for tokens in continuations:
                if tokens and tokens not in known:
                    known[tokens] = len(lengths)
                    lengths.append(len(tokens))
        ends = np.cumsum(lengths, dtype=np.int64)
        values = np.full(sum(lengths), np.nan)
        rows = [(stem, list(known), (ends - lengths)[list(known.values())]) for stem, known in groups.items() if known]
        self._look_up(rows, values)
        # Number -1 is a dropped continuation.
        tokens = [*np.split(values, ends[:-1]), np.array([np.nan])]
        sums = np.array([*(np.add.reduceat(values, ends - lengths) if lengths else ()), np.nan])
        scores, finite = [], []
        for stem, continuations in encoded:
            chosen = [groups[stem][ids] if ids else -1 for ids in continuations]
            finite.append(np.isfinite(sums[[i for i in chosen if i >= 0]]).all())
            scores.append([tokens[i] for i in chosen] if per_token else sums[chosen])
        _check_finite(finite, start)
        return scores

    def _look_up(self, items: list[tuple[Tokens, list[Tokens], np.ndarray]], values: np.ndarray) -> None:
        fast: list[Row] = []
        plain: list[Row] = []
        for item in items:
            rows = tree_rows(*item, self._path.longest) if self.path == "prompt_once" else None
            if rows is None:
                plain += plain_rows(*item)
            else:
                fast += rows
        self._forward.lookup(fast, values, plain=False)
        self._forward.lookup(plain, values, plain=True)

    def _distribute(self, rows: list[Row], block: np.ndarray) -> None:
        limit = self._path.longest
        fits = [self.path == "prompt_once" and (limit is None or len(row.ids) <= limit) for row in rows]
        for plain in (False, True):
            chosen = [row for row, fit in zip(rows, fits, strict=True) if fit != plain]
            self._forward.distributions(chosen, block, plain)

    def _bar(self, stems: Iterable[str]) -> tqdm:
        total = len(stems) if hasattr(stems, "__len__") else None
        return tqdm(total=total, unit="stem", disable=not self.progress)


def _check_finite(finite: Sequence[bool], start: int) -> None:
    bad = np.flatnonzero(~np.asarray(finite))
    if len(bad):
        raise RunError(f"the model gave NaN or infinity for stem {start + bad[0]} (and {len(bad) - 1} more)")
