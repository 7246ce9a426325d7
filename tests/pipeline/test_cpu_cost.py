"""Minutes on this processor: what is timed has a base model's shape, and its price is that of the work."""

from __future__ import annotations

import time

import pytest
import torch
from support.causal_models import FAMILIES
from transformers import AutoConfig

from priorshift.models.base import load_base
from priorshift.pipeline import cpu_cost
from priorshift.pipeline.cost import Work, average_longest, count_work, make_without_weights
from priorshift.pipeline.cpu_cost import (
    Pace,
    describe_minutes,
    estimate_seconds,
    make_block,
    time_probing,
    time_training,
)
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import measure_model
from priorshift.probing.probe import make_scorer
from priorshift.study.load import Study
from priorshift.training.examples import synthesize
from priorshift.training.finetune import train_run

SHAPES = ("llama", "gpt_neox", "qwen3", "gemma3, window 80", "mistral, window 70", "gpt2")


@pytest.mark.parametrize("name", SHAPES)
def test_a_block_has_the_parameters_of_each_block_of_its_model(name):
    kind, own, _ = FAMILIES[name]
    config = AutoConfig.for_model(kind, **own)
    config.num_hidden_layers = 2

    def count(model):
        return sum(p.numel() for key, p in model.named_parameters() if any(part.isdigit() for part in key.split(".")))

    two = cpu_cost.AutoModelForCausalLM.from_config(config)
    assert 2 * count(make_block(config, torch.float32)) == count(two) > 0
    assert make_block(config, torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_timed_forward_and_back(name, smoke):
    kind, own, _ = FAMILIES[name]
    config = AutoConfig.for_model(kind, **own)
    trained = time_training(config, smoke.params.training, torch.float32, 20)
    for pace in (trained, time_probing(config, torch.float32, 20)):
        assert 0 < pace.block < 0.1 and 0 < pace.head < 0.1


def test_price_by_hand(monkeypatch):
    for name, value in {"STEP_S": 1.0, "ITEM_S": 2.0, "JSD_S": 0.01, "RUN_S": 100.0}.items():
        monkeypatch.setattr(cpu_cost, name, value)
    config = AutoConfig.for_model("llama", vocab_size=10, num_hidden_layers=3)
    work = Work(2, 5, 40, 700.0, 30.0, 900.0, padded=1000.0, with_loss=60.0, wanted=70.0, items=4)
    training, measuring = estimate_seconds(work, config, Pace(0.1, 0.5), Pace(0.01, 0.2))
    assert training == pytest.approx(1000 * 3 * 0.1 + 60 * 0.5 + 5 * 1.0 + 2 * 100)
    assert measuring == pytest.approx(900 * 3 * 0.01 + 70 * 0.2 + 4 * (2 + 3 * 10 * 0.01) + 2 * 100)


def test_the_longest_of_a_batch_by_hand():
    # Of two draws among 1 and 3 the longest is 1 once in four times, and 3 else.
    assert average_longest([3.0, 1.0], 2) == pytest.approx(2.5)
    assert average_longest([4.0, 4.0, 4.0], 16) == pytest.approx(4.0) and average_longest([1.0, 3.0], 1) == 2.0


def test_the_estimate_is_near_what_a_run_takes(smoke, tmp_path):
    """Within a factor of three, on machines that do other work: on an idle one within 1.5."""
    base = load_base(smoke.params.models[0])
    training = smoke.params.training.model_copy(update={"epochs": 4})
    params = smoke.params.model_copy(update={"training": training, "seeds": [0]})
    study = Study(params, smoke.materials, smoke.folder, tmp_path)
    work = count_work(study)
    config = make_without_weights(params.models[0]).config
    length = round(work.padded / work.examples)
    paces = time_training(config, training, torch.float32, length), time_probing(config, torch.float32, length)
    estimated = estimate_seconds(work, config, *paces)
    examples = synthesize(params, smoke.materials, "depression", 0)
    began = time.process_time()
    train_run(base, examples, training, 0, tmp_path / "run", {})
    trained = time.process_time() - began
    assert 1 / 3 < estimated[0] / work.runs / trained < 3
    scorer, items = make_scorer(params, base), make_probe_items(params, smoke.materials)
    began = time.process_time()
    measure_model(scorer, items)
    measured = time.process_time() - began
    assert 1 / 3 < (estimated[1] - work.runs * cpu_cost.RUN_S) / (work.runs + 1) / measured < 3


def test_minutes_are_one_line_and_fewer_where_jobs_run_side_by_side(smoke, monkeypatch):
    monkeypatch.setattr(cpu_cost, "time_training", lambda *shape: Pace(1e-3, 1e-3))
    monkeypatch.setattr(cpu_cost, "time_probing", lambda *shape: Pace(1e-3, 1e-3))
    said = {}
    for cores in (1, 2):
        monkeypatch.setattr(cpu_cost, "count_cores", lambda cores=cores: cores)
        said[cores] = describe_minutes(smoke)
        assert "\n" not in said[cores] and f"({cores} core{'s' if cores > 1 else ''})" in said[cores]
    one, two = (float(said[cores].split()[1]) for cores in (1, 2))
    assert one == pytest.approx(2 * two, abs=1.5)


def test_a_shape_that_cannot_be_timed_is_named(smoke, monkeypatch):
    monkeypatch.setattr(cpu_cost, "make_block", lambda *shape: {}["blocks"])
    said = describe_minutes(smoke)
    assert "not estimated (llama-coupled-0: KeyError" in said and "\n" not in said
