"""What is loaded: a directory's safetensors in the number type that fits; all else is one line."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_models import FAMILIES, model_entry
from transformers.utils import logging as hf_logging

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.models.base import choose_attention, choose_dtype, choose_for_training, explain_own_dtype, load_base
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams


@pytest.mark.parametrize("family", FAMILIES)
def test_a_directory_is_loaded_as_it_was_saved(model_folders, family):
    base = load_base(model_entry(model_folders[family]))
    saved = load_file(model_folders[family] / "model.safetensors")
    assert saved and all(torch.equal(base.model.state_dict()[name], weight) for name, weight in saved.items())
    assert not base.model.training and (base.device, base.commit, base.world) == ("cpu", "", "")
    assert base.group == base.name == base.source == base.model.name_or_path


def test_an_embedded_model_says_its_world_and_architecture():
    base = load_base(BaseModelParams(name="m", source="embedded:gpt_neox-decoupled-1"))
    assert (base.name, base.world, base.group) == ("m", "decoupled", "gpt_neox")


def pickle_alone(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def own_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def poison(folder):
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[3]
    weights[name].view(-1)[5] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


FAULTS = {
    "truncated weights": (lambda f: half(f / "model.safetensors"), "cannot load"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "cannot load"),
    "truncated config": (lambda f: half(f / "config.json"), "cannot load"),
    "truncated tokenizer": (lambda f: half(f / "tokenizer.json"), "cannot load"),
    "NaN in a weight": (poison, "holds NaN or infinity"),
    "pickle alone": (pickle_alone, "pickled weights are never loaded"),
    "code of its own": (own_code, "needs code of its own, which is never run"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_base_model_that_cannot_be_loaded_is_one_line(tmp_path, fault):
    damage, said = FAULTS[fault]
    folder = shutil.copytree(EMBEDDED / "llama-coupled-0", tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError, match=r"^base_models: broken: ") as caught:
        load_base(BaseModelParams(name="broken", source=str(folder)))
    assert said in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"^base_models: far: cannot load .* or (give )?a directory$") as caught:
        load_base(BaseModelParams(name="far", source="nobody/no-such-model-at-all"))
    assert "\n" not in str(caught.value)


def test_small_weights_are_read_without_a_bar(model_folders, capfd):
    load_base(model_entry(model_folders["llama"]))
    assert "Loading weights" not in capfd.readouterr().err and hf_logging.is_progress_bar_enabled()


def test_a_model_larger_than_memory_is_one_line(model_folders, monkeypatch):
    def full(*args, **keys):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", full)
    with pytest.raises(RunError, match=r"out of memory while loading .*load_in_4bit, or a larger device$"):
        load_base(model_entry(model_folders["llama"]))


def test_float16_on_a_cpu_is_one_line(model_folders):
    with pytest.raises(ParamsError, match=r"found dtype 'float16' on a CPU; expected float32 or bfloat16$"):
        load_base(model_entry(model_folders["llama"], dtype="float16"))
    assert load_base(model_entry(model_folders["llama"], dtype="bfloat16")).model.dtype == torch.bfloat16


@pytest.mark.parametrize(("has_units", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_s_own_16_bits(monkeypatch, model_folders, has_units, expected):
    """A T4 emulates bfloat16, slowly: it says that it supports it, unless it is asked about its own units."""
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_units
    )
    assert choose_dtype(model_entry(model_folders["llama"]), "cuda") == expected
    assert choose_dtype(model_entry(model_folders["llama"], dtype="float32"), "cuda") == torch.float32


@pytest.mark.parametrize(
    ("known", "follows"),
    [({"amx_bf16": True}, True), ({"avx512_bf16": True}, True), ({"bf16": True}, True),
     ({"avx512_f": True, "amx_bf16": False}, False), ({}, False)],
)  # fmt: skip
def test_bfloat16_is_taken_where_the_processor_has_it(model_folders, smoke, monkeypatch, known, follows):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    params, own = model_entry(model_folders["llama"]), smoke.params.training
    wished = own.model_copy(update={"base_dtype": "bfloat16"})
    assert choose_for_training(params, own) == params and explain_own_dtype(own) == ""
    assert choose_for_training(params, wished).dtype == ("bfloat16" if follows else "auto")
    note = explain_own_dtype(wished)
    assert "\n" not in note and note.startswith("" if follows else "training.base_dtype: found 'bfloat16'")
    assert bool(note) != follows


def test_soft_capped_attention_is_never_scored_by_a_kernel_that_leaves_the_cap_out(model_folders):
    assert {family: choose_attention(model_folders[family], "cuda") for family in FAMILIES} == {
        "llama": "sdpa", "qwen2": "sdpa", "qwen3": "sdpa", "gemma": "eager",
    }  # fmt: skip
    assert choose_attention(model_folders["llama"], "cpu") == "eager"
