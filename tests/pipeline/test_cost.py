"""What a study is said to take: against hand-computed values, real tiny models and the study's own texts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from priorshift.models.base import load_base
from priorshift.pipeline.cost import (
    Work,
    count_matrices,
    count_training_operations,
    count_work,
    describe_model,
    describe_work,
    estimate_hours,
    estimate_memory,
    make_without_weights,
)
from priorshift.study.load import load_study
from priorshift.study.sections import BaseModelParams, Training
from priorshift.training.examples import synthesize

TRAINING = Training(examples=64, epochs=1, batch_size=8, learning_rate=1e-3, rank=4, alpha=8, dropout=0,
                    target="attention", options_share=0.5)  # fmt: skip
HUB = BaseModelParams(name="some", source="some/model")
SAVED = TRAINING.model_copy(update={"gradient_checkpointing": True})


def make_llama(tied):
    config = LlamaConfig(vocab_size=1000, hidden_size=16, intermediate_size=32, num_hidden_layers=3,
                         num_attention_heads=2, tie_word_embeddings=tied)  # fmt: skip
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


# Four attention and three MLP matrices, two norms a block and one at the end.
IN_BLOCKS = 3 * (4 * 16 * 16 + 3 * 16 * 32 + 2 * 16) + 16


def test_an_untied_embedding_costs_memory_and_no_operation():
    for tied in (True, False):
        model = make_llama(tied)
        assert model.num_parameters() == IN_BLOCKS + (1 if tied else 2) * 16_000
        assert count_matrices(model) == IN_BLOCKS + 16_000
        assert count_training_operations(model, TRAINING) == 4 * (IN_BLOCKS + 16_000)
        assert count_training_operations(model, SAVED) == 6 * (IN_BLOCKS + 16_000)


def test_memory_by_hand():
    model = make_llama(tied=False)
    weights, tokens, block = 2 * (IN_BLOCKS + 32_000), 8 * 50, 13 * 16 + 3 * 32
    logits = 14 * tokens * 1000
    assert estimate_memory(model, HUB, TRAINING, 50) == weights + 2 * tokens * 3 * block + logits
    assert estimate_memory(model, HUB, SAVED, 50) == weights + 2 * tokens * (3 * 16 + block) + logits
    wide = HUB.model_copy(update={"dtype": "float32"})
    assert estimate_memory(model, wide, TRAINING, 50) == 2 * (weights + 2 * tokens * 3 * block) + logits
    small = HUB.model_copy(update={"load_in_4bit": True})
    saved = estimate_memory(model, HUB, TRAINING, 50) - estimate_memory(model, small, TRAINING, 50)
    assert saved == pytest.approx((2 - 4.127 / 8) * IN_BLOCKS)


def test_hours_by_hand():
    model, work = make_llama(tied=True), Work(8, 100, 1000, 4e4, 50, 3e5)
    operations = (4 * 1000 * 50 + 2 * 3e5) * (IN_BLOCKS + 16_000)
    seconds = operations / (312e12 / 5) + 0.005 * 3 * 100
    assert estimate_hours(model, TRAINING, work)["A100"] == pytest.approx(seconds / 3600)


@pytest.mark.parametrize("name", ["llama-coupled-0", "gpt_neox-coupled-0"])
def test_a_configuration_alone_gives_the_real_models_size(name):
    params = BaseModelParams(name=name, source=f"embedded:{name}")
    model = make_without_weights(params)
    assert model.device.type == "meta" and model.num_parameters() == load_base(params).model.num_parameters()


def test_work_is_counted_on_the_studys_own_texts(smoke):
    work, params = count_work(smoke), smoke.params
    assert (work.runs, work.steps, work.examples) == (8, 8 * 4, 8 * 64)
    prior = dict.fromkeys(smoke.materials.classes, 1 / 3)
    examples = [e for name in params.conditions for e in synthesize(params, smoke.materials, name, 1, prior)]
    tokenizer = load_base(params.models[0]).tokenizer
    lengths = [len(tokenizer(e.prompt + e.completion)["input_ids"]) for e in examples]
    assert work.tokens == pytest.approx(2 * sum(lengths), rel=0.15)  # two seeds
    assert work.longest == pytest.approx(max(lengths), rel=0.25)
    chat = count_work(smoke, chat=True)
    assert chat.tokens - work.tokens == pytest.approx(30 * work.examples) and chat.longest == work.longest + 30


def test_more_probes_are_more_to_measure(smoke):
    before = count_work(smoke).probe_tokens
    for more in ({"scale_orders": 4}, {"completion_samples": 2}, {"retention_texts": 99}):
        probes = smoke.params.probes.model_copy(update=more)
        params = smoke.params.model_copy(update={"probes": probes})
        assert count_work(type(smoke)(params, smoke.materials, smoke.folder, smoke.paths.root)).probe_tokens > before


@pytest.mark.parametrize(("name", "models"), [("colab", 1), ("paper", 2), ("scaling", 4)])
def test_shipped_gpu_studies_are_sound_and_say_what_they_take(root, params_folder, name, models):
    """With a configuration of the right shape in place of each hub model: what `check` prints where it is at hand."""
    loaded = load_study(root / f"params/{name}.yaml")
    assert len(loaded.params.models) == models and not any(m.load_in_4bit for m in loaded.params.models)
    data = yaml.safe_load((params_folder / f"{name}.yaml").read_text())
    shape = Qwen2Config(vocab_size=151_936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28,
                        num_attention_heads=12, num_key_value_heads=2, tie_word_embeddings=True)  # fmt: skip
    shape.save_pretrained(params_folder / "shape")
    for model in data["base_models"]:
        model["source"] = str(params_folder / "shape")
    (params_folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
    study = load_study(params_folder / f"{name}.yaml")
    assert describe_work(study).startswith(f"{name}: {models} base model")
    for base in study.params.models:
        line = describe_model(study, base)
        assert "1.54 billion parameters" in line  # the published size of this shape
        assert "estimated, not measured" in line and all(f"{gpu} " in line for gpu in ("T4", "A100", "H100"))


def test_a_model_that_is_not_at_hand_is_named_in_one_line_without_network(root):
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"}
    command = [sys.executable, "-m", "priorshift", "check", "params/colab.yaml"]
    done = subprocess.run(command, cwd=root, env=quiet, capture_output=True, text=True)
    assert "25 runs" in done.stdout
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "cannot load 'Qwen/Qwen2.5-1.5B'" in done.stderr and "HF_HUB_OFFLINE" in done.stderr


def test_the_whole_study_is_one_line(smoke):
    assert "smoke: 2 base models, 16 runs; 1,024 examples" in describe_work(smoke)
    assert "\n" not in describe_work(smoke)
