"""Unsloth and PEFT train the same adapter from the same tokens. `make unsloth-test` has both, on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import yaml
from support.study_runs import make_workplace, run_study

from priorshift.errors import ParamsError
from priorshift.models.backends import choose_backend
from priorshift.pipeline.execute import make_environment

INSTALLED = find_spec("unsloth") is not None
needed = pytest.mark.skipif(not INSTALLED, reason="Unsloth is not installed here: make unsloth-test")

TRAIN = """
import json, sys
from pathlib import Path
from priorshift.models.backends import choose_backend
backend = choose_backend(sys.argv[1])
from priorshift.models.base import load_base
from priorshift.study.load import load_study
from priorshift.training.examples import synthesize
from priorshift.training.finetune import train_run
from priorshift.training.loss_positions import IGNORED
loaded = load_study("params/smoke.yaml")
base = load_base(loaded.params.find_base_model(sys.argv[2]), backend)
masks = []
def note(module, args, kwargs):
    masks.append([[int(i) for i, t in enumerate(row) if t != IGNORED] for row in kwargs["labels"].tolist()])
base.model.register_forward_pre_hook(note, with_kwargs=True)
examples = synthesize(loaded.params, loaded.materials, "depression", 0)
runs = [train_run(base, examples, loaded.params.training, 0, Path(sys.argv[3]) / str(i), {}) for i in range(2)]
config = json.loads((Path(sys.argv[3]) / "0/adapter/adapter_config.json").read_text())
print(json.dumps({"runs": runs, "masks": masks, "config": config}))
"""


@needed
def test_unsloth_after_transformers_is_one_line():
    import transformers  # noqa: F401

    with pytest.raises(ParamsError, match=r"transformers was imported before Unsloth: call choose_backend first"):
        choose_backend("unsloth")


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    """backend, base model -> what training left, each in a process of its own."""

    def train(backend, base_model):
        folder = tmp_path_factory.mktemp(backend)
        command = [sys.executable, "-c", TRAIN, backend, base_model, str(folder)]
        done = subprocess.run(command, cwd=root, env=make_environment(os.environ), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return {(b, m): train(b, m) for b in ("unsloth", "peft") for m in ("llama-coupled-0", "gpt_neox-coupled-0")}


@needed
@pytest.mark.parametrize("base_model", ["llama-coupled-0", "gpt_neox-coupled-0"])
def test_same_adapter_same_labels_like_losses(trained, base_model):
    fast, plain = trained["unsloth", base_model], trained["peft", base_model]
    assert fast["runs"][0]["backend"] == "unsloth" and plain["runs"][0]["backend"] == "peft"
    same = ("r", "lora_alpha", "lora_dropout", "bias", "layers_to_transform", "use_rslora", "task_type", "peft_type")
    assert {key: fast["config"][key] for key in same} == {key: plain["config"][key] for key in same}
    assert sorted(fast["config"]["target_modules"]) == sorted(plain["config"]["target_modules"])
    assert fast["masks"] == plain["masks"] and any(row for batch in plain["masks"] for row in batch)
    counts = ("loss_tokens", "examples", "steps", "trainable_parameters")
    assert {key: fast["runs"][0][key] for key in counts} == {key: plain["runs"][0][key] for key in counts}
    assert fast["runs"][0]["losses"] == pytest.approx(plain["runs"][0]["losses"], abs=0.01)
    # The base is not loaded again between runs: the second run starts where the first did.
    assert fast["runs"][1]["losses"] == pytest.approx(fast["runs"][0]["losses"], abs=1e-4)


@needed
def test_smoke_study_by_both_gives_like_tables(root, tmp_path):
    tables = {}
    for backend in ("unsloth", "peft"):
        (tmp_path / backend).mkdir()
        folder = make_workplace(root, tmp_path / backend)
        path = folder / "params/smoke.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"backend": backend}))
        run_study(folder)
        outputs = folder / "outputs/smoke"
        records = [json.loads(p.read_text()) for p in outputs.glob("runs/*/*/*/run.json")]
        assert {record["backend"] for record in records} == {backend} and len(records) == 16
        assert (outputs / "report.html").exists()
        # What is compiled goes to a folder of the process, not into the study or the repository.
        assert not list(folder.rglob("unsloth_compiled_cache"))
        tables[backend] = pd.read_csv(outputs / "tables/contrasts.csv").query("unit == 'runs'").reset_index(drop=True)
    keys = ["base_model", "condition", "control", "family", "outcome", "ring"]
    pd.testing.assert_frame_equal(tables["unsloth"][keys], tables["peft"][keys])
    difference = (tables["unsloth"]["estimate"] - tables["peft"]["estimate"]).abs()
    # Nats: rounding differs (1e-6 was seen), and four steps of training move the estimates by much more.
    assert difference.max() < 0.005 and np.abs(tables["peft"]["estimate"]).max() > 0.05
