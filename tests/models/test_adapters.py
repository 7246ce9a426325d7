"""Adapters sit on the layers that are named, leave the base as it was, and are switched by their keys."""

from __future__ import annotations

import pytest
import torch
from support.tiny_models import model_entry

from priorshift.errors import ParamsError
from priorshift.models.adapters import add_adapter, continue_adapter, count_adapted, hold_adapter, load_adapters
from priorshift.models.base import load_base


@pytest.fixture
def base(model_folders):
    return load_base(model_entry(model_folders["qwen2"]))


@torch.no_grad()
def read(model):
    return model(torch.tensor([[5, 6, 7, 8]])).logits


def test_a_fresh_adapter_changes_nothing_and_is_drawn_by_the_seed(base, smoke):
    expected = read(base.model)
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = add_adapter(base, smoke.params.training, seed)
        assert torch.equal(read(model), expected)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad]))
        base.model = model.unload()
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_only_the_named_layers_are_trained(base, smoke):
    training = smoke.params.training.model_copy(update={"layers": (1,), "target": "mlp"})
    model = add_adapter(base, training, 0)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all(".layers.1.mlp." in name for name in trained)
    base.model = model.unload()
    assert count_adapted(model) == {}
    with pytest.raises(ParamsError, match=r"training.layers: found .*9.* has the layers 0 to 1"):
        add_adapter(base, training.model_copy(update={"layers": (9,)}), 0)


def test_named_layers_are_adapted_in_place_of_a_target_and_counted(base, smoke):
    training = smoke.params.training.model_copy(update={"target_modules": ["q_proj", "mlp.down_proj"]})
    model = add_adapter(base, training, 0)
    assert count_adapted(model) == {"mlp.down_proj": 2, "self_attn.q_proj": 2}
    base.model = model.unload()
    model = add_adapter(base, training.model_copy(update={"layers": (1,)}), 0)
    assert count_adapted(model) == {"mlp.down_proj": 1, "self_attn.q_proj": 1}
    base.model = model.unload()


@torch.no_grad()
def save_random_adapter(base, training, seed, folder):
    model = add_adapter(base, training, seed)
    torch.manual_seed(seed)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.copy_(torch.randn(weight.shape) * 0.1)
    expected = read(model.eval())
    model.save_pretrained(folder, save_embedding_layers=False)  # "auto" would ask a hub
    base.model = model.unload()
    return expected


def test_saved_adapters_are_switched_by_their_keys_and_one_goes_on_being_trained(base, smoke, tmp_path):
    training = smoke.params.training
    expected = {key: save_random_adapter(base, training, seed, tmp_path / key) for seed, key in enumerate("ab")}
    continued = continue_adapter(base, tmp_path / "a")
    assert any(weight.requires_grad for weight in continued.parameters())
    torch.testing.assert_close(read(continued.eval()), expected["a"])
    base.model = continued.unload()
    model = load_adapters(base, {key: tmp_path / key for key in expected})
    for key in ("b", "a", "b"):
        model.set_adapter(key)
        torch.testing.assert_close(read(model), expected[key])
    assert not model.training


def test_a_held_adapter_leaves_the_base_as_it_was_even_after_an_error(base, smoke, tmp_path):
    before, model = read(base.model), base.model
    expected = {
        key: save_random_adapter(base, smoke.params.training, seed, tmp_path / key) for seed, key in enumerate("ab")
    }
    for key in ("a", "b", "a"):
        with hold_adapter(base, tmp_path / key):
            # In place: who holds the base model, as a scorer does, sees the adapter.
            torch.testing.assert_close(read(model), expected[key])
        assert base.model is model and torch.equal(read(model), before)
    with pytest.raises(KeyboardInterrupt), hold_adapter(base, tmp_path / "b"):
        raise KeyboardInterrupt
    assert torch.equal(read(model), before)
