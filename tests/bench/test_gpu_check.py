"""`make gpu-check` at tiny size on the CPU, so that it works the first time on a GPU."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from bench import exactness, gpu
from bench.material import RANDOM, make_random_model
from priorshift.errors import RunError, UserError

TINY = ["--device", "cpu", "--items", "6", "--peer-items", "3", "--exact-items", "2", "--stem-tokens", "20",
        "--continuations", "5", "--examples", "16", "--batch-size", "4"]  # fmt: skip


NAME = "random-tiny-qwen2"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu")
    gpu.main(gpu.parse_arguments([*TINY, "--models", NAME, "--out", str(out)]))
    return json.loads((out / f"cpu_{NAME}.json").read_text())


def test_every_part_is_measured_or_says_why_not(report):
    for key in ("training_peft", "probing_priorshift", "exactness"):
        assert not {"failed", "not_run"} & set(report[key])
    for key, package in (("training_unsloth", "unsloth"), ("probing_lm_eval", "lm_eval")):
        assert ("not_run" in report[key]) == (find_spec(package) is None) and "failed" not in report[key]


def test_numbers_fit_together(report):
    trained, probed = report["training_peft"], report["probing_priorshift"]
    # Each text has 20 words after BOS, 16 texts.
    assert trained["tokens_per_s"] == pytest.approx(16 * 21 / trained["seconds"])
    model = make_random_model(NAME)[0]
    assert report["parameters"] == model.num_parameters()
    assert trained["operations_per_token"] == 4 * model.num_parameters()  # tied: the embedding is the head
    assert trained["limit_tokens_per_s"] == report["matmul_operations_per_s"] / trained["operations_per_token"]
    assert probed["items_per_s"] == 6 / probed["seconds"] and 0 < probed["share_of_limit"] < 1
    assert probed["unique_tokens"] <= probed["computed_tokens"]
    assert trained["peak_mb"] > 50 and probed["peak_mb"] > 50
    peer = report["probing_lm_eval"].get("items_per_s")
    assert report["priorshift_over_lm_eval"] == (probed["items_per_s"] / peer if peer else None)


def test_sixteen_bits_are_proved_and_named(report):
    assert report["dtype"] == "bfloat16" and report["exactness"]["continuations"] == 10
    assert report["exactness"]["method"] == "prompt_once"
    # Sixteen bits do differ from float32: the test compares what it says.
    assert report["exactness"]["mean_plain_from_float32"] > 1e-5


def test_scoring_further_from_float32_than_plain_scoring_is_refused():
    exact = np.zeros(4)
    assert exactness.compare(exact + 0.014, exact - 0.01, exact)["largest_ours_from_plain"] == pytest.approx(0.024)
    for wrong in (0.02, float("nan")):
        with pytest.raises(RunError, match="prompt-once scoring is"):
            exactness.compare(exact + wrong, exact + 0.01, exact)


def test_a_part_that_fails_is_written_and_the_rest_goes_on(tmp_path):
    def fails():
        raise RunError("no room")

    report = {"seconds": 0.0}
    failed = gpu.measure({"one": fails, "two": lambda: {"items_per_s": 1.0}}, report, tmp_path / "all.json")
    assert failed == ["one: no room"]
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["one"] == {"failed": "no room"} and written["two"] == {"items_per_s": 1.0}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(UserError, match="no CUDA device here"):
        gpu.main(gpu.parse_arguments([]))


def test_default_shapes_are_those_of_the_real_models():
    options = gpu.parse_arguments([])
    assert (options.items, options.continuations) == (2000, 24)
    with torch.device("meta"):
        sizes = {name: make_random_model(name)[0].num_parameters() for name in options.models}
    assert sizes == {"qwen2.5-0.5b": 494_032_768, "llama-3.2-1b": 1_235_814_400} and set(sizes) <= set(RANDOM)
