"""Only the positions with loss reach the head, and nothing else changes."""

from __future__ import annotations

import shutil

import pytest
import torch
from support.causal_models import Counter, make_causal_model
from support.tiny_models import model_entry
from transformers import AutoConfig, AutoModelForCausalLM, set_seed

from priorshift.models.adapters import add_adapter
from priorshift.models.backends import MEASURING
from priorshift.models.base import load_base
from priorshift.training.examples import synthesize
from priorshift.training.finetune import encode_examples, train_run
from priorshift.training.loss_positions import IGNORED, keep_loss_positions

# name: (model type, what its configuration has of its own)
MODELS = {
    "llama, untied": ("llama", {"tie_word_embeddings": False}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "gpt_neox, untied": ("gpt_neox", {"tie_word_embeddings": False}),
    "qwen2, tied": ("qwen2", {"tie_word_embeddings": True}),
    "gemma2, tied, soft cap": ("gemma2", {"tie_word_embeddings": True, "final_logit_softcapping": 2.0}),
    "gemma3, tied": ("gemma3_text", {"tie_word_embeddings": True}),
    "granite, tied, logits divided": ("granite", {"tie_word_embeddings": True, "logits_scaling": 4.0}),
}


def make_folder(kind, own, tokenizer_folder, folder):
    """A directory with the tokenizer of another and a random model, whose weights make the cap and the scale matter."""
    shutil.copytree(tokenizer_folder, folder)
    values = {
        "vocab_size": 2000, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.2, "pad_token_id": 0,
        "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    if kind.startswith("gemma"):
        values["head_dim"] = 16
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values | own)).save_pretrained(folder)
    return folder


def train_by_hand(base, examples, training):
    """Step losses as anyone would compute them: one batch of all examples, all logits, AdamW, a rate that falls."""
    rows = encode_examples(examples, base.tokenizer, base.read)
    longest = max(len(row["input_ids"]) for row in rows)
    ids, labels, mask = (
        torch.tensor([row + [fill] * (longest - len(row)) for row in values])
        for values, fill in (
            ([row["input_ids"] for row in rows], 0),
            ([row["labels"] for row in rows], IGNORED),
            ([[1] * len(row["labels"]) for row in rows], 0),
        )
    )
    set_seed(0)
    model = add_adapter(base, training, 0).train()
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, weight_decay=training.weight_decay)
    losses = []
    for step in range(training.epochs):
        optimizer.param_groups[0]["lr"] = training.learning_rate * (1 - step / training.epochs)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(loss.item())
    base.model = model.unload()
    return losses


@pytest.mark.parametrize("name", MODELS)
def test_step_losses_are_those_of_all_logits(name, model_folders, smoke, tmp_path):
    folder = make_folder(*MODELS[name], model_folders["llama"], tmp_path / "model")
    base = load_base(model_entry(folder), MEASURING)
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)[:24]
    changes = {"batch_size": 24, "epochs": 4, "warmup_steps": 0, "dropout": 0.0, "learning_rate": 0.01}
    training = smoke.params.training.model_copy(update=changes)
    by_hand = train_by_hand(base, examples, training)
    with Counter(base.model) as count:
        whole = train_run(base, examples, training, 0, tmp_path / "whole", {})
    assert whole["losses"] == pytest.approx(by_hand, abs=1e-5) and by_hand[-1] < by_hand[0] - 0.1
    # Each token with loss is predicted once a step, and nothing else is.
    assert count.distributions == 4 * whole["loss_tokens"] < count.tokens / 3
    # In parts of a batch, where the loss is divided by the whole batch's tokens.
    base.micro_batch = 8
    parts = train_run(base, examples, training, 0, tmp_path / "parts", {})
    assert parts["micro_batch"] == 8 and parts["losses"] == pytest.approx(by_hand, abs=1e-5)


def test_the_head_reads_all_positions_again_afterwards():
    model = make_causal_model("llama")
    ids, labels = torch.tensor([[1, 5, 6, 7]]), torch.tensor([[IGNORED, IGNORED, 6, 7]])
    head = model.get_output_embeddings()
    whole = model(ids).logits
    with keep_loss_positions(head, labels) as following:
        assert following.tolist() == [[6, 7]]
        torch.testing.assert_close(model(ids).logits, whole[:, 1:3])
    with pytest.raises(KeyError), keep_loss_positions(head, labels):
        raise KeyError
    assert torch.equal(model(ids).logits, whole)
