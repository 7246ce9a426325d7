"""Adapters of earlier steps: they are what training stood at then, and keeping them changes nothing."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from priorshift.errors import ParamsError
from priorshift.files import hash_file
from priorshift.models.adapters import load_adapters
from priorshift.models.base import load_base
from priorshift.study.load import load_study
from priorshift.training.examples import synthesize
from priorshift.training.finetune import train_run

WEIGHTS = "adapter_model.safetensors"


def test_an_adapter_of_a_step_is_kept_whole_and_the_end_is_the_same(smoke, tmp_path):
    base, examples = load_base(smoke.params.models[0]), synthesize(smoke.params, smoke.materials, "depression", 0)
    plain = smoke.params.training  # four steps
    run = train_run(base, examples, plain.model_copy(update={"kept_steps": [2, 3]}), 0, tmp_path / "kept", {})
    train_run(base, examples, plain, 0, tmp_path / "plain", {})
    ends = [tmp_path / name / "adapter" / WEIGHTS for name in ("kept", "plain")]
    assert hash_file(ends[0]) == hash_file(ends[1])
    names = ("adapter-step-2", "adapter-step-3", "adapter")
    kept = {name: load_file(tmp_path / "kept" / name / WEIGHTS) for name in names}
    first, third, last = kept.values()
    assert first.keys() == third.keys() == last.keys()
    key = next(name for name in last if name.endswith("lora_B.weight"))  # B starts at 0, step 1 has rate 0
    assert 0 < first[key].norm() < third[key].norm() < last[key].norm()
    assert {f"{name}/{WEIGHTS}" for name in kept} <= set(run["hashes"])
    loaded = load_adapters(base, {f"at-{n}": tmp_path / "kept" / f"adapter-step-{n}" for n in (2, 3)})
    found = dict(loaded.named_parameters())[key.replace("lora_B.weight", "lora_B.at-2.weight")]
    assert torch.equal(found, first[key])


def test_steps_that_training_never_comes_to_are_refused(write_study):
    path = write_study(lambda data: data["training"].update(kept_steps=[2, 4]))
    with pytest.raises(ParamsError, match=r"kept_steps is \[2, 4\]; expected steps before the last, which is 4"):
        load_study(path)


def test_steps_that_a_condition_s_own_training_never_comes_to_are_refused(write_study):
    def change(data):
        data["training"]["kept_steps"] = [2]
        data["conditions"]["depression"]["training"] = {"examples": data["training"]["batch_size"]}

    with pytest.raises(ParamsError, match=r"conditions.depression: training.kept_steps is \[2\], and .* after step 1"):
        load_study(write_study(change))


def test_a_study_without_kept_steps_keeps_its_hashes(smoke):
    assert "kept_steps" not in smoke.params.training.model_dump()
