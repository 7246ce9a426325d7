"""How Snakemake is called: whatever the study's path, it reads that path; what cannot be used is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake.cli import parse_config

from priorshift.errors import ParamsError, RunError
from priorshift.pipeline.execute import execute_study, make_command, make_environment
from priorshift.pipeline.locks import hold_study
from priorshift.study.load import load_study

ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.fixture
def in_root(root, monkeypatch):
    monkeypatch.chdir(root)


def read_config(command):
    """What Snakemake reads after --config."""
    return parse_config(command[command.index("--config") + 1 :])


@given(ODD)
def test_snakemake_reads_the_path_that_was_given(in_root_once, name):
    path = f"params/{name}.yaml"
    assert read_config(make_command(path, "2", "", [], []))["study"] == path


@pytest.fixture(scope="module")
def in_root_once(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield


@pytest.mark.parametrize("path", ["a: b.yaml", "a$b.yaml", "it's.yaml", '"a".yaml', "025", "a=b", "~", "null"])
def test_paths_that_yaml_or_a_shell_would_change(in_root, path):
    assert read_config(make_command(path, "all", "", [], [])) == {"study": path}


def test_settings_profile_and_further_options_reach_snakemake(in_root):
    command = make_command("a.yaml", "3", "slurm", ["comparisons=50"], ["--slurm-no-account"])
    assert read_config(command) == {"study": "a.yaml", "comparisons": 50}
    assert command[command.index("--workflow-profile") + 1] == "workflow/profiles/slurm"
    assert command[command.index("--cores") + 1] == "3"
    assert command.index("--slurm-no-account") < command.index("--config")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("many", "", []), "--cores: found 'many'; expected a number"),
        (("0", "", []), "--cores: found '0'"),
        (("-1", "", []), "--cores: found '-1'"),
        (("2", "moon", []), "--profile: found 'moon'; expected one of local, slurm"),
        (("2", "../profiles/slurm", []), "--profile: found"),
        (("2", "", ["seeds=3"]), "--set: found 'seeds=3'; expected runs_per_side or comparisons"),
        (("2", "", ["comparisons"]), "--set: found 'comparisons'"),
        (("2", "", ["comparisons=many"]), "--set: found 'comparisons=many'"),
    ],
)
def test_what_cannot_be_used_is_one_line(in_root, arguments, said):
    with pytest.raises(ParamsError, match=said) as caught:
        make_command("a.yaml", *arguments, [])
    assert "\n" not in str(caught.value)


def test_elsewhere_than_in_the_root_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"no such file in .*run this command in the repository's root"):
        make_command("a.yaml", "2", "", [], [])


def test_a_second_one_at_once_is_refused_before_anything_starts(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    study = load_study("params/smoke.yaml", tmp_path)
    with hold_study(study.paths), pytest.raises(RunError, match="another `make study` is at work"):
        execute_study(study, "params/smoke.yaml", "2", "", [], [])
    assert not study.paths.begun.exists()


def test_environment_keeps_what_the_user_says():
    made = make_environment({"PATH": "/bin", "OMP_NUM_THREADS": "3"})
    assert made["OMP_NUM_THREADS"] == "3" and made["TOKENIZERS_PARALLELISM"] == "false"
    first, *rest = made["PATH"].split(os.pathsep)
    assert Path(first) == Path(sys.executable).parent and rest == ["/bin"]


@pytest.mark.parametrize("name", ["it's.yaml", "a: b.yaml", "a$b.yaml", "a b.yaml", 'say "c".yaml', "#a.yaml"])
def test_make_hands_the_path_on_as_it_is(root, name):
    """By make's dry run, whose line a shell then splits."""
    shown = subprocess.run(["make", "-n", "study", f"STUDY=params/{name}"], cwd=root, capture_output=True, text=True)
    [line] = [line for line in shown.stdout.splitlines() if "priorshift run" in line]
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True).stdout.split("\n")
    assert words[:3] == [".venv/bin/priorshift", "run", f"params/{name}"]
