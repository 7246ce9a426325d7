"""Text -> tokens, with the stem's end and the continuation's start kept apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from priorshift.errors import UserError
from priorshift.probability.token_tree import Tokens

logger = logging.getLogger("priorshift")

MERGE_POLICIES = ("error", "report", "drop")
# Stems remembered with their tokens; adapters are compared on the same stems again and again.
REMEMBERED = 2048
# Merges kept one by one for the report of a call; of those beyond it only their stems are.
LISTED = 1000


class Encoder:
    """Encodes stems and continuations for one tokenizer.

    A continuation's tokens are those that follow the stem's own tokens when both are tokenized as one
    text. Special tokens that the tokenizer puts before a text (BOS) are put before the stem, and no others.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    max_length : int or None
        The longest text, in tokens, that the model reads.
    on_merge : {"error", "report", "drop"}
        What to do where stem and continuation share a token. "report" scores the continuation's own
        tokens after the stem's own; "drop" gives NaN. Both list the item in `merges` (the first
        `LISTED`) and in `merged_stems` (all), and log a warning.
    read : callable, str -> str
        What the model reads of a stem.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int | None,
        on_merge: str = "error",
        read: Callable[[str], str] = str,
    ) -> None:
        if on_merge not in MERGE_POLICIES:
            raise UserError(f"on_merge={on_merge!r}: expected one of {', '.join(MERGE_POLICIES)}")
        self.tokenizer, self.max_length, self.on_merge, self.read = tokenizer, max_length, on_merge, read
        self.prefix = _special_prefix(tokenizer)
        self.merges: list[tuple[int, int]] = []
        self.n_merges = 0
        self.merged_stems: set[int] = set()
        self._known: dict[tuple[str, tuple[str, ...]], tuple[Tokens, tuple[Tokens, ...]]] = {}
        self._shared: dict[tuple[Tokens, ...], tuple[Tokens, ...]] = {}

    def forget_merges(self) -> None:
        """Start the list of merges anew, as each call of the scorer does."""
        self.merges, self.n_merges, self.merged_stems = [], 0, set()

    def encode(
        self, stems: Sequence[str], continuations: Sequence[Sequence[str]], first: int
    ) -> list[tuple[Tokens, tuple[Tokens, ...]]]:
        """Tokens of each stem and of its continuations; an empty tuple is a dropped continuation.

        `first` is the number of the first stem, for messages.
        """
        keys = [(stem, tuple(texts)) for stem, texts in zip(stems, continuations, strict=True)]
        # A stem with a merge is never remembered, so that each call reports it.
        found = {key: self._known[key] for key in keys if key in self._known}
        new = [i for i, key in enumerate(keys) if key not in found]
        for i in new:
            _check_texts(first + i, *keys[i])
        texts = {i: self.read(keys[i][0]) for i in new}
        own = iter(self._tokenize(list(texts.values())))
        joint = iter(self._tokenize([texts[i] + text for i in new for text in keys[i][1]]))
        encoded = []
        for i, key in enumerate(keys):
            if key in found:
                encoded.append(found[key])
                continue
            stem = self.prefix + next(own)
            merges = self.n_merges
            ids = self._split(first + i, key, stem, [self.prefix + next(joint) for _ in key[1]])
            encoded.append((stem, self._shared.setdefault(ids, ids)))
            if self.n_merges == merges:
                self._remember(key, encoded[-1])
        return encoded

    def _remember(self, key: tuple[str, tuple[str, ...]], value: tuple[Tokens, tuple[Tokens, ...]]) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
            self._shared.clear()
        self._known[key] = value

    def _tokenize(self, texts: list[str]) -> list[Tokens]:
        if not texts:
            return []
        options = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
        ids = self.tokenizer(texts, add_special_tokens=False, **options)["input_ids"]
        return [tuple(row) for row in ids]

    def _split(
        self, item: int, texts: tuple[str, tuple[str, ...]], stem: Tokens, joint: list[Tokens]
    ) -> tuple[Tokens, ...]:
        text, continuations = texts
        if len(stem) == len(self.prefix):
            raise UserError(f"stem {item} ({_short(text)}) has no token for this tokenizer")
        self._check_length(f"stem {item} ({_short(text)})", len(stem))
        split = []
        for j, (continuation, ids) in enumerate(zip(continuations, joint, strict=True)):
            if ids[: len(stem)] == stem:
                tail = ids[len(stem) :]
            else:
                tail = self._merged(item, j, text, continuation)
                if not tail and self.on_merge == "drop":
                    split.append(())
                    continue
            where = f"stem {item}, continuation {j} ({_short(continuation)})"
            if not tail:
                raise UserError(f"{where} adds no token to the stem")
            self._check_length(where, len(stem) + len(tail))
            split.append(tail)
        return tuple(split)

    def _merged(self, item: int, j: int, stem: str, continuation: str) -> Tokens:
        where = f"stem {item} ({_short(stem, tail=True)}), continuation {j} ({_short(continuation)})"
        if self.on_merge == "error":
            raise UserError(
                f"{where}: the tokenizer merges across the boundary; move the space to the continuation's "
                "start, or score it by its own tokens (on_merge='report'; in a study "
                "exclusion.ambiguous_tokenization: true)"
            )
        if not self.n_merges:
            fate = "dropped (NaN)" if self.on_merge == "drop" else "scored by its own tokens"
            logger.warning("%s: merged across the boundary, %s; see `merges` for others", where, fate)
        self.n_merges += 1
        self.merged_stems.add(item)
        if len(self.merges) < LISTED:
            self.merges.append((item, j))
        return () if self.on_merge == "drop" else self._tokenize([continuation])[0]

    def _check_length(self, where: str, length: int) -> None:
        if self.max_length is not None and length > self.max_length:
            raise UserError(f"{where} has {length} tokens, and the model reads at most {self.max_length}")


def longest_input(config: PretrainedConfig) -> int | None:
    """The most tokens that a model reads by its configuration, or None where it names no limit.

    Examples
    --------
    >>> from transformers import LlamaConfig
    >>> longest_input(LlamaConfig(max_position_embeddings=512))
    512
    """
    text = config.get_text_config(decoder=True)
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"):
        value = getattr(text, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _special_prefix(tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """The special tokens that the tokenizer puts before a text (BOS, as a rule), without those after it."""
    for text in ("a", " a", "0", "the"):
        bare = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        full = tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"]
        for start in range(len(full) - len(bare) + 1):
            if bare and full[start : start + len(bare)] == bare:
                return tuple(full[:start])
    raise UserError(f"cannot tell which special tokens {type(tokenizer).__name__} puts before a text")


def _check_texts(item: int, stem: str, continuations: tuple[str, ...]) -> None:
    if not isinstance(stem, str):
        raise UserError(f"stem {item} is a {type(stem).__name__}, not text")
    if not stem:
        raise UserError(f"stem {item} is empty")
    for j, text in enumerate(continuations):
        if not isinstance(text, str):
            raise UserError(f"stem {item}, continuation {j} is a {type(text).__name__}, not text")
        if not text:
            raise UserError(f"stem {item}, continuation {j} is empty")


def _short(text: str, tail: bool = False) -> str:
    if len(text) <= 40:
        return repr(text)
    return repr("..." + text[-37:] if tail else text[:37] + "...")
