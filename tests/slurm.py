"""The smoke study on a real SLURM cluster, with bad luck on the way, against a run without one.

    make slurm-test

One job is cancelled, one node drained, and the other node lost with all that runs on it; the tables must be those of
a local run, byte for byte, though that one was cut into other jobs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from kills import tables
from slurm_cluster import Cluster, install, why_not
from study_runs import environment, run, study, study_command, workplace

PARAMS = "params/smoke.yaml"
SEEN_SOONER = ["--slurm-init-seconds-before-status-checks", "3"]
NO_ACCOUNTING = ["--slurm-no-account", "--slurm-status-command", "squeue"]
PATIENCE = 1800  # seconds for the whole study


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


def main() -> None:
    """Both runs and every promise about them."""
    reason = why_not()
    if reason:
        sys.exit(f"slurm-test: {reason}")
    install()
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="priorshift-slurm-") as name:
        here = Path(name)
        local, far = workplace(root, here / "local"), workplace(root, here / "cluster")
        start = time.monotonic()
        study(local)
        expected = tables(local / "outputs/smoke")
        _say(f"without a cluster: {time.monotonic() - start:.0f} s, {len(expected)} tables")
        _change(far / PARAMS, shard="run", resources={"gpus": 1, "cpus": 1, "memory_gb": 2, "hours": 0.5})
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
    command = [*study_command(PARAMS), "--workflow-profile", "workflow/profiles/slurm", *NO_ACCOUNTING, *SEEN_SOONER]
    trouble, log = Trouble(cluster), folder / "snakemake.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=stream, stderr=stream)
        try:
            end = time.monotonic() + PATIENCE
            while process.poll() is None:
                assert time.monotonic() < end, f"not finished in {PATIENCE} s: {log.read_text()[-3000:]}"
                trouble.look()
                time.sleep(1)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    assert process.returncode == 0, log.read_text()[-6000:]
    return trouble


def check(folder: Path, cluster: Cluster, trouble: Trouble) -> None:
    """Every promise but the tables."""
    jobs = cluster.jobs()
    assert trouble.cancelled and trouble.drained and trouble.lost, vars(trouble)
    states = {
        comment: [job["state"] for job in jobs if job["comment"] == comment]
        for comment in (trouble.cancelled, trouble.lost)
    }
    assert all("COMPLETED" in found for found in states.values()), states
    assert "CANCELLED" in states[trouble.cancelled], states
    assert not [job for job in jobs if job["state"] in ("RUNNING", "PENDING")], jobs
    assert cluster.state(trouble.drained).startswith("IDLE+DRAIN"), cluster.state(trouble.drained)
    said = run([sys.executable, "-m", "priorshift", "verify", PARAMS], folder)
    assert "every file is as the manifest says" in said, said
    executed = {
        path.relative_to(folder / "outputs/smoke/notebooks").as_posix()
        for path in (folder / "outputs/smoke/notebooks").rglob("*.ipynb")
    }
    assert "02_train_llama-coupled-0/depression/seed-0.ipynb" in executed and len(executed) == 3 + 2 * 16, executed


def _change(path: Path, **values: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values, sort_keys=False))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
