"""Kill a study at random moments, let it go on, and compare it with an untouched one.

    python tests/support/kills.py --params params/smoke.yaml --kills 20 --seed 0

prints each kill and what it left, and ends with an error at the first difference.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from support.study_runs import make_workplace, run_study, study_command

from priorshift.pipeline.execute import make_environment
from priorshift.pipeline.manifest import list_problems
from priorshift.pipeline.records import read_finished
from priorshift.study.load import load_study

KINDS = ("tree", "group", "worker", "terminate")


def kill(process, kind, rng):
    """-9 to every process of the study; or to its process group, kernels left alone; or to one worker (a kernel, as
    where memory runs out); or SIGTERM to the group, as a scheduler sends it.
    """
    main = psutil.Process(process.pid)
    workers = main.children(recursive=True)
    group = [main, *(w for w in workers if _group(w) == main.pid)]
    worker = [rng.choice(workers)] if workers else [main]
    for each in {"tree": [main, *workers], "worker": worker}.get(kind, group):
        try:
            each.terminate() if kind == "terminate" else each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def _group(process):
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def finished_runs(folder, params):
    """run.json of every finished run: when it was written, and its bytes."""
    loaded = load_study(folder / params, folder / "outputs")
    paths = [loaded.paths.run(*run) / "run.json" for run in loaded.select("all", "all", "all")]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths if read_finished(path)}


def tables(outputs):
    return {path.name: path.read_bytes() for path in sorted((outputs / "tables").glob("*.csv"))}


def kill_and_go_on(folder, params, seconds, kills, seed, cores=2):
    """Kill the study in `folder` at `kills` moments within `seconds` of its start, each time going on after it.

    Returns the finished runs that some kill left behind, as they were then.
    """
    rng = random.Random(f"kills {seed}")
    outputs = load_study(folder / params, folder / "outputs").paths.root
    kept, done = {}, 0
    while done < kills:
        kind, moment = rng.choice(KINDS), rng.uniform(0, seconds)
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                study_command(params, cores), cwd=folder, env=make_environment(os.environ), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                kill(process, kind, rng)
                done += 1
                kept |= finished_runs(folder, params)
                print(f"kill {done}: {kind} after {moment:.1f} s; {len(kept)} runs finished", flush=True)
                continue
            log.seek(0)
            assert status == 0, log.read().decode()[-3000:]
        # It was finished before its moment: the rest of the kills need a study to hit.
        yield kept
        shutil.rmtree(outputs)
        kept = {}
    run_study(folder, params, cores)
    yield kept


def compare(folder, params, kept, expected):
    """Every promise about a study that was killed on the way."""
    loaded = load_study(folder / params, folder / "outputs")
    now = finished_runs(folder, params)
    again = [str(path) for path in kept if now.get(path) != kept[path]]
    assert not again, f"finished runs were done again: {again}"
    assert tables(loaded.paths.root) == expected, "tables differ"
    assert not list(loaded.paths.root.rglob(".*.tmp")), "half-written files were left"
    assert list_problems(loaded) == []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", default="params/smoke.yaml")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    chosen = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        untouched, killed = (make_workplace(root, Path(folder) / name) for name in ("untouched", "killed"))
        start = time.monotonic()
        run_study(untouched, chosen.params, chosen.cores)
        seconds = time.monotonic() - start
        name = load_study(untouched / chosen.params, untouched / "outputs").paths.root.name
        expected = tables(untouched / "outputs" / name)
        print(f"untouched: {seconds:.1f} s, {len(expected)} tables", flush=True)
        for kept in kill_and_go_on(killed, chosen.params, seconds, chosen.kills, chosen.seed, chosen.cores):
            compare(killed, chosen.params, kept, expected)
            print(f"went on to the end: {len(expected)} tables equal, {len(kept)} finished runs untouched", flush=True)


if __name__ == "__main__":
    sys.exit(main())
