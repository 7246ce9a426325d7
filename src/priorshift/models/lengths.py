"""Whether what a model reads at once is short enough for it: a stem, what follows it, and what is written after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from priorshift.errors import RunError, quote
from priorshift.models.chat import Reader
from priorshift.probability.encoder import find_special_prefix, tokenize_without_end
from priorshift.probability.token_tree import Tokens

# A continuation by itself may have a few tokens less than after its stem. Within so many of the limit both are counted.
SPARE = 8


@dataclass(frozen=True)
class Reading:
    """What a model reads at once.

    Attributes
    ----------
    what : what it is, for messages: "the stem of feeling/work/00"
    text : a stem, a prompt or a whole text
    continuations : of which each is read after it
    written : tokens that the model writes after it
    way_out : what can be done where it is too long
    """

    what: str
    text: str
    continuations: tuple[str, ...] = ()
    written: int = 0
    way_out: str = "shorten it"


def check_lengths(
    name: str, tokenizer: PreTrainedTokenizerBase, read: Reader, longest: int | None, readings: Iterable[Reading]
) -> None:
    """Refuse the first reading that is longer than the model's limit.

    Parameters
    ----------
    name : the base model's
    read : what the model reads of a text (see `chat`): the tokens of chat turns count too
    longest : tokens that the model reads at most; None for any number

    Raises
    ------
    RunError
        Naming the text, its tokens, the limit and the way out.
    """
    if longest is None:
        return
    unique = list(dict.fromkeys(readings))
    stems = _tokenize(tokenizer, {reading.text: read(reading.text) for reading in unique})
    groups = {reading.continuations for reading in unique}
    lengths = {c: len(own) for c, own in _tokenize(tokenizer, {c: c for group in groups for c in group}).items()}
    most = {group: max((lengths[c] for c in group), default=0) for group in groups}
    for reading in unique:
        stem = stems[reading.text]
        if len(stem) + most[reading.continuations] + reading.written + SPARE > longest:
            _check_exactly(name, tokenizer, read(reading.text), longest, reading, stem)


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: dict[str, str]) -> dict[str, Tokens]:
    return dict(zip(texts, tokenize_without_end(tokenizer, list(texts.values())), strict=True))


def _check_exactly(
    name: str, tokenizer: PreTrainedTokenizerBase, text: str, longest: int, reading: Reading, stem: Tokens
) -> None:
    """Count the longest continuation after its stem, as the scorer does."""
    length, after = len(stem), ""
    if reading.continuations:
        joint = tokenize_without_end(tokenizer, [text + each for each in reading.continuations])
        alone, special = tokenize_without_end(tokenizer, reading.continuations), len(find_special_prefix(tokenizer))
        # Where the two share a token, the scorer may set the continuation's own tokens after the stem's own.
        whole = [
            len(both) if both[: len(stem)] == stem else len(stem) + len(own) - special
            for both, own in zip(joint, alone, strict=True)
        ]
        length, chosen = max(zip(whole, reading.continuations, strict=True))
        after = f" and what follows it ({quote(chosen, 60)})"
    if reading.written:
        after += f" and the {reading.written} tokens that are written after it"
    if (length := length + reading.written) > longest:
        verb = "have" if after else "has"
        raise RunError(
            f"{name}: {reading.what} ({quote(reading.text, 60)}){after} {verb} {length} tokens, and the model reads at "
            f"most {longest}; {reading.way_out}"
        )
