"""Text -> tokens: the stem's end and the continuation's start kept apart, and no end of text after either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from priorshift.errors import UserError, quote
from priorshift.probability.token_tree import Tokens

logger = logging.getLogger("priorshift")

MERGE_POLICIES = ("error", "report", "drop")
# Stems remembered with their tokens. Adapters are compared on the same stems again and again.
REMEMBERED = 2048
# Merges kept one by one for the report of a call. Of those beyond it only their stems are.
LISTED = 1000


class MergeError(UserError):
    """A token spans the end of a stem and the start of its continuation."""


class EncodedStem(NamedTuple):
    """Tokens of a stem and of its continuations. An empty tuple is a dropped continuation."""

    stem: Tokens
    continuations: tuple[Tokens, ...]


class Encoder:
    """Encodes stems and continuations for one tokenizer.

    A continuation's tokens are those that follow the stem's own tokens when both are tokenized as one
    text. Special tokens are put where `tokenize_without_end` puts them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    longest : int or None
        The longest text, in tokens, that the model reads; None for any length.
    on_merge : {"error", "report", "drop"}
        What to do where stem and continuation share a token. "report" scores the continuation's own
        tokens after the stem's own; "drop" gives NaN. Both list the item in `merges` (the first
        `LISTED`) and in `merged_stems` (all), and log a warning.
    read : callable, str -> str
        What the model reads of a stem.
    vocabulary : int, optional
        How many tokens the model has embeddings for; None for any number.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        longest: int | None,
        on_merge: str = "error",
        read: Callable[[str], str] = str,
        vocabulary: int | None = None,
    ) -> None:
        if on_merge not in MERGE_POLICIES:
            raise UserError(f"on_merge={on_merge!r}: expected one of {', '.join(MERGE_POLICIES)}")
        self.tokenizer, self.longest, self.on_merge, self.read = tokenizer, longest, on_merge, read
        self.vocabulary = vocabulary
        self.prefix = find_special_prefix(tokenizer)
        self.merges: list[tuple[int, int]] = []
        self.n_merges = 0
        self.merged_stems: set[int] = set()
        self._known: dict[tuple[str, tuple[str, ...]], EncodedStem] = {}
        self._shared: dict[tuple[Tokens, ...], tuple[Tokens, ...]] = {}

    def forget_merges(self) -> None:
        """Start the list of merges anew, as each call of the scorer does."""
        self.merges, self.n_merges, self.merged_stems = [], 0, set()

    def encode(self, pairs: Sequence[tuple[str, Sequence[str]]], first: int) -> list[EncodedStem]:
        """Tokens of each stem and of its continuations.

        Parameters
        ----------
        pairs : sequence of (stem, continuations)
        first : int
            The number of the first stem, for errors and `merges`.

        Raises
        ------
        MergeError
            Stem and continuation share a token, and `on_merge` is "error".
        UserError
            A text is empty, is no text, is too long or has no token; the message says which.
        """
        keys = [(stem, tuple(texts)) for stem, texts in pairs]
        # A stem with a merge is never remembered, so that each call reports it.
        found = {key: self._known[key] for key in keys if key in self._known}
        new = [i for i, key in enumerate(keys) if key not in found]
        for i in new:
            _check_texts(first + i, *keys[i])
        texts = {i: self.read(keys[i][0]) for i in new}
        own = iter(_tokenize(self.tokenizer, list(texts.values())))
        joint = iter(_tokenize(self.tokenizer, [texts[i] + text for i in new for text in keys[i][1]]))
        encoded = []
        for i, key in enumerate(keys):
            if key in found:
                encoded.append(found[key])
                continue
            stem = self.prefix + next(own)
            merges = self.n_merges
            ids = self._split(first + i, key, stem, [self.prefix + next(joint) for _ in key[1]])
            encoded.append(EncodedStem(stem, self._shared.setdefault(ids, ids)))
            if self.n_merges == merges:
                self._remember(key, encoded[-1])
        return encoded

    def _remember(self, key: tuple[str, tuple[str, ...]], value: EncodedStem) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
            self._shared.clear()
        self._known[key] = value

    def _split(
        self, item: int, texts: tuple[str, tuple[str, ...]], stem: Tokens, joint: list[Tokens]
    ) -> tuple[Tokens, ...]:
        text, continuations = texts
        split: list[Tokens] = []
        if len(stem) == len(self.prefix):
            raise UserError(f"stem {item} ({quote(text)}) has no token for this tokenizer; expected at least one")
        self._check_length(f"stem {item} ({quote(text)})", len(stem))
        self._check_embeddings(f"stem {item} ({quote(text)})", stem)
        for j, (continuation, ids) in enumerate(zip(continuations, joint, strict=True)):
            if ids[: len(stem)] == stem:
                tail = ids[len(stem) :]
            else:
                tail = self._record_merge(item, j, text, continuation)
                if not tail and self.on_merge == "drop":
                    split.append(())
                    continue
            where = f"stem {item}, continuation {j} ({quote(continuation)})"
            if not tail:
                raise UserError(f"{where} adds no token to the stem; expected at least one")
            self._check_length(where, len(stem) + len(tail))
            self._check_embeddings(where, tail)
            split.append(tail)
        return tuple(split)

    def _record_merge(self, item: int, j: int, stem: str, continuation: str) -> Tokens:
        where = f"stem {item} ({quote(stem, tail=True)}), continuation {j} ({quote(continuation)})"
        if self.on_merge == "error":
            raise MergeError(
                f"{where}: the tokenizer merges across the boundary; move the space to the continuation's "
                "start, or score it by its own tokens (on_merge='report')"
            )
        if not self.n_merges:
            fate = "dropped (NaN)" if self.on_merge == "drop" else "scored by its own tokens"
            logger.warning("%s: merged across the boundary, %s; see `merges` for others", where, fate)
        self.n_merges += 1
        self.merged_stems.add(item)
        if len(self.merges) < LISTED:
            self.merges.append((item, j))
        return () if self.on_merge == "drop" else _tokenize(self.tokenizer, [continuation])[0]

    def _check_length(self, where: str, length: int) -> None:
        if self.longest is not None and length > self.longest:
            raise UserError(f"{where} has {length} tokens, and the model reads at most {self.longest}; shorten it")

    def _check_embeddings(self, where: str, tokens: Tokens) -> None:
        if self.vocabulary is not None and max(tokens) >= self.vocabulary:
            name = self.tokenizer.convert_ids_to_tokens(max(tokens))
            raise UserError(
                f"{where} has the token {name!r} ({max(tokens)}), and the model embeds {self.vocabulary} tokens; "
                "take the model's own tokenizer, or reword it"
            )


def find_longest_input(config: PretrainedConfig) -> int | None:
    """The most tokens that a model reads by its configuration, or None where it names no limit.

    Examples
    --------
    >>> from transformers import LlamaConfig
    >>> find_longest_input(LlamaConfig(max_position_embeddings=512))
    512
    """
    text = config.get_text_config(decoder=True)
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"):
        value = getattr(text, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def find_special_prefix(tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """The special tokens that a tokenizer puts before a text (BOS, as a rule), without those after it.

    Raises
    ------
    UserError
        A text's own tokens are not found among those with special tokens.

    Examples
    --------
    >>> from priorshift.probability.uniform_model import make_uniform_model
    >>> _, tokenizer = make_uniform_model(["it", "was"])
    >>> find_special_prefix(tokenizer)
    ()
    """
    for text in ("a", " a", "0", "the"):
        bare = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        full = tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"]
        for start in range(len(full) - len(bare) + 1):
            if bare and full[start : start + len(bare)] == bare:
                return tuple(full[:start])
    raise UserError(
        f"tokenizer={type(tokenizer).__name__}: cannot tell which special tokens it puts before a text; "
        "expected one that leaves a text's own tokens as they are"
    )


def tokenize_without_end(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Tokens]:
    """Tokens of texts that go on: the tokenizer's special tokens before each (BOS), and none after it (EOS).

    Some tokenizers end every text with EOS. A model that reads it expects no continuation.

    Returns
    -------
    list of tokens, one per text

    Raises
    ------
    UserError
        As `find_special_prefix`.

    Examples
    --------
    >>> from priorshift.probability.uniform_model import make_uniform_model
    >>> _, tokenizer = make_uniform_model(["it", "was"])
    >>> tokenize_without_end(tokenizer, ["it was", "was"])
    [(1, 2), (2,)]
    """
    prefix = find_special_prefix(tokenizer)
    return [prefix + tokens for tokens in _tokenize(tokenizer, texts)]


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Tokens]:
    if not texts:
        return []
    options = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
    return [tuple(row) for row in tokenizer(list(texts), add_special_tokens=False, **options)["input_ids"]]


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
