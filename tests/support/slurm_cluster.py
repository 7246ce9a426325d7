"""A real SLURM cluster of two nodes on this one machine, from Debian's packages, in a folder of its own.

    python3 tests/support/slurm_cluster.py

says in one line why it cannot be had here, and then ends with status 1. Only the standard library is used.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "scontrol")
NODES = ("near", "far")
# Snakemake's plugin drops every SLURM_* variable, SLURM_CONF too: the files must lie where SLURM looks by itself.
ETC = Path("/etc/slurm")
CONFIGURATION = """\
ClusterName=priorshift
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=30
KillWait=5
MinJobAge=7200
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory={memory} Gres=gpu:1"
# A device that every machine has stands in for a GPU: what SLURM sets aside is real, what a job finds there is not.
DEVICES = "NodeName={name} Name=gpu File=/dev/null\n"


def explain_missing() -> str:
    """Why no cluster can be started here; empty when one can. Debian's packages are installed where they are not."""
    if os.geteuid() != 0:
        return "SLURM's daemons and Debian's packages need root"
    if _running("slurmctld", "slurmd"):
        return "this machine runs a SLURM of its own"
    if _installed():
        return ""
    if not shutil.which("apt-get"):
        return f"{' '.join(PACKAGES)} are not installed, and there is no apt-get"
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    try:
        subprocess.run(["apt-get", "-qq", "update"], **quiet)
        subprocess.run(["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *PACKAGES], **quiet)
    except subprocess.CalledProcessError as problem:
        return f"{' '.join(PACKAGES)} cannot be installed ({' '.join(problem.cmd)} ended with {problem.returncode})"
    return (
        "" if _installed() else f"{' '.join(PACKAGES)} were installed, and not all of {', '.join(PROGRAMS)} are there"
    )


def _installed() -> bool:
    return all(shutil.which(program) for program in PROGRAMS)


def _running(*names: str) -> list[int]:
    """Processes of these names."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text().strip() in names:
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


class Cluster:
    """The cluster, from `with` to its end, whatever ends it (SIGTERM and control-C too)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}
        self.kept = folder / "etc-slurm"  # what lay in /etc/slurm

    def __enter__(self) -> Cluster:
        self.before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
        try:
            self._configure()
            self._start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                        f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid",
                        f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed")  # fmt: skip
            self._until(lambda: (self.folder / "munge.socket").exists(), "munged made no socket")
            self._start("slurmctld", "-D", "-c")
            for node in NODES:
                self.start_node(node)
            self._until(lambda: all(self.state(node) == "IDLE" for node in NODES), "the nodes did not come up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if "slurmctld" in self.daemons:
            subprocess.run(["scancel", "--user=root", "--signal=KILL"], capture_output=True, timeout=30)
        for name in ("near", "far", "slurmctld", "munged"):
            if name in self.daemons:
                self.kill(name)
        for path in (ETC / "slurm.conf", ETC / "gres.conf"):
            path.unlink(missing_ok=True)
            if (self.kept / path.name).exists():
                shutil.move(self.kept / path.name, path)
        signal.signal(signal.SIGTERM, self.before)

    def _configure(self) -> None:
        self.kept.mkdir(parents=True)
        (self.folder / "state").mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        ETC.mkdir(exist_ok=True)
        host, memory = socket.gethostname(), _memory_mb() // (2 * len(NODES))
        nodes = [NODE.format(name=n, host=host, port=26818 + i, memory=memory) for i, n in enumerate(NODES)]
        texts = {
            "slurm.conf": CONFIGURATION.format(host=host, folder=self.folder, nodes="\n".join(nodes)),
            "gres.conf": "".join(DEVICES.format(name=name) for name in NODES),
        }
        for name, text in texts.items():
            if (ETC / name).exists():
                shutil.copy2(ETC / name, self.kept / name)
            (ETC / name).write_text(text)

    def _start(self, name: str, *arguments: str, key: str = "") -> None:
        # A group of its own: control-C must reach the daemons last.
        log = (self.folder / f"{key or name}.out").open("a")
        self.daemons[key or name] = subprocess.Popen(
            [shutil.which(name), *arguments], stdout=log, stderr=log, start_new_session=True
        )

    def start_node(self, node: str) -> None:
        """The node's slurmd."""
        self._start("slurmd", "-D", "-N", node, key=node)

    def kill(self, name: str) -> None:
        """-9 to a daemon, and for a node to all that it started."""
        daemon = self.daemons.pop(name)
        for process in [daemon.pid, *(_steps(name) if name in NODES else ())]:
            _kill(process)
        daemon.wait()

    def state(self, node: str) -> str:
        """IDLE, MIXED, ALLOCATED, DOWN, DRAINED, ..."""
        shown = self.call("scontrol", "--oneliner", "show", "node", node, check=False)
        return shown.partition(" State=")[2].partition(" ")[0]

    def jobs(self) -> list[dict[str, str]]:
        """Every job that SLURM remembers: id, state, node, memory, comment (the rule and its shard)."""
        listed = self.call("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%m|%k", check=False)
        return [
            dict(zip(("id", "state", "node", "memory", "comment"), line.split("|"), strict=True))
            for line in listed.splitlines()
        ]

    def call(self, *command: str, check: bool = True) -> str:
        """What one of SLURM's commands says."""
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60).stdout

    def _until(self, done: object, problem: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                logs = [f"{path.name}: {path.read_text()[-600:]}" for path in sorted(self.folder.glob("*.log"))]
                raise RuntimeError("\n".join([problem, *logs]))
            time.sleep(0.5)


def _steps(node: str) -> list[int]:
    """The jobs' processes on a node, known by their environment, and the slurmstepd above each."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            step = Path(f"/proc/{parent}/comm").read_text().strip() == "slurmstepd"
        except (OSError, ValueError):
            continue
        if {b"SLURM_CLUSTER_NAME=priorshift", f"SLURMD_NODENAME={node}".encode()} <= set(variables):
            found += [parent, int(folder.name)] if step else [int(folder.name)]
    return found


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


if __name__ == "__main__":
    reason = explain_missing()
    print(reason, end="\n" if reason else "")
    sys.exit(bool(reason))
