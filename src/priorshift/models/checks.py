"""What a base model cannot read: texts that are too long or have unknown words, and letters of several tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from priorshift.errors import RunError
from priorshift.models.base import BaseModel
from priorshift.models.lengths import Reading, check_lengths
from priorshift.probability.encoder import find_longest_input, tokenize_without_end


def check_texts(base: BaseModel, texts: Sequence[str]) -> None:
    """Refuse texts that the model cannot read: too long, with tokens it cannot embed, or words its tokenizer lacks.

    Raises
    ------
    RunError
        Naming the text and its length, or what stands before the unknown word.
    """
    longest, unknown = find_longest_input(base.model.config), base.tokenizer.unk_token_id
    check_lengths(base.name, base.tokenizer, str, longest, (Reading("a text", text) for text in texts))
    n_embedded = base.model.get_input_embeddings().weight.shape[0]
    for text, ids in zip(texts, tokenize_without_end(base.tokenizer, texts), strict=True):
        if ids and max(ids) >= n_embedded:
            token = base.tokenizer.convert_ids_to_tokens(max(ids))
            raise RunError(
                f"{base.name}: {text[:60]!r} has the token {token!r} ({max(ids)}), and the model embeds {n_embedded} "
                "tokens; reword it"
            )
    for text in texts if base.world else ():
        # A text may open a document or follow a space: the vocabulary has the tokens of its own places.
        found = [base.tokenizer(lead + text, add_special_tokens=False)["input_ids"] for lead in ("", " ")]
        if all(unknown in ids for ids in found):
            position = found[1].index(unknown)
            known = base.tokenizer.decode(found[1][:position])
            raise RunError(
                f"{base.name} does not know a word of {text!r} (after {known!r}); "
                "reword it, or build base models on these materials (docs/adding_a_behavior.md, step 2)"
            )


def check_letters(base: BaseModel, letters: Iterable[str]) -> None:
    """Refuse answer letters that are not one token each, different from one another.

    Raises
    ------
    RunError
        Naming the letter and its tokens.
    """
    before = base.read("The answer:")
    seen: dict[int, str] = {}
    for letter in letters:
        texts = [before, f"{before} {letter}", f"{before} {letter}."]
        start, *longer = tokenize_without_end(base.tokenizer, texts)
        alone, tail = (tokens[len(start) :] for tokens in longer)
        if len(alone) != 1 or tail[:1] != alone or alone[0] in seen:
            raise RunError(
                f"{base.name}: the answer letter {letter!r} is read as the tokens "
                f"{base.tokenizer.convert_ids_to_tokens(list(tail))}; expected one of its own: use answer: text"
            )
        seen[alone[0]] = letter
