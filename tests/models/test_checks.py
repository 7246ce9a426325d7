"""Texts and letters that a base model cannot read are refused by name."""

from __future__ import annotations

import pytest
from support.tiny_models import model_entry
from tokenizers import processors

from priorshift.errors import RunError, UserError
from priorshift.models.base import load_base
from priorshift.models.checks import check_letters, check_texts
from priorshift.study.sections import BaseModelParams


@pytest.fixture(scope="module")
def embedded():
    return load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))


def test_answer_letters_must_be_tokens_of_their_own(model_folders):
    base = load_base(model_entry(model_folders["llama"], "chat"))
    check_letters(base, ["A", "B", "C"])
    with pytest.raises(RunError, match=r"the answer letter 'Qj' is read as the tokens \["):
        check_letters(base, ["A", "Qj"])
    with pytest.raises(RunError, match="the answer letter 'A'"):
        check_letters(base, ["A", "A"])


def test_an_end_of_text_that_the_tokenizer_adds_is_no_part_of_a_letter(model_folders):
    base = load_base(model_entry(model_folders["llama"]))
    first, last = base.tokenizer.bos_token, base.tokenizer.eos_token
    special = [(token, base.tokenizer.convert_tokens_to_ids(token)) for token in (first, last)]
    base.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=special
    )
    check_letters(base, ["A", "B", "C"])


STRANGE = ["the \x07 bell", "\u05e9\u05dc\u05d5\u05dd at work", "work \U0001f600", "a\u202eb", "work\u2028rest"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_is_refused_in_one_line(embedded, text):
    with pytest.raises(UserError, match="does not know a word of") as caught:
        check_texts(embedded, [text])
    assert len(str(caught.value).splitlines()) == 1


def test_a_huge_stem_is_refused(embedded):
    huge = " and ".join(["The old project moves to another team"] * 100)
    with pytest.raises(
        UserError, match=r"'The old project .*'\) has 8\d\d tokens, and the model reads at most 512; "
    ) as caught:
        check_texts(embedded, ["The old project moves to another team.", huge])
    assert len(str(caught.value)) < 200


def test_a_text_as_long_as_the_input_is_taken(embedded):
    longest = embedded.model.config.max_position_embeddings
    tokens = len(embedded.tokenizer("the old project and")["input_ids"]) - len(embedded.tokenizer("the")["input_ids"])
    assert tokens == 3
    check_texts(embedded, ["the" + " old project and" * ((longest - 2) // 3)])
    with pytest.raises(RunError, match=f"reads at most {longest}"):
        check_texts(embedded, ["the" + " old project and" * (longest // 3 + 1)])
