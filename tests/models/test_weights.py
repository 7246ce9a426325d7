"""A model or adapter with a tensor too few, too many or of another shape is refused, and the tensor is named."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.causal_models import FAMILIES, make_causal_model
from support.tiny_models import model_entry
from transformers import AutoModelForCausalLM

from priorshift.errors import ParamsError, RunError
from priorshift.models.adapters import add_adapter, continue_adapter, load_adapters
from priorshift.models.backends import MEASURING, Backend
from priorshift.models.base import load_base
from priorshift.models.weights import describe_gaps, find_gaps, find_gaps_in_folder
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams

UNSLOTH = Backend("unsloth", "asked for by a test")  # it must be refused before Unsloth is imported


def rewrite(file, change):
    tensors = load_file(file)
    changed = change(tensors)
    save_file(tensors if changed is None else changed, file, metadata={"format": "pt"})


def drop(part):
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def rename(prefix):
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


def widen(tensors):
    name = min(name for name in tensors if name.endswith("q_proj.weight"))
    tensors[name] = torch.zeros(3, 5)


DAMAGE = {
    "head": (drop("lm_head"), ["missing tensors: 'lm_head.weight'"]),
    "projection": (drop("layers.0.self_attn.k_proj"), ["missing tensors: 'model.layers.0.self_attn.k_proj."]),
    "layer": (drop("layers.1."), ["missing tensors: 'model.layers.1.", "more"]),
    "extra": (lambda t: t | {"model.adapter.weight": torch.zeros(2)}, ["unexpected tensors: 'model.adapter.weight'"]),
    "shape": (widen, ["of another shape: 'model.layers.0.self_attn.q_proj.weight' ([3, 5] for ["]),
    "prefix": (
        rename("base_model.model."),
        ["missing tensors: '", "unexpected tensors: 'base_model.model."],
    ),
}


@pytest.mark.parametrize("backend", [MEASURING, UNSLOTH], ids=lambda backend: backend.name)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_model_that_is_not_whole_is_refused_by_the_tensor_s_name(model_folders, tmp_path, damage, backend):
    change, said = DAMAGE[damage]
    folder = shutil.copytree(model_folders["qwen2"], tmp_path / "model")
    rewrite(folder / "model.safetensors", change)
    with pytest.raises(ParamsError, match=r"^base_models: model-raw: .* and its weights do not fit \(") as caught:
        load_base(model_entry(folder), backend)
    assert all(part in str(caught.value) for part in said), str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_embedded_model_that_is_not_whole_is_refused(tmp_path, monkeypatch):
    shutil.copytree(EMBEDDED / "gpt_neox-coupled-0", tmp_path / "neox")
    rewrite(tmp_path / "neox/model.safetensors", drop("layers.2.attention.dense.bias"))
    monkeypatch.setattr("priorshift.models.files.EMBEDDED", tmp_path)
    with pytest.raises(ParamsError, match=r"missing tensors: 'gpt_neox.layers.2.attention.dense.bias'"):
        load_base(BaseModelParams(name="neox", source="embedded:neox"))


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2", "opt", "bloom", "mamba", "gemma3, window 8", "gptj"])
def test_whole_models_tied_or_not_are_taken_by_both_loaders(tmp_path, family):
    tied = {"tie_word_embeddings": True} if "tie_word_embeddings" not in FAMILIES[family][1] else {}
    for number, changes in enumerate(({}, tied)):
        make_causal_model(family, **changes).save_pretrained(tmp_path / str(number))
        model, loaded = AutoModelForCausalLM.from_pretrained(tmp_path / str(number), output_loading_info=True)
        assert (find_gaps(model, loaded), find_gaps_in_folder(tmp_path / str(number))) == ("", "")


def test_a_tied_head_that_is_saved_all_the_same_and_old_buffers_are_taken(tmp_path):
    make_causal_model("llama", tie_word_embeddings=True).save_pretrained(tmp_path)

    def add(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(8)

    rewrite(tmp_path / "model.safetensors", add)
    model, loaded = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert (find_gaps(model, loaded), find_gaps_in_folder(tmp_path)) == ("", "")


def test_gaps_of_each_kind_stand_side_by_side():
    assert describe_gaps([], []) == ""
    assert describe_gaps(["c", "b"], {"a"}) == "missing tensors: 'b' and 1 more; unexpected tensors: 'a'"


@pytest.fixture
def saved(model_folders, smoke, tmp_path):
    """A base model and the folder of an adapter of its own."""
    base = load_base(model_entry(model_folders["qwen2"]))
    model = add_adapter(base, smoke.params.training, 0)
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    base.model = model.unload()
    return base, tmp_path / "adapter"


ADAPTERS = {
    "one left out": (drop("layers.1.self_attn.v_proj.lora_A"), "missing tensors: 'base_model.model.model.layers.1."),
    "another prefix": (rename("model."), "unexpected tensors: 'model.base_model."),
    "one too many": (lambda t: t | {"base_model.model.other.lora_A.weight": torch.zeros(2, 2)}, "unexpected tensors: "),
    "another rank": (lambda t: {name: torch.zeros(7, 7) for name in t}, "size mismatch"),
}


@pytest.mark.parametrize("load", [continue_adapter, lambda base, folder: load_adapters(base, {"a": folder})])
@pytest.mark.parametrize("fault", ADAPTERS)
def test_an_adapter_that_does_not_fit_is_refused_by_the_tensor_s_name(saved, fault, load):
    change, said = ADAPTERS[fault]
    base, folder = saved
    rewrite(folder / "adapter_model.safetensors", change)
    with pytest.raises(RunError, match=r"the adapter in .* does not fit \(") as caught:
        load(base, folder)
    assert said in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


def test_the_second_of_two_adapters_is_looked_through_as_well(saved, tmp_path):
    base, folder = saved
    other = shutil.copytree(folder, tmp_path / "other")
    rewrite(other / "adapter_model.safetensors", drop("layers.0.self_attn.q_proj"))
    with pytest.raises(RunError, match=r"missing tensors: .*layers.0.self_attn.q_proj"):
        load_adapters(base, {"a": folder, "b": other})
