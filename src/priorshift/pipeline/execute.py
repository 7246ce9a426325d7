"""Run the jobs that a study's plan wants, by Snakemake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from priorshift.errors import ParamsError, RunError
from priorshift.pipeline.locks import hold_study
from priorshift.pipeline.plan import prepare_study
from priorshift.pipeline.progress import read_progress
from priorshift.study.load import Study

WORKFLOW = Path("workflow")
PAUSE = 20.0  # seconds between two looks at where the jobs are
LEVEL_KEYS = ("runs_per_side", "comparisons")  # what notebook 07 may be given: how much of it to do


def execute_study(
    study: Study, file: str, cores: str, profile: str, settings: Sequence[str], options: Sequence[str]
) -> int:
    """Run a study to its end, from the repository's root. What is finished is kept.

    Parameters
    ----------
    file : the study's YAML file, as the notebooks are given it
    cores : a number, or all
    profile : a folder of workflow/profiles; empty for none
    settings : `key=number`, the keys of `LEVEL_KEYS`
    options : further ones of Snakemake

    Returns
    -------
    int
        Snakemake's exit status; 0 when every job is done.

    Raises
    ------
    ParamsError
        When an argument cannot be used.
    RunError
        When this is not the repository's root, or another `make study` is at work in the study's folder.
    """
    command = make_command(file, cores, profile, settings, options)
    held = hold_study(study.paths)
    prepare_study(study)
    process = subprocess.Popen(command, env=make_environment(os.environ), pass_fds=[held.fileno()])
    # Snakemake decides how to end: control-C reaches it too, and a scheduler's SIGTERM is passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    return wait_for_jobs(process, study)


def wait_for_jobs(process: subprocess.Popen, study: Study) -> int:
    """Say where the jobs are until the process ends. Returns its status."""
    while True:
        try:
            return process.wait(PAUSE)
        except subprocess.TimeoutExpired:
            for line in read_progress(study.paths):
                with suppress(OSError):  # the terminal was closed
                    print(line, file=sys.stderr, flush=True)


def make_command(file: str, cores: str, profile: str, settings: Sequence[str], options: Sequence[str]) -> list[str]:
    """Make Snakemake's command line: see `execute_study`, and docs/how_resume_works.md for its options."""
    snakefile, profiles = WORKFLOW / "Snakefile", WORKFLOW / "profiles"
    if not snakefile.is_file():
        raise RunError(f"{snakefile}: no such file in {Path.cwd()}; run this command in the repository's root")
    if cores != "all" and not (cores.isascii() and cores.isdigit() and int(cores)):
        raise ParamsError(f"--cores: found {cores!r}; expected a number from 1, or all")
    known = sorted(path.name for path in profiles.glob("*"))
    if profile and profile not in known:
        raise ParamsError(f"--profile: found {profile!r}; expected one of {', '.join(known)}, a folder of {profiles}")
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in LEVEL_KEYS or not (value.isascii() and value.isdigit()):
            raise ParamsError(f"--set: found {setting!r}; expected {' or '.join(LEVEL_KEYS)}, as in comparisons=50")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", cores, "--nolock"]
    command += ["--ignore-incomplete", "--rerun-triggers", "mtime", "--quiet", "rules"]
    command += ["--workflow-profile", str(profiles / profile)] if profile else []
    # Snakemake takes quotes off and reads YAML, where a colon and a space make a map. The spaces keep the quotes.
    quoted = yaml.safe_dump(file, default_style='"', width=float("inf")).strip()
    return [*command, *options, "--config", f"study= {quoted} ", *settings]


def make_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Put this Python's papermill first, and one thread a job where nothing else is said: jobs share the cores."""
    plain = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{variables.get('PATH', '')}"
    return plain | dict(variables) | {"PATH": path}
