"""Text as a base model reads it: as it stands, or in turns by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from tokenizers import processors
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.errors import ParamsError
from priorshift.study.sections import BaseModelParams

# What a model reads of a text: the text itself, or the text in chat turns.
Reader = Callable[[str], str]

# Some templates tell the model today's date: here it is the same on every day.
DATE = datetime(2024, 7, 26)
GO_ON = "Continue this text:\n\n"
BEGIN = "Write a short text."
EXAMPLE = "The bus was late. Nora decided to"


def split_turns(text: str) -> list[dict[str, str]]:
    """Split a text into a user's turn, with all sentences but the last, and an assistant's, which begins with the last.

    Examples
    --------
    >>> [turn["content"] for turn in split_turns("The bus was late. Nora decided to")]
    ['Continue this text:\\n\\nThe bus was late.', 'Nora decided to']
    >>> split_turns("The morning began with")[0]["content"]
    'Write a short text.'
    """
    ends = [match.end() for match in re.finditer(r"[.?!][\"')]*\s+(?=\S)", text)]
    before, last = (text[: ends[-1]].rstrip(), text[ends[-1] :]) if ends else ("", text)
    request = GO_ON + before if before else BEGIN
    return [{"role": "user", "content": request}, {"role": "assistant", "content": last}]


def make_reader(tokenizer: PreTrainedTokenizerBase, params: BaseModelParams) -> Reader:
    """Make the function from a text to what the model reads of it.

    In chat style every special token comes from the template. So `tokenizer` is changed to add none of its own, and
    no text begins with two BOS.

    Raises
    ------
    ParamsError
        When the model has no chat template, or one whose assistant's turn cannot be left open.
    """
    if params.prompt_style == "raw":
        return str
    where = f"base_models: {params.name}: prompt_style is 'chat', and"
    if not tokenizer.chat_template:
        raise ParamsError(f"{where} {params.source!r} has no chat template; use raw, or an instruction-tuned model")
    if backend := getattr(tokenizer, "backend_tokenizer", None):
        backend.post_processor = processors.Sequence([])

    fill = partial(tokenizer.apply_chat_template, continue_final_message=True, strftime_now=DATE.strftime)

    def read(text: str) -> str:
        return fill(split_turns(text), tokenize=False)

    try:
        filled = read(EXAMPLE)
        ids = fill(split_turns(EXAMPLE), return_dict=False)
    except Exception as problem:  # a template is a program and fails in its own way
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        raise ParamsError(f"{where} the template of {params.source!r} fails ({reason}); use raw") from None
    if not filled.endswith("Nora decided to") or tokenizer(filled)["input_ids"] != list(ids):
        raise ParamsError(
            f"{where} the template of {params.source!r} lets no assistant's turn go on ({filled[-40:]!r}); use raw"
        )
    return read


def find_end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Find every token that ends a text: the generation config's, the chat turn's and the tokenizer's own."""
    declared = model.generation_config.eos_token_id
    ends = set(declared) if isinstance(declared, list) else {declared}
    return (ends | {_find_turn_end(tokenizer), tokenizer.eos_token_id}) - {None}


def _find_turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token with which the template closes an assistant's turn. None where there is none."""
    if not tokenizer.chat_template:
        return None
    turns = split_turns(EXAMPLE)
    try:
        closed = str(tokenizer.apply_chat_template(turns, tokenize=False, strftime_now=DATE.strftime))
    except Exception:  # a template is a program and fails in its own way, and raw texts do not need it
        return None
    _, found, after = closed.rpartition(turns[-1]["content"])
    ids = tokenizer(after, add_special_tokens=False)["input_ids"] if found else []
    added = tokenizer.added_tokens_decoder
    return next((token for token in ids if token in added and added[token].special), None)
