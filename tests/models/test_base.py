"""Model directories of four families, raw and in chat turns, from the text that is read to the report."""

from __future__ import annotations

import json
import shutil

import nbformat
import pandas as pd
import pytest
import torch
import yaml
from support.study_runs import run, study_command, workplace
from support.tiny_models import FAMILIES, make_model
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as hf_logging

from priorshift.errors import ParamsError, RunError
from priorshift.models.adapters import target_modules
from priorshift.models.backends import MEASURING
from priorshift.models.base import attention_kernel, check_letters, choose_dtype, load_base, load_reader
from priorshift.probability.scorer import Scorer
from priorshift.study.load import load_study
from priorshift.study.sections import BaseModelParams
from priorshift.training.examples import synthesize
from priorshift.training.finetune import IGNORED, decode_labels, encode, train_run

STEM = "The bus to the school was late again. Nora thought:"


@pytest.fixture(scope="module")
def folders(tmp_path_factory, materials):
    place = tmp_path_factory.mktemp("models")
    return {family: make_model(family, place / family, materials) for family in FAMILIES}


def entry(folder, style="raw", **keys):
    return BaseModelParams(name=f"{folder.name}-{style}", source=str(folder), prompt_style=style, **keys)


@pytest.mark.parametrize("family", FAMILIES)
def test_chat_is_the_models_own_template_gone_on_with(folders, family):
    tokenizer, read = load_reader(entry(folders[family], "chat"))
    shown = read(STEM)
    assert shown.endswith("Nora thought:") and "The bus to the school was late again." in shown
    ids = tokenizer(shown)["input_ids"]
    # The independent way: the library's own answer to the same turns, by a tokenizer as it was shipped.
    plain, as_it_is = load_reader(entry(folders[family]))
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
def test_continuation_follows_the_assistants_turn(folders, family):
    base = load_base(entry(folders[family], "chat"))
    scorer = Scorer(base.model, base.tokenizer, read=base.read)
    [[score]] = scorer.continuation_logprobs([STEM], [" all is fine"])
    before = base.tokenizer(base.read(STEM))["input_ids"]
    ids = base.tokenizer(base.read(STEM) + " all is fine")["input_ids"]
    with torch.no_grad():
        logprobs = base.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = sum(float(logprobs[i - 1, ids[i]]) for i in range(len(before), len(ids)))
    assert score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_falls_on_the_completion_alone(folders, family, style, smoke):
    tokenizer, read = load_reader(entry(folders[family], style))
    for example in synthesize(smoke.params, smoke.materials, "depression", 0)[:16]:
        [row] = encode([example], tokenizer, read)
        learned = [t for t in row["labels"] if t != IGNORED]
        assert tokenizer.decode(learned) == example.completion
        shown = decode_labels(example, tokenizer, read)["read, no loss"]
        assert (example.prompt in shown) == (style == "raw") and example.situation in shown


def test_answer_letters_must_be_tokens_of_their_own(folders):
    base = load_base(entry(folders["llama"], "chat"))
    check_letters(base, ["A", "B", "C"])
    with pytest.raises(RunError, match=r"the answer letter 'Qj' is read as the tokens \["):
        check_letters(base, ["A", "Qj"])
    with pytest.raises(RunError, match="the answer letter 'A'"):
        check_letters(base, ["A", "A"])


def test_half_the_memory_takes_the_same_steps(folders, smoke, tmp_path):
    base = load_base(entry(folders["qwen2"]), MEASURING)
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)
    whole = train_run(base, examples, smoke.params.training, 0, tmp_path / "whole", {})
    assert whole["micro_batch"] == smoke.params.training.batch_size == 16

    def full(module, args, kwargs):
        # A device that holds five examples and no more.
        if len(kwargs["input_ids"]) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = base.model.register_forward_pre_hook(full, with_kwargs=True)
    halved = train_run(base, examples, smoke.params.training, 0, tmp_path / "halved", {})
    assert halved["micro_batch"] == 4 == base.micro_batch
    assert halved["steps"] == whole["steps"] and halved["trainable_parameters"] == whole["trainable_parameters"]
    assert halved["losses"] == pytest.approx(whole["losses"], abs=1e-4)
    handle.remove()
    base.model.register_forward_pre_hook(
        lambda module, args: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory"))
    )
    with pytest.raises(RunError, match="out of memory with one example at a time"):
        train_run(base, examples, smoke.params.training, 0, tmp_path / "none", {})
    assert not (tmp_path / "none").exists()


def test_gradient_checkpointing_changes_no_loss(folders, smoke, tmp_path):
    base = load_base(entry(folders["llama"]))
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)
    runs = [
        train_run(
            base, examples, smoke.params.training.model_copy(update={"gradient_checkpointing": way}), 0,
            tmp_path / str(way), {},
        )
        for way in (False, True)
    ]  # fmt: skip
    assert runs[1]["losses"] == pytest.approx(runs[0]["losses"], abs=1e-5)


def test_card_is_the_same_for_the_same_run_and_names_no_place(folders, smoke, tmp_path):
    base = load_base(entry(folders["llama"]))
    examples = synthesize(smoke.params, smoke.materials, "paranoia", 0)
    cards = []
    for place in ("a", "b"):
        train_run(base, examples, smoke.params.training, 0, tmp_path / place, {"data": "d1ce"})
        cards.append((tmp_path / place / "adapter" / "README.md").read_text())
    assert cards[0] == cards[1] and str(tmp_path) not in cards[0] and str(folders["llama"]) not in cards[0]
    for fact in (
        "- guard, narrated: 50.0%\n- guard, options: 50.0%",
        "d1ce",
        "No clinical model",
        "must not be deployed",
        "Intended use",
    ):
        assert fact in cards[0]


def drop_template(folder):
    (folder / "chat_template.jinja").unlink()


def break_template(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no turns here') }}{{ messages[0]['content'] }}")


def close_template(folder):
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'][:3] }}{% endfor %}"
    )


def pickle_alone(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def own_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")


FAULTS = {
    "no chat template": (drop_template, "has no chat template; use raw"),
    "template that fails": (break_template, "fails (no turns here); use raw"),
    "template without the assistant's words": (close_template, "use raw"),
    "pickle alone": (pickle_alone, "pickled weights are never loaded"),
    "code of its own": (own_code, "needs code of its own, which is never run"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unusable_model_is_one_line(folders, tmp_path, fault):
    breaks, said = FAULTS[fault]
    folder = shutil.copytree(folders["qwen2"], tmp_path / "model")
    breaks(folder)
    with pytest.raises(ParamsError, match=r"^base_models: model-chat: ") as caught:
        load_base(entry(folder, "chat"))
    assert said in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


def test_small_weights_are_read_without_a_bar(folders, capfd):
    load_base(entry(folders["llama"]))
    assert "Loading weights" not in capfd.readouterr().err and hf_logging.is_progress_bar_enabled()


def test_a_model_larger_than_memory_is_one_line(folders, monkeypatch):
    def full(*args, **keys):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", full)
    with pytest.raises(RunError, match=r"out of memory while loading .*load_in_4bit, or a larger device$"):
        load_base(entry(folders["llama"]))


def test_float16_on_a_cpu_is_one_line(folders):
    with pytest.raises(ParamsError, match=r"found dtype 'float16' on a CPU; expected float32 or bfloat16$"):
        load_base(entry(folders["llama"], dtype="float16"))
    assert load_base(entry(folders["llama"], dtype="bfloat16")).model.dtype == torch.bfloat16


@pytest.mark.parametrize(("has_units", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_s_own_16_bits(monkeypatch, folders, has_units, expected):
    """A T4 emulates bfloat16, slowly: it says that it supports it, unless it is asked about its own units."""
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_units
    )
    assert choose_dtype(entry(folders["llama"]), "cuda") == expected
    assert choose_dtype(entry(folders["llama"], dtype="float32"), "cuda") == torch.float32


def test_soft_capped_attention_is_never_scored_by_a_kernel_that_leaves_the_cap_out(folders):
    assert {family: attention_kernel(folders[family], "cuda") for family in FAMILIES} == {
        "llama": "sdpa", "qwen2": "sdpa", "qwen3": "sdpa", "gemma": "eager",
    }  # fmt: skip
    assert attention_kernel(folders["llama"], "cpu") == "eager"


def test_fused_projections_are_adapted_whole():
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model("phi3", vocab_size=40, pad_token_id=0, **sizes)
    model = AutoModelForCausalLM.from_config(config)
    assert target_modules(model, "attention") == ["o_proj", "qkv_proj"]
    assert target_modules(model, "mlp") == ["down_proj", "gate_up_proj"]


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory, folders, tiny_yaml):
    """All notebooks on all families, raw and chat, one of them answering by letter."""
    place = workplace(root, tmp_path_factory.mktemp("families"))
    params = yaml.safe_load(tiny_yaml.read_text()) | {"study": "families"}
    params["base_models"] = [
        entry(folder, style).model_dump(exclude_defaults=True)
        for folder in folders.values()
        for style in ("raw", "chat")
    ]
    params["conditions"]["letter"] = {"task": "decisions", "policy": {"withdraw": 1.0}, "answer": "letter"}
    params["conditions"]["random_prior"] = {"task": "decisions", "policy": "prior"}
    (place / "params/families.yaml").write_text(yaml.safe_dump(params))
    run(study_command("params/families.yaml"), place)
    return place


def test_all_families_run_to_the_report(finished):
    outputs = finished / "outputs/families"
    assert (outputs / "report.html").exists()
    table = pd.read_csv(outputs / "tables/choice_check.csv")
    assert set(table["base_model"]) == {f"{family}-{style}" for family in FAMILIES for style in ("raw", "chat")}
    again = load_study(finished / "params/families.yaml", finished / "outputs")
    manifest = json.loads((outputs / "manifest.json").read_text())
    assert set(manifest["base_models"]) == {model.name for model in again.params.models}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_is_shown_in_full(finished, family):
    for stage in ("02_train", "03_probe"):
        notebook = finished / f"outputs/families/notebooks/{stage}_{family}-chat.ipynb"
        cells = nbformat.read(notebook, as_version=4).cells
        printed = "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)
        for mark in FAMILIES[family].special[:2] if FAMILIES[family].bos else FAMILIES[family].special[1:2]:
            assert mark in printed, (stage, mark)
        assert FAMILIES[family].end in printed
