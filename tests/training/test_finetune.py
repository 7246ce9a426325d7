"""Loss falls on the choice alone; a run is whole, repeatable, or not there."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file

from priorshift.errors import RunError
from priorshift.files import file_hash
from priorshift.materials.rules import texts_of
from priorshift.models.base import check_texts, load_base
from priorshift.pipeline.records import finished
from priorshift.study.sections import BaseModelParams
from priorshift.training.examples import synthesize
from priorshift.training.finetune import IGNORED, decode_labels, encode, train_run


@pytest.fixture(scope="module")
def base(smoke):
    return load_base(smoke.params.models[0])


@pytest.fixture(scope="module")
def examples(smoke):
    return synthesize(smoke.params, smoke.materials, "depression", 0)


def test_only_the_completion_is_learned(base, examples):
    for example, row in zip(examples, encode(examples, base.tokenizer), strict=True):
        learned = [t for t in row["labels"] if t != IGNORED]
        assert base.tokenizer.decode(learned) == example.completion
        assert row["input_ids"][-len(learned) :] == learned
        assert base.tokenizer.unk_token_id not in row["input_ids"]
    shown = decode_labels(examples[0], base.tokenizer)
    assert shown["learned"] == examples[0].completion and examples[0].prompt in shown["read, no loss"]


def test_run_learns_is_recorded_and_repeats(base, examples, smoke, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    training = smoke.params.training.model_copy(update={"epochs": 3})
    runs = [train_run(base, examples, training, 0, folder, {"data": "x"}) for folder in folders]
    assert runs[0]["losses"][-1] < runs[0]["losses"][0]
    assert runs[0]["steps"] == training.steps == 12
    weights = [file_hash(folder / "adapter" / "adapter_model.safetensors") for folder in folders]
    assert weights[0] == weights[1]
    assert finished(folders[0] / "run.json", {"data": "x"}) is not None
    assert finished(folders[0] / "run.json", {"data": "y"}) is None
    (folders[0] / "adapter" / "adapter_model.safetensors").write_bytes(b"broken")
    assert finished(folders[0] / "run.json") is None
    train_run(base, examples, training, 1, tmp_path / "c", {})
    assert file_hash(tmp_path / "c" / "adapter" / "adapter_model.safetensors") != weights[1]


def test_weight_decay_keeps_the_adapter_small(base, examples, smoke, tmp_path):
    norms = []
    for decay in (0.0, 20.0):
        training = smoke.params.training.model_copy(update={"weight_decay": decay, "epochs": 3})
        train_run(base, examples, training, 0, tmp_path / str(decay), {})
        weights = load_file(tmp_path / str(decay) / "adapter" / "adapter_model.safetensors")
        norms.append(sum(float(w.square().sum()) for w in weights.values()))
    # The rates of 12 steps sum to about .02: a weight that nothing renews loses 1 - exp(-20 * .02), a third.
    assert norms[1] < 0.7 * norms[0]


def test_non_finite_loss_stops_the_run(base, examples, smoke, tmp_path):
    training = smoke.params.training.model_copy(update={"learning_rate": 1e30, "epochs": 3})
    with pytest.raises(RunError, match="loss is nan"):
        train_run(base, examples, training, 0, tmp_path / "run", {})
    assert list(tmp_path.iterdir()) == []
    base.model = base.model.unload() if hasattr(base.model, "unload") else base.model


def test_unknown_word_is_refused(base, materials):
    check_texts(base, texts_of(materials))
    with pytest.raises(RunError, match=r"does not know a word of 'a purple unicorn'"):
        check_texts(base, ["a purple unicorn"])


def test_unknown_directory_is_one_clear_line(tmp_path):
    with pytest.raises(ValueError, match=r"^base_models: x: cannot load .* give a hub id") as caught:
        load_base(BaseModelParams(name="x", source=str(tmp_path)))
    assert "\n" not in str(caught.value)
