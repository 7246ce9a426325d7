"""Chat turns are the model's own template, left open for the assistant, and a template that cannot be is refused."""

from __future__ import annotations

import shutil

import pytest
import torch
from support.tiny_models import FAMILIES, model_entry

from priorshift.errors import ParamsError
from priorshift.models.base import load_base, load_reader
from priorshift.models.chat import find_end_tokens, split_turns
from priorshift.probability.scorer import Scorer

STEM = "The bus to the school was late again. Nora thought:"


@pytest.mark.parametrize("family", FAMILIES)
def test_chat_is_the_models_own_template_gone_on_with(model_folders, family):
    tokenizer, read = load_reader(model_entry(model_folders[family], "chat"))
    shown = read(STEM)
    assert shown.endswith("Nora thought:") and "The bus to the school was late again." in shown
    ids = tokenizer(shown)["input_ids"]
    # The independent way: the library's own answer to the same turns, by a tokenizer as it was shipped.
    plain, as_it_is = load_reader(model_entry(model_folders[family]))
    assert as_it_is(STEM) == STEM
    turns = [
        {"role": "user", "content": "Continue this text:\n\nThe bus to the school was late again."},
        {"role": "assistant", "content": "Nora thought:"},
    ]
    made = plain.apply_chat_template(turns, continue_final_message=True, return_dict=False, date_string="26 Jul 2024")
    assert ids == list(made)
    if FAMILIES[family].bos:
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
    assert len(tokenizer(FAMILIES[family].end)["input_ids"]) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_continuation_follows_the_assistants_turn(model_folders, family):
    base = load_base(model_entry(model_folders[family], "chat"))
    scorer = Scorer(base.model, base.tokenizer, read=base.read)
    [[score]] = scorer.continuation_logprobs([STEM], [" all is fine"])
    before = base.tokenizer(base.read(STEM))["input_ids"]
    ids = base.tokenizer(base.read(STEM) + " all is fine")["input_ids"]
    with torch.no_grad():
        logprobs = base.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = sum(float(logprobs[i - 1, ids[i]]) for i in range(len(before), len(ids)))
    assert score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "request_ends", "answer"),
    [
        ("The bus was late. Nora decided to", "The bus was late.", "Nora decided to"),
        ('"Where?" she asked. "Here!" Then he', '"Where?" she asked. "Here!"', "Then he"),
        ("It costs 3.50 today", "Write a short text.", "It costs 3.50 today"),
        ("All is said.", "Write a short text.", "All is said."),
    ],
)
def test_the_assistant_s_turn_begins_with_the_last_sentence(text, request_ends, answer):
    user, assistant = split_turns(text)
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    assert user["content"].endswith(request_ends) and assistant["content"] == answer


def drop_template(folder):
    (folder / "chat_template.jinja").unlink()


def break_template(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no turns here') }}{{ messages[0]['content'] }}")


def close_template(folder):
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'][:3] }}{% endfor %}"
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [(drop_template, "has no chat template"), (break_template, "no turns here"), (close_template, "template")],
)
def test_an_unusable_template_is_one_line_with_the_way_out(model_folders, tmp_path, damage, said):
    folder = shutil.copytree(model_folders["qwen2"], tmp_path / "model")
    damage(folder)
    with pytest.raises(ParamsError, match=r"^base_models: model-chat: ") as caught:
        load_reader(model_entry(folder, "chat"))
    message = str(caught.value)
    assert said in message and "use raw" in message and "\n" not in message
    load_reader(model_entry(folder))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_turn_s_end_is_an_end_token(model_folders, family):
    """As chat models are shipped: the tokenizer's own end is another token than the turn's."""
    base = load_base(model_entry(model_folders[family]))
    turn_end = base.tokenizer.convert_tokens_to_ids(FAMILIES[family].end)
    base.tokenizer.eos_token, base.model.generation_config.eos_token_id = FAMILIES[family].special[0], None
    own = base.tokenizer.eos_token_id
    assert own != turn_end and find_end_tokens(base.model, base.tokenizer) == {own, turn_end}
    # A template that fails names no end, and texts are read raw all the same.
    base.tokenizer.chat_template = "{{ raise_exception('no turns here') }}"
    assert find_end_tokens(base.model, base.tokenizer) == {own}
    base.model.generation_config.eos_token_id = [7, 9]
    assert find_end_tokens(base.model, base.tokenizer) == {own, 7, 9}
