"""The smoke study on a real SLURM cluster, with bad luck on the way, against a run without one.

    make slurm-test                 # a job for each base model
    python tests/support/slurm.py run       # a job for each run: longer

One job is cancelled, one node drained, and the other node lost with all that runs on it; the tables must be those of
a local run, byte for byte.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from support.kills import tables
from support.slurm_cluster import Cluster, explain_missing
from support.study_runs import make_workplace, run_command, run_study, study_command

from priorshift.pipeline.execute import make_environment
from priorshift.pipeline.jobs import BY_MODEL, list_shards
from priorshift.study.load import load_study

PARAMS = "params/smoke.yaml"
SEEN_SOONER = ["--slurm-init-seconds-before-status-checks", "3"]
NO_ACCOUNTING = ["--slurm-no-account", "--slurm-status-command", "squeue"]
PATIENCE = 3600  # seconds for the whole study


class Trouble:
    """What goes wrong, each thing once, as soon as there is a job that it can hit."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.cancelled = self.drained = self.lost = ""
        self.back = False

    def look(self) -> None:
        """Do what is next, if its moment has come."""
        running = [job for job in self.cluster.jobs() if job["state"] == "RUNNING"]
        for job in running:
            if not self.cancelled and job["comment"].startswith("rule_train"):
                self.cancelled = job["comment"]
                self.cluster.call("scancel", job["id"])
                return _say(f"cancelled job {job['id']}, {job['comment']}")
            if self.cancelled and not self.drained and job["comment"].startswith("rule_train"):
                self.drained = job["node"]
                self.cluster.call("scontrol", "update", f"nodename={job['node']}", "state=drain", "reason=test")
                return _say(f"drained node {job['node']} under job {job['id']}")
            if (
                self.drained
                and not self.lost
                and job["comment"].startswith("rule_probe")
                and job["node"] != self.drained
            ):
                self.lost = job["comment"]
                self.cluster.kill(job["node"])
                self.cluster.start_node(job["node"])
                return _say(f"lost node {job['node']} with job {job['id']}, {job['comment']}; it is back")
        return None


def main(shard: str) -> None:
    """Both runs and every promise about them."""
    reason = explain_missing()
    if reason:
        sys.exit(f"slurm-test: {reason}")
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="priorshift-slurm-") as name:
        here = Path(name)
        local, far = make_workplace(root, here / "local"), make_workplace(root, here / "cluster")
        start = time.monotonic()
        run_study(local)
        expected = tables(local / "outputs/smoke")
        _say(f"without a cluster: {time.monotonic() - start:.0f} s, {len(expected)} tables")
        _change(far / PARAMS, shard=shard, resources={"gpus": 1, "cpus": 1, "memory_gb": 2, "hours": 0.5})
        with Cluster(here / "slurm") as cluster:
            start = time.monotonic()
            trouble = on_cluster(far, cluster)
            _say(f"on the cluster: {time.monotonic() - start:.0f} s, {len(cluster.jobs())} jobs")
            check(far, cluster, trouble)
        found = tables(far / "outputs/smoke")
        assert found.keys() == expected.keys()
        differ = [name for name in expected if found[name] != expected[name]]
        assert not differ, f"tables differ: {differ}"
        _say(f"{len(expected)} tables are equal byte for byte")


def on_cluster(folder: Path, cluster: Cluster) -> Trouble:
    """`make study PROFILE=slurm`, with trouble, until it ends well."""
    command = [*study_command(PARAMS), "--profile", "slurm", "--", *NO_ACCOUNTING, *SEEN_SOONER]
    trouble, log = Trouble(cluster), folder / "snakemake.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=folder, env=make_environment(os.environ), stdout=stream, stderr=stream)
        try:
            end = time.monotonic() + PATIENCE
            while process.poll() is None:
                assert time.monotonic() < end, f"not finished in {PATIENCE} s: {log.read_text()[-3000:]}"
                trouble.look()
                time.sleep(1)
        finally:
            process.kill()  # what it submitted ends with the cluster
            process.wait()
    assert process.returncode == 0, log.read_text()[-6000:]
    return trouble


def check(folder: Path, cluster: Cluster, trouble: Trouble) -> None:
    """Every promise but the tables."""
    jobs = cluster.jobs()
    tried = {hit: [job for job in jobs if job["comment"] == hit] for hit in (trouble.cancelled, trouble.lost)}
    assert trouble.drained and all(tried.values()), vars(trouble)
    # Cancelled: again, with more memory. Lost: SLURM puts it back by itself, or it is submitted again.
    again = [(job["state"], job["memory"]) for job in tried[trouble.cancelled]]
    assert sorted(again) == [("CANCELLED", "2000M"), ("COMPLETED", "4000M")], again
    assert "COMPLETED" in [job["state"] for job in tried[trouble.lost]], tried
    assert not [job for job in jobs if job["state"] in ("RUNNING", "PENDING")], jobs
    assert cluster.state(trouble.drained).startswith("IDLE+DRAIN"), cluster.state(trouble.drained)
    said = run_command([sys.executable, "-m", "priorshift", "verify", PARAMS], folder)
    assert "every file is as the manifest says" in said, said
    loaded = load_study(folder / PARAMS, folder / "outputs")
    notebooks = ("01_synthesize", *BY_MODEL, *loaded.params.analyses)
    executed = [loaded.paths.executed(name, shard) for name in notebooks for shard in list_shards(loaded, name)]
    assert not [path for path in executed if not path.exists()], executed
    logs = list((folder / "outputs/slurm_logs").rglob("*.log"))
    assert [log for log in logs if log.parent.parent.name == "rule_train"], "the cancelled job left no log"


def _change(path: Path, **values: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values, sort_keys=False))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["base_model"]))
