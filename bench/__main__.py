"""`python -m bench`: items per second of each system over the grid -> outputs/bench/*.csv and a figure."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from bench import gpu
from bench.environment import count_cores, describe_machine
from bench.results import describe_summary, draw_bench, summarize
from bench.scoring import JOB, Point
from bench.systems import PEERS, SYSTEMS
from bench.worker import Setting, Worker
from priorshift.errors import RunError, UserError
from priorshift.files import write_csv, write_json
from priorshift.report.save import Picture, save_picture

# Largest difference from one-by-one scoring (nats): more means that a system read other tokens.
LIMIT = 1e-4


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["random-35M", "embedded:llama-coupled-0"])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--stem-tokens", nargs="+", type=int, default=[20, 60, 200])
    parser.add_argument("--continuations", nargs="+", type=int, default=[2, 8, 24])
    parser.add_argument(
        "--items", type=int, help="stems at each point (by default 4 to 16, fewer where they cost more)"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=count_cores())
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=Path("outputs/bench"))
    return parser.parse_args(words)


def main(options: argparse.Namespace) -> None:
    """Run the whole grid and write its results."""
    missing = [name for name in options.systems if name in PEERS and find_spec(PEERS[name]) is None]
    if missing:
        raise UserError(f"--systems: {', '.join(missing)} not installed; `make bench` installs them, or leave them out")
    if "naive" not in options.systems:
        raise UserError(f"--systems {' '.join(options.systems)}: expected naive among them, the others are held to it")
    runs = pd.concat([run_model(name, options) for name in options.models], ignore_index=True)
    summary = summarize(runs)
    write_csv(options.out / "runs.csv", runs)
    write_csv(options.out / "summary.csv", summary)
    write_json(options.out / "environment.json", describe_machine(options))
    text = "Items per second against continuations per stem, a line for each system: median and range of repeats."
    save_picture(Picture("bench", draw_bench(runs), text), options.out)
    print(describe_summary(summary))


def run_model(name: str, options: argparse.Namespace) -> pd.DataFrame:
    """One row per point, repeat and system; the systems take turns, each repeat beginning with another."""
    setting = Setting(name, options.device, "float32", options.attention, options.threads)
    workers: list[Worker] = []
    rows = []
    try:
        for system in options.systems:
            workers.append(Worker(JOB, system, setting))
        grid = [make_point(*cell, options.items) for cell in product(options.stem_tokens, options.continuations)]
        turns = list(product(grid, range(1, options.repeats + 1)))
        for cell, repeat in tqdm(turns, desc=name, unit="turn"):
            first = repeat % len(workers)
            found = {w.system: (w, w.run(cell, repeat)) for w in workers[first:] + workers[:first]}
            reference = found["naive"][1].scores
            for worker, timing in found.values():
                values = asdict(timing)
                difference = find_largest_difference(worker.system, cell, values.pop("scores"), reference)
                key = {"model": name, "device": options.device, **asdict(cell), "repeat": repeat}
                measured = {"items_per_s": cell.items / timing.seconds, "largest_difference": difference}
                rows.append({**key, "system": worker.system, **measured, **values, "load_s": worker.load_s})
    finally:
        for worker in workers:
            worker.stop()
    return pd.DataFrame(rows)


def make_point(stem_tokens: int, continuations: int, items: int | None) -> Point:
    """A point of the grid; without `items`, few enough for a whole run to stay short."""
    return Point(items or min(16, max(4, 12_000 // (stem_tokens * continuations))), stem_tokens, continuations)


def find_largest_difference(system: str, cell: Point, scores: list[list[float]], reference: list[list[float]]) -> float:
    """Largest difference (nats) of any continuation's logprob from one-by-one scoring; a RunError beyond `LIMIT`."""
    found, expected = (np.concatenate([np.asarray(row) for row in rows]) for rows in (scores, reference))
    difference = float(np.abs(found - expected).max())
    if not difference <= LIMIT:
        raise RunError(f"{system} differs from naive by {difference:.2g} nats at {cell}: expected at most {LIMIT:g}")
    return difference


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["gpu"]:
            gpu.main(gpu.parse_arguments(sys.argv[2:]))
        else:
            main(parse_arguments())
    except UserError as problem:
        sys.exit(f"error: {problem}")
