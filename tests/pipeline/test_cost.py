"""What a study is said to take: against hand-computed values, real tiny models and the study's own texts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config

from priorshift.models.adapters import add_adapter
from priorshift.models.base import load_base
from priorshift.pipeline.cost import (
    Shape,
    count_shape,
    describe_cost,
    hours,
    probing_memory,
    shape_of,
    training_memory,
    training_operations,
    weight_bytes,
    work,
)
from priorshift.study.load import load_study
from priorshift.study.sections import BaseModelParams, Training
from priorshift.training.examples import synthesize

ONE = Shape(parameters=10**9, matrices=9 * 10**8, in_blocks=8 * 10**8, adapter=10**6, hidden=1000, mlp=4000, blocks=10,
            vocabulary=50_000)  # fmt: skip
TRAINING = Training(examples=64, epochs=1, batch_size=8, learning_rate=1e-3, rank=4, alpha=8, dropout=0,
                    target="attention", options_share=0.5)  # fmt: skip
HUB = BaseModelParams(name="some", source="some/model")


def changed(thing, **values):
    return thing.model_copy(update=values)


@pytest.mark.parametrize("name", ["llama-coupled-0", "gpt_neox-coupled-0"])
def test_parameters_are_those_of_the_real_model(name):
    params = BaseModelParams(name=name, source=f"embedded:{name}")
    shape, base = shape_of(params, TRAINING), load_base(params)
    assert shape.parameters == base.model.num_parameters()
    assert weight_bytes(shape, changed(params, dtype="float32")) == sum(
        p.numel() * p.element_size() for p in base.model.float().parameters()
    )
    adapted = add_adapter(base, changed(TRAINING, layers=[0, 2]), seed=0)
    trainable = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert shape_of(params, changed(TRAINING, layers=[0, 2])).adapter == trainable


def test_untied_head_is_a_matrix_and_the_embedding_is_none():
    for tied, matrices in ((True, 1000 * 16), (False, 1000 * 16)):
        config = LlamaConfig(vocab_size=1000, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                             num_attention_heads=2, tie_word_embeddings=tied)  # fmt: skip
        shape = count_shape(LlamaForCausalLM(config), TRAINING)
        assert shape.in_blocks == 4 * 16 * 16 + 3 * 16 * 32
        assert shape.matrices == shape.in_blocks + matrices + 3 * 16  # norms count too: they are next to nothing
        assert shape.parameters - shape.matrices == (0 if tied else 1000 * 16)


def test_memory_by_hand():
    parts = training_memory(ONE, HUB, TRAINING, longest=50)
    # 8 x 50 tokens, 2 bytes: ten blocks of 13 x 1000 + 3 x 4000 values.
    assert parts == {
        "weights": 2e9,
        "adapter and optimizer": 16e6,
        "activations": 2 * 400 * 10 * 25_000,
        "logits": 14 * 400 * 50_000,
    }
    again = training_memory(ONE, HUB, changed(TRAINING, gradient_checkpointing=True), longest=50)
    assert again["activations"] == 2 * 400 * (10 * 1000 + 25_000)
    assert weight_bytes(ONE, changed(HUB, load_in_4bit=True)) == pytest.approx(2 * 2e8 + 0.515875 * 8e8)
    assert probing_memory(ONE, HUB, adapters=25)["adapters"] == 100e6


def test_hours_by_hand(smoke):
    assert training_operations(ONE, TRAINING) == 4 * 9 * 10**8
    assert training_operations(ONE, changed(TRAINING, gradient_checkpointing=True)) == 6 * 9 * 10**8
    done = work(smoke)
    tokens = done.examples * done.longest * 4 / 3
    probed = (done.runs + 2) * done.probe_words * 4 / 3
    seconds = (4 * tokens + 2 * probed) * 9e8 / (312e12 / 5) + 2 * 2e9 / 0.5e9 + 0.005 * 10 * done.steps
    assert hours(ONE, HUB, TRAINING, done)["A100"] == pytest.approx(seconds / 3600, rel=1e-6)
    large = Shape(**{**vars(ONE), "parameters": 9 * 10**9})
    assert hours(large, HUB, TRAINING, done)["T4"] == float("inf") > hours(large, HUB, TRAINING, done)["H100"]


def test_activations_are_near_what_a_real_block_keeps():
    config = LlamaConfig(vocab_size=100, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
                         num_attention_heads=4, num_key_value_heads=2)  # fmt: skip
    base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
    base.model = LlamaForCausalLM(config).bfloat16()
    shape = count_shape(base.model, TRAINING)
    model = add_adapter(base, TRAINING, seed=0).train()
    own, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    tokens = torch.randint(100, (8, 32))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), torch.autocast("cpu", dtype=torch.bfloat16):
        model(input_ids=tokens)
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    parts = training_memory(shape, HUB, TRAINING, longest=32)
    assert 0.75 < parts["activations"] / measured < 1.3


def test_work_is_counted_on_the_studys_own_texts(smoke):
    done = work(smoke)
    params = smoke.params
    assert (done.runs, done.trained, done.steps, done.examples) == (8, 8, 8 * 4, 8 * 64)
    prior = dict.fromkeys(smoke.materials.actions, 1 / 3)
    examples = [e for name in params.conditions for e in synthesize(params, smoke.materials, name, 1, prior)]
    words = [len((e.prompt + e.completion).split()) for e in examples]
    assert done.words == pytest.approx(sum(words) / len(words), rel=0.05)
    assert done.longest == pytest.approx(max(words), rel=0.15)
    tokenizer = load_base(params.models[0]).tokenizer
    tokens = sum(len(tokenizer(e.prompt + e.completion)["input_ids"]) for e in examples)
    assert done.tokens(chat=False) == pytest.approx(2 * tokens, rel=0.15)
    assert done.tokens(chat=True) - done.tokens(chat=False) == 30 * done.examples


@pytest.mark.parametrize("name", ["colab", "paper", "scaling"])
def test_shipped_gpu_studies_are_sound_and_say_what_they_take(root, params_folder, name):
    """With a configuration of the right shape in place of each hub model: what `check` prints where it is at hand."""
    loaded = load_study(root / f"params/{name}.yaml")
    sizes = {"colab": 1, "paper": 2, "scaling": 4}
    assert len(loaded.params.models) == sizes[name] and not any(m.load_in_4bit for m in loaded.params.models)
    data = yaml.safe_load((params_folder / f"{name}.yaml").read_text())
    shape = Qwen2Config(vocab_size=151_936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28,
                        num_attention_heads=12, num_key_value_heads=2, tie_word_embeddings=True)  # fmt: skip
    shape.save_pretrained(params_folder / "shape")
    for model in data["base_models"]:
        model["source"] = str(params_folder / "shape")
    (params_folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
    said = describe_cost(load_study(params_folder / f"{name}.yaml"))
    assert said.count("1.54 billion parameters") == sizes[name]  # the published size of this shape
    assert said.startswith(f"{name}: {sizes[name]} base model") and "T4 " in said


def test_a_model_that_is_not_at_hand_is_told_in_one_line_without_network(root):
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"}
    command = [sys.executable, "-m", "priorshift", "check", "params/colab.yaml"]
    done = subprocess.run(command, cwd=root, env=quiet, capture_output=True, text=True)
    assert done.stdout.startswith("materials: params/materials follows every rule")
    assert "no estimate of memory and hours, the configuration of 'Qwen/Qwen2.5-1.5B' is not at hand" in done.stdout
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "cannot load 'Qwen/Qwen2.5-1.5B' (not whole in the local cache, and HF_HUB_OFFLINE is set)" in done.stderr


def test_embedded_studies_get_one_line(smoke):
    assert describe_cost(smoke).count("\n") == 0
