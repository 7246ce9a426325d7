"""Where prompt-once scoring holds, and that a model for which it does not is found out by its numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.causal_models import FAMILIES, SMALL, make_causal_model
from transformers import AutoConfig, AutoModelForCausalLM

from priorshift.errors import UserError
from priorshift.probability.forward import Forward
from priorshift.probability.prompt_once import choose_method, find_smallest_window


def test_a_model_that_agrees_is_scored_prompt_once_with_the_numbers_that_prove_it():
    method = choose_method(Forward(make_causal_model("llama")), 2048)
    assert (method.name, method.longest) == ("prompt_once", 2048)
    assert "largest difference" in method.reason and "limit 5e-05" in method.reason


@pytest.mark.parametrize(
    ("family", "longest", "reason"),
    [
        ("mistral, window 8", None, "attention window of 8 tokens"),
        ("llama, dynamic positions", None, "dynamic rotary embedding"),
        ("llama", 12, "at most 12 tokens"),
        ("bloom", None, "prompt-once raised"),
        ("mamba", None, "prompt-once"),
    ],
)
def test_a_model_that_does_not_is_scored_plainly_and_told_why(family, longest, reason):
    method = choose_method(Forward(make_causal_model(family)), longest)
    assert method.name == "plain" and reason in method.reason, method.reason


def test_rows_stay_within_the_attention_window():
    method = choose_method(Forward(make_causal_model("mistral, window 70")), 2048)
    assert (method.name, method.longest) == ("prompt_once", 70) and "over 70 tokens" in method.reason


def test_a_model_that_reads_ahead_is_refused():
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("bert", **SMALL)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.2)
    with pytest.raises(UserError, match="no causal language model"):
        choose_method(Forward(model), None)


def test_a_model_wrong_in_an_unknown_way_is_found_out():
    """Attention that forgets: no name in the configuration gives it away, only its numbers."""
    model = make_causal_model("llama")

    def forget(module, args, options):
        mask = options.get("attention_mask")
        if mask is not None:
            distance = torch.arange(mask.shape[-1])
            far = distance[:, None] - distance > 100
            options["attention_mask"] = mask.masked_fill(far, torch.finfo(torch.float32).min)
        return args, options

    model.register_forward_pre_hook(forget, with_kwargs=True)
    method = choose_method(Forward(model), None)
    assert method.name == "plain" and "does not hold" in method.reason


@pytest.mark.parametrize(("plain_noise", "tree_noise", "name"), [(0.1, 0.08, "prompt_once"), (0.0, 0.3, "plain")])
def test_sixteen_bits_are_held_to_the_model_s_own_rounding(plain_noise, tree_noise, name):
    """Large logits in 16 bits move with the shape of a batch, as on GPUs: what plain batches do, trees may do."""
    model, rng = make_causal_model("llama", torch.bfloat16), np.random.default_rng(0)

    def disturb(module, args, options, output):
        masked, batched = options.get("attention_mask") is not None, len(options["input_ids"]) > 1
        size = tree_noise if masked else plain_noise if batched else 0.0
        noise = rng.uniform(-size, size, output.logits.shape)
        output.logits = output.logits.float() + torch.tensor(noise, dtype=torch.float32)
        return output

    model.register_forward_hook(disturb, with_kwargs=True)
    method = choose_method(Forward(model), None)
    assert method.name == name, method.reason


@pytest.mark.parametrize(
    ("family", "window"),
    [
        ("llama", None),
        ("mistral, window 70", 70),
        ("gemma3, window 8", 8),
        ("gpt_neo, window 8", 8),
        ("recurrent_gemma", 100),
        ("qwen2", None),
    ],
)
def test_the_attention_window_stands_in_the_configuration(family, window):
    kind, values, _ = FAMILIES[family]
    assert find_smallest_window(AutoConfig.for_model(kind, **values)) == window
