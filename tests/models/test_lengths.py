"""A text is refused exactly where it has more tokens than the model reads, and the message says which and how many."""

from __future__ import annotations

import pytest
from support.causal_models import make_byte_tokenizer
from support.tiny_models import model_entry

from priorshift.errors import RunError
from priorshift.models.base import load_reader
from priorshift.models.lengths import Reading, check_lengths


def count(tokenizer, text):
    return len(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_the_limit_is_met_to_the_token(model_folders, family, style):
    tokenizer, read = load_reader(model_entry(model_folders[family], style))
    stem, after = "The bus was late. Nora decided to", (" stay", " stay inside and wait for all the others.")
    whole = count(tokenizer, read(stem) + after[1])
    assert whole > count(tokenizer, read(stem) + after[0]) > count(tokenizer, read(stem))
    for reading, length in [
        (Reading("the stem of a/b", stem, after), whole),
        (Reading("an opening", stem, (), 24), count(tokenizer, read(stem)) + 24),
        (Reading("a text", stem), count(tokenizer, read(stem))),
    ]:
        check_lengths("m", tokenizer, read, length, [reading])
        check_lengths("m", tokenizer, read, None, [reading])
        with pytest.raises(RunError) as caught:
            check_lengths("m", tokenizer, read, length - 1, [Reading("short", "So"), reading])
        said = str(caught.value)
        assert said.startswith(f"m: {reading.what} ('The bus was late. Nora") and said.endswith("; shorten it")
        assert f" {length} tokens, and the model reads at most {length - 1};" in said
        assert (repr(after[1]) in said) == bool(reading.continuations) and ("the 24 tokens" in said) == (
            reading.written > 0
        )


def test_a_token_of_both_stem_and_continuation_counts_as_it_is_scored():
    tokenizer = make_byte_tokenizer("<s> $A")
    stem, after = "Go t", "he"  # " the" is one token, and ("he",) is two of the continuation's own
    parts = count(tokenizer, stem) + count(tokenizer, after) - 1
    assert count(tokenizer, stem + after) < parts
    check_lengths("m", tokenizer, str, parts, [Reading("the stem", stem, (after,))])
    with pytest.raises(RunError, match=f"have {parts} tokens"):
        check_lengths("m", tokenizer, str, parts - 1, [Reading("the stem", stem, (after,))])


def test_a_long_text_is_named_in_a_short_line(model_folders):
    tokenizer, read = load_reader(model_entry(model_folders["llama"]))
    with pytest.raises(RunError) as caught:
        check_lengths("m", tokenizer, read, 512, [Reading("the stem", "word " * 4000, ("x " * 4000,))])
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
