"""Linear layers of attention and MLP are found by a model's own blocks; a part of what is asked for is refused."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.causal_models import FAMILIES, make_causal_model
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from priorshift.errors import ParamsError
from priorshift.models.adapters import count_adapted
from priorshift.models.layers import count_by_name, find_named_modules, find_target_modules, list_parts

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GPTJ = {"n_layer": 2, "n_head": 2, "n_embd": 32, "rotary_dim": 8}
OWN = {
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32}, "gptj": GPTJ, "codegen": GPTJ,
    "gpt_neo": FAMILIES["gpt_neo, window 8"][1], "bloom": {"n_layer": 2, "n_head": 2},
    "mpt": {"d_model": 32, "n_heads": 2, "n_layers": 2}, "gemma": {"head_dim": 16}, "qwen3": {"head_dim": 16},
    "xglm": {"ffn_dim": 64, "num_layers": 2, "attention_heads": 2, "d_model": 32},
    "mixtral": {"num_local_experts": 2},
    "qwen2_moe": {"num_experts": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16},
    "jamba": {
        "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1, "mamba_d_state": 4, "mamba_dt_rank": 2,
        "use_mamba_kernels": False,
    },
    "falcon_h1": {
        "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_n_groups": 1,
        "head_dim": 16,
    },
    "mamba": {"state_size": 4, "time_step_rank": 2}, "rwkv": {"attention_hidden_size": 32},
}  # fmt: skip


def make(kind, **changes):
    """A model without weights: only its structure is looked at."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES | OWN.get(kind, {}) | changes))


LLAMA = (["k_proj", "o_proj", "q_proj", "v_proj"], ["down_proj", "gate_proj", "up_proj"])
OPT = (["k_proj", "out_proj", "q_proj", "v_proj"], ["fc1", "fc2"])
NEOX_MLP = ["dense_4h_to_h", "dense_h_to_4h"]
LAYERS = {
    "llama": LLAMA, "qwen2": LLAMA, "qwen3": LLAMA, "gemma": LLAMA, "mistral": LLAMA, "cohere": LLAMA,
    "phi3": (["o_proj", "qkv_proj"], ["down_proj", "gate_up_proj"]),
    "gpt_neox": (["attention.dense", "query_key_value"], NEOX_MLP),
    "gpt2": (["attn.c_proj", "c_attn"], ["c_fc", "mlp.c_proj"]),
    "opt": OPT, "xglm": OPT,
    "gptj": (OPT[0], ["fc_in", "fc_out"]), "codegen": (["out_proj", "qkv_proj"], ["fc_in", "fc_out"]),
    "gpt_neo": (OPT[0], ["c_fc", "c_proj"]),
    "phi": (["k_proj", "q_proj", "self_attn.dense", "v_proj"], ["fc1", "fc2"]),
    "bloom": (["query_key_value", "self_attention.dense"], NEOX_MLP),
    "falcon": (["query_key_value", "self_attention.dense"], NEOX_MLP),
    "mpt": (["Wqkv", "out_proj"], ["down_proj", "up_proj"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_the_layers_of_common_architectures_are_found(kind):
    model, (attention, mlp) = make(kind), LAYERS[kind]
    assert find_target_modules(model, "attention") == attention
    assert find_target_modules(model, "mlp") == mlp
    # Every linear layer of the blocks belongs to one or the other.
    linear = sum(isinstance(module, (torch.nn.Linear, Conv1D)) for module in model.get_decoder().modules())
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules=find_target_modules(model, "all")))
    assert sum(count_adapted(adapted).values()) == linear == 2 * len(attention + mlp)


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("mamba", "attention", "state-space layers, MambaMixer: mixer.in_proj, mixer.x_proj, mixer.dt_proj"),
        ("mixtral", "mlp", "expert layers, MixtralSparseMoeBlock: none of them linear"),
        ("qwen2_moe", "all", "expert layers, Qwen2MoeSparseMoeBlock: mlp.shared_expert.gate_proj"),
        ("jamba", "attention", "in 1 of its blocks, the first of them 0 (state-space layers, JambaMambaMixer"),
        ("falcon_h1", "all", "besides attention and MLP (state-space layers, FalconH1Mixer: mamba.in_proj"),
        ("rwkv", "attention", "state-space layers, RwkvSelfAttention: attention.key"),
    ],
)
def test_a_part_of_what_is_asked_for_is_refused_and_the_rest_is_named(kind, target, said):
    with pytest.raises(ParamsError, match=rf"^training.target: found '{target}', and ") as caught:
        find_target_modules(make(kind), target)
    assert said in str(caught.value) and "target_modules: [...]" in str(caught.value), str(caught.value)


def test_only_the_blocks_that_are_adapted_must_have_it():
    model = make("jamba")
    assert find_target_modules(model, "attention", layers=[1]) == LLAMA[0]
    assert find_target_modules(model, "mlp") == LLAMA[1]
    with pytest.raises(ParamsError, match=r"in any block \(state-space layers"):
        find_target_modules(model, "attention", layers=[0])


def test_named_layers_are_taken_from_a_model_of_which_a_target_is_a_part():
    model = make("jamba")
    names = find_named_modules(model, ["self_attn.o_proj", "mamba.out_proj"])
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules=names))
    assert count_adapted(adapted) == {"mamba.out_proj": 1, "self_attn.o_proj": 1}
    with pytest.raises(ParamsError, match=r"target_modules: found 'o_prj', and Jamba.* it has .*self_attn.o_proj"):
        find_named_modules(model, ["o_prj"])


def test_the_vision_tower_of_a_multimodal_model_is_left_alone():
    text = {**SIZES, "head_dim": 16, "layer_types": ["full_attention"] * 2}
    vision = {**SIZES, "image_size": 28, "patch_size": 14}
    with torch.device("meta"):
        config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision)
        model = AutoModelForCausalLM.from_config(config)
    names = find_target_modules(model, "attention")
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules=names))
    trained = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * 4 * 2 and all("language_model.layers" in name for name in trained)


def test_the_parts_of_a_block_are_told_apart():
    kinds = {part.name: part.kind for part in list_parts(make_causal_model("recurrent_gemma")) if part.block == 0}
    assert kinds == {"temporal_block": "state-space", "mlp_block": "MLP"}
    kinds = {part.name: part.kind for part in list_parts(make_causal_model("lfm2, convolution")) if part.block == 0}
    assert kinds == {"conv": "state-space", "feed_forward": "MLP"}


def test_layers_are_counted_by_their_names_within_a_block():
    assert count_by_name([f"h.{i}.ffn.{j}" for i in range(3) for j in (0, 2)]) == {"ffn.0": 3, "ffn.2": 3}
