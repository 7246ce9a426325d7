"""Loss falls on the choice alone; a run is whole, repeatable, or not there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from support.causal_models import make_byte_tokenizer
from support.tiny_models import FAMILIES, model_entry
from torch.optim.optimizer import register_optimizer_step_post_hook

from priorshift.errors import RunError
from priorshift.files import hash_file
from priorshift.models.backends import MEASURING
from priorshift.models.base import load_base, load_reader
from priorshift.training.examples import synthesize
from priorshift.training.finetune import decode_labels, encode_examples, train_run
from priorshift.training.loss_positions import IGNORED

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


@pytest.fixture(scope="module")
def examples(smoke):
    return synthesize(smoke.params, smoke.materials, "depression", 0)


def test_only_the_completion_is_learned(base, examples):
    for example, row in zip(examples, encode_examples(examples, base.tokenizer), strict=True):
        learned = [t for t in row["labels"] if t != IGNORED]
        assert base.tokenizer.decode(learned) == example.completion
        assert row["input_ids"][-len(learned) :] == learned
        assert base.tokenizer.unk_token_id not in row["input_ids"]
    shown = decode_labels(examples[0], base.tokenizer)
    assert shown["learned"] == examples[0].completion and examples[0].prompt in shown["read, no loss"]


def test_a_token_across_the_boundary_is_refused(base, examples):
    # A tokenizer of whole words: "home" is one token.
    torn = replace(examples[0], prompt="Nora decided to ho", completion="me.")
    with pytest.raises(RunError, match=r"the tokenizer merges 'Nora decided to ho' with 'me\.'"):
        encode_examples([torn], base.tokenizer)


@pytest.mark.parametrize("template", ["<s> $A <s>", "</s> $A </s>", "<s> $A </s>", "<s> $A", "$A"])
def test_special_tokens_around_a_text_are_no_part_of_what_is_learned(examples, template):
    """Also where one token is both BOS and EOS, and both are added."""
    tokenizer = make_byte_tokenizer(template)
    for example, row in zip(examples[:4], encode_examples(examples[:4], tokenizer), strict=True):
        learned = [token for token in row["labels"] if token != IGNORED]
        assert tokenizer.decode(learned) == example.completion
        opening = {"<s>": [1], "</s>": [2], "$A": []}[template.split()[0]]
        bare = tokenizer(example.prompt + example.completion, add_special_tokens=False)["input_ids"]
        assert row["input_ids"] == opening + bare


def test_run_learns_is_recorded_and_repeats(base, examples, smoke, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    training = smoke.params.training.model_copy(update={"epochs": 3})
    runs = [train_run(base, examples, training, 0, folder, {"data": "x"}) for folder in folders]
    assert runs[0]["losses"][-1] < runs[0]["losses"][0] and len(runs[0]["losses"]) == 12
    assert runs[0]["steps"] == training.steps == 12 and runs[0]["examples"] == len(examples)
    assert runs[0]["loss_tokens"] == sum(len(base.tokenizer(e.completion)["input_ids"]) - 1 for e in examples)
    files = [{path.name: hash_file(path) for path in (folder / "adapter").iterdir()} for folder in folders]
    assert files[0] == files[1] and {"README.md", "adapter_model.safetensors"} <= set(files[0])
    recorded = json.loads((folders[0] / "run.json").read_text())
    adapted = {f"self_attn.{name}_proj": base.model.config.num_hidden_layers for name in "kqvo"}
    assert smoke.params.training.target == "attention" and recorded["adapted"] == adapted
    assert recorded["hashes"] == {f"adapter/{name}": digest for name, digest in files[0].items()}
    assert recorded["inputs"] == {"data": "x"} and recorded["losses"] == runs[0]["losses"]
    train_run(base, examples, training, 1, tmp_path / "c", {})
    assert hash_file(tmp_path / "c" / "adapter" / WEIGHTS) != files[0][WEIGHTS]


def test_a_run_with_a_start_goes_on_from_it(base, examples, smoke, tmp_path):
    train_run(base, examples, smoke.params.training, 0, tmp_path / "first", {})
    still = smoke.params.training.model_copy(update={"learning_rate": 1e-12})
    train_run(base, examples, still, 1, tmp_path / "second", {}, tmp_path / "first" / "adapter")
    train_run(base, examples, still, 1, tmp_path / "fresh", {})
    first, second, fresh = (load_file(tmp_path / name / "adapter" / WEIGHTS) for name in ("first", "second", "fresh"))
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, atol=1e-6, rtol=0)
    assert any((fresh[name] - weight).abs().max() > 1e-3 for name, weight in first.items())


def test_weight_decay_keeps_the_adapter_small(base, examples, smoke, tmp_path):
    norms = []
    for decay in (0.0, 20.0):
        training = smoke.params.training.model_copy(update={"weight_decay": decay, "epochs": 3})
        train_run(base, examples, training, 0, tmp_path / str(decay), {})
        weights = load_file(tmp_path / str(decay) / "adapter" / WEIGHTS)
        norms.append(sum(float(w.square().sum()) for w in weights.values()))
    # The rates of 12 steps sum to about .02: a weight that nothing renews loses 1 - exp(-20 * .02), a third.
    assert norms[1] < 0.7 * norms[0]


def test_batches_of_like_length_hold_every_example_once_and_less_padding(base, examples, smoke, tmp_path):
    computed = {}
    for grouped in (False, True):
        rows, sizes = [], []

        def count(module, args, kwargs, rows=rows, sizes=sizes):
            sizes.append(kwargs["input_ids"].numel())
            for ids, mask in zip(kwargs["input_ids"], kwargs["attention_mask"], strict=True):
                rows.append(tuple(ids[mask.bool()].tolist()))

        handle = base.model.register_forward_pre_hook(count, with_kwargs=True)
        training = smoke.params.training.model_copy(update={"group_by_length": grouped, "batch_size": 4})
        run = train_run(base, examples, training, 0, tmp_path / str(grouped), {})
        handle.remove()
        assert sorted(rows) == sorted(tuple(row["input_ids"]) for row in encode_examples(examples, base.tokenizer))
        assert run["steps"] == training.steps and run["training"].get("group_by_length", False) == grouped
        computed[grouped] = sum(sizes) / sum(map(len, rows))
    assert 1 <= computed[True] < 1.1 < computed[False]


def test_non_finite_loss_stops_the_run(base, examples, smoke, tmp_path):
    training = smoke.params.training.model_copy(update={"learning_rate": 1e30, "epochs": 3})
    with pytest.raises(RunError, match="loss is nan"):
        train_run(base, examples, training, 0, tmp_path / "run", {})
    assert list(tmp_path.iterdir()) == []
    base.model = base.model.unload() if hasattr(base.model, "unload") else base.model


@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_falls_on_the_completion_alone(model_folders, family, style, smoke):
    tokenizer, read = load_reader(model_entry(model_folders[family], style))
    for example in synthesize(smoke.params, smoke.materials, "depression", 0)[:16]:
        [row] = encode_examples([example], tokenizer, read)
        learned = [t for t in row["labels"] if t != IGNORED]
        assert tokenizer.decode(learned) == example.completion
        shown = decode_labels(example, tokenizer, read)["read, no loss"]
        assert (example.prompt in shown) == (style == "raw") and example.situation in shown


def test_half_the_memory_takes_the_same_steps(model_folders, smoke, tmp_path):
    base = load_base(model_entry(model_folders["qwen2"]), MEASURING)
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


def test_a_base_in_bfloat16_trains_an_adapter_in_float32(model_folders, smoke, tmp_path, monkeypatch):
    """The adapter, its gradients and the optimizer's moments: only what stays as it is has fewer bits."""
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)
    losses, seen = {}, set()

    def look(optimizer, *args):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                seen.update((weight.dtype, weight.grad.dtype, *(v.dtype for v in optimizer.state[weight].values())))

    for dtype in ("float32", "bfloat16"):
        base = load_base(model_entry(model_folders["gemma"], dtype=dtype))
        handle = register_optimizer_step_post_hook(look)
        run = train_run(base, examples, smoke.params.training, 0, tmp_path / dtype, {})
        handle.remove()
        saved = load_file(tmp_path / dtype / "adapter" / WEIGHTS)
        assert run["dtype"] == dtype and {weight.dtype for weight in saved.values()} == seen == {torch.float32}
        assert {weight.dtype for weight in base.model.parameters()} == {getattr(torch, dtype)}
        losses[dtype] = run["losses"]
    # bfloat16 has eight bits: the losses agree to about 1/256 of the logits, and not to the bit.
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.02)
    assert losses["bfloat16"] != losses["float32"]


def test_gradient_checkpointing_changes_no_loss(model_folders, smoke, tmp_path):
    base = load_base(model_entry(model_folders["llama"]))
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)
    runs = [
        train_run(
            base, examples, smoke.params.training.model_copy(update={"gradient_checkpointing": way}), 0,
            tmp_path / str(way), {},
        )
        for way in (False, True)
    ]  # fmt: skip
    assert runs[1]["losses"] == pytest.approx(runs[0]["losses"], abs=1e-5)
