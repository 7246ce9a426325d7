"""Text as a base model reads it: as it stands, or in turns by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from tokenizers import processors
from transformers import PreTrainedTokenizerBase

from priorshift.errors import ParamsError
from priorshift.study.sections import BaseModelParams

Read = Callable[[str], str]

# Some templates tell the model today's date: here it is the same on every day.
DATE = datetime(2024, 7, 26)
GO_ON = "Continue this text:\n\n"
BEGIN = "Write a short text."


def turns(text: str) -> list[dict[str, str]]:
    """A user's turn with all sentences but the last, and the assistant's turn, which begins with the last.

    Examples
    --------
    >>> [turn["content"] for turn in turns("The bus was late. Nora decided to")]
    ['Continue this text:\\n\\nThe bus was late.', 'Nora decided to']
    >>> turns("The morning began with")[0]["content"]
    'Write a short text.'
    """
    ends = [match.end() for match in re.finditer(r"[.?!][\"')]*\s+(?=\S)", text)]
    before, last = (text[: ends[-1]].rstrip(), text[ends[-1] :]) if ends else ("", text)
    asked = GO_ON + before if before else BEGIN
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": last}]


def reader(tokenizer: PreTrainedTokenizerBase, params: BaseModelParams) -> Read:
    """Text -> what the model reads of it: a function that the tokenizer's answer is right for.

    In chat style every special token comes from the template, and `tokenizer` is changed to add none of its own:
    no text begins with two BOS.

    Raises
    ------
    ParamsError
        When the model has no chat template, or one in which the assistant's turn cannot be gone on with.
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
        return fill(turns(text), tokenize=False)

    example = "The bus was late. Nora decided to"
    try:
        shown = read(example)
        ids = fill(turns(example), return_dict=False)
    except Exception as problem:  # a template is a program and fails in its own way
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        raise ParamsError(f"{where} the template of {params.source!r} fails ({reason}); use raw") from None
    if not shown.endswith("Nora decided to") or tokenizer(shown)["input_ids"] != list(ids):
        raise ParamsError(
            f"{where} the template of {params.source!r} lets no assistant's turn go on ({shown[-40:]!r}); use raw"
        )
    return read
