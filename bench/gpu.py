"""`python -m bench gpu`: training and probing on this GPU, against peers and the arithmetic limit.

Models have random weights in the shapes of real ones: no hub is asked. Each part is written to outputs/gpu/*.json as
soon as it is measured; one that fails is written with its reason, and the rest goes on.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from bench import exactness, scoring, training
from bench.environment import count_cores, describe_machine
from bench.material import RANDOM, make_random_model
from bench.systems import PEERS
from bench.worker import Setting, Worker
from priorshift.errors import RunError, UserError
from priorshift.files import write_json
from priorshift.pipeline.cost import count_matrices

WARM_UP = 4  # batches: kernels are compiled in them


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench gpu", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["qwen2.5-0.5b", "llama-3.2-1b"], choices=list(RANDOM))
    parser.add_argument("--backends", nargs="+", default=["peft", "unsloth"], choices=["peft", "unsloth"])
    parser.add_argument("--items", type=int, default=2000, help="probe items that we score")
    parser.add_argument("--peer-items", type=int, default=100, help="probe items that lm-evaluation-harness scores")
    parser.add_argument("--exact-items", type=int, default=8, help="probe items of the exactness test")
    parser.add_argument("--stem-tokens", type=int, default=60)
    parser.add_argument("--continuations", type=int, default=24)
    parser.add_argument("--examples", type=int, default=1024, help="training examples of 60 tokens")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=Path("outputs/gpu"))
    return parser.parse_args(words)


def main(options: argparse.Namespace) -> None:
    """Measure every model; a RunError at the end where a part failed."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: no CUDA device here; run this on a machine with an NVIDIA GPU and its driver")
    failed = [part for name in options.models for part in check_model(name, options)]
    if failed:
        raise RunError(f"failed: {'; '.join(failed)} (the rest is in {options.out})")


def check_model(name: str, options: argparse.Namespace) -> list[str]:
    """Measure one model and write its JSON; returns the parts that failed."""
    host = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    path = options.out / f"{re.sub(r'[^a-z0-9.]+', '-', host.lower())}_{name}.json"
    dtype = _choose_sixteen_bits(options.device)
    report: dict = {"model": name, "device": host, "dtype": dtype, **describe_machine(options)}
    report["matmul_operations_per_s"] = measure_matmul(options.device, getattr(torch, dtype))
    report["seconds"] = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer = make_random_model(name)
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        report["parameters"] = model.num_parameters()
        matrices = count_matrices(model)
        del model
        setting = Setting(folder, options.device, dtype, "sdpa", count_cores())
        parts = {f"training_{name}": partial(train, name, setting, options, report) for name in options.backends}
        asked = {"priorshift": options.items, "lm-eval": options.peer_items}
        for system, items in asked.items():
            found = partial(probe, system, items, setting, options, report, matrices)
            parts[f"probing_{system.replace('-', '_')}"] = found
        failed = measure(parts | {"exactness": partial(check_exactness, setting, options)}, report, path)
    report |= compute_ratios(report)
    write_json(path, report)
    print(describe_report(report, path))
    return [f"{name}, {reason}" for reason in failed]


def measure(parts: dict[str, Callable[[], dict]], report: dict, path: Path) -> list[str]:
    """Fill the report part by part, and write it after each; returns what failed and why."""
    failed = []
    for key, part in parts.items():
        begun = time.perf_counter()
        try:
            report[key] = part()
        except UserError as problem:
            report[key] = {"failed": str(problem)}
            failed.append(f"{key}: {problem}")
        report["seconds"] += round(time.perf_counter() - begun, 1)
        write_json(path, report)
    return failed


def train(backend: str, setting: Setting, options: argparse.Namespace, report: dict) -> dict:
    """Fine-tune by one backend; the first, short run compiles and is not counted."""
    if backend == "unsloth" and find_spec("unsloth") is None:
        return {"not_run": "Unsloth is not installed: pip install 'priorshift[unsloth]'"}
    worker = Worker(training.JOB, backend, setting)
    try:
        size = options.batch_size
        worker.run(training.TrainingSize(WARM_UP * size, size, options.stem_tokens), 0)
        found = worker.run(training.TrainingSize(options.examples, size, options.stem_tokens), 1)
    finally:
        worker.stop()
    limit = report["matmul_operations_per_s"] / found["operations_per_token"]
    return found | {"limit_tokens_per_s": limit, "share_of_limit": found["tokens_per_s"] / limit}


def probe(system: str, items: int, setting: Setting, options: argparse.Namespace, report: dict, matrices: int) -> dict:
    """Score items by one system."""
    if system in PEERS and find_spec(PEERS[system]) is None:
        return {"not_run": f"{system} is not installed: pip install 'priorshift[bench]'"}
    worker = Worker(scoring.JOB, system, setting)
    try:
        timing = worker.run(scoring.Point(items, options.stem_tokens, options.continuations), 1)
    finally:
        worker.stop()
    speed = items / timing.seconds
    limit = report["matmul_operations_per_s"] * items / (2 * matrices * timing.unique_tokens)
    kept = {name: value for name, value in vars(timing).items() if name != "scores"}
    return {"items": items, "stem_tokens": options.stem_tokens, "continuations": options.continuations, **kept,
            "load_s": worker.load_s, "items_per_s": speed, "limit_items_per_s": limit,
            "share_of_limit": speed / limit}  # fmt: skip


def check_exactness(setting: Setting, options: argparse.Namespace) -> dict:
    """The exactness test in 16 bits."""
    worker = Worker(exactness.JOB, "exactness", setting)
    try:
        return worker.run(scoring.Point(options.exact_items, options.stem_tokens, options.continuations), 2)
    finally:
        worker.stop()


def compute_ratios(report: dict) -> dict:
    """Unsloth's speed over PEFT's, ours over lm-evaluation-harness's; None where one of the two is missing."""
    pairs = {
        "unsloth_over_peft": ("training_unsloth", "training_peft", "tokens_per_s"),
        "priorshift_over_lm_eval": ("probing_priorshift", "probing_lm_eval", "items_per_s"),
    }
    found = {}
    for name, (ours, theirs, speed) in pairs.items():
        values = [report.get(key, {}).get(speed) for key in (ours, theirs)]
        found[name] = values[0] / values[1] if all(values) else None
    return found


def measure_matmul(device: str, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product: the best of several."""
    size, turns = (8192, 20) if device == "cuda" else (256, 5)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(turns):
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    del a, b
    torch.cuda.empty_cache()
    return 2 * size**3 / min(seconds)


def describe_report(report: dict, path: Path) -> str:
    """What was found, in a line for each part."""
    lines = [f"{report['model']} on {report['device']}, {report['dtype']}, {report['seconds']:.0f} s -> {path}"]
    for key, unit in (("training_peft", "tokens_per_s"), ("training_unsloth", "tokens_per_s"),
                      ("probing_priorshift", "items_per_s"), ("probing_lm_eval", "items_per_s")):  # fmt: skip
        part = report.get(key, {})
        if unit in part:
            share, memory = f"{part['share_of_limit']:.1%} of the limit", f"{part['peak_mb']:.0f} MiB"
            lines.append(f"  {key}: {part[unit]:.4g} {unit}, {share}, {memory}")
        elif part:
            lines.append(f"  {key}: {part.get('failed') or part['not_run']}")
    return "\n".join(lines)


def _choose_sixteen_bits(device: str) -> str:
    # Without emulation: a T4 has no bfloat16 units.
    native = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float16"
