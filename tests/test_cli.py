"""The command: help everywhere, one line for a mistake, and what each subcommand says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata

import pytest
import yaml

from priorshift.cli import main
from priorshift.files import write_record

COMMANDS = ["check", "register", "plan", "run", "report", "play", "verify", "bundle"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: priorshift {command} ") and "STUDY" in shown


def test_help_lists_the_commands_and_hides_what_the_workflow_calls(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "] == COMMANDS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing command"),
        (["train"], "train"),
        (["check"], "STUDY"),
        (["run", "params/smoke.yaml", "--jobs", "3"], "--jobs"),
        (["plan", "params/none.yaml"], "params/none.yaml: no such file"),
        (["register", "params/none.yaml"], "params/none.yaml: no such file"),
        (["mark", "params/smoke.yaml", "09_sing"], "notebook: found '09_sing'; expected one of 01_synthesize"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(root, monkeypatch, capsys, words, said):
    monkeypatch.chdir(root)
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("error: ") and said in error and error.count("\n") == 1


def test_shells_complete_the_commands(monkeypatch):
    asked = {"_PRIORSHIFT_COMPLETE": "complete_bash", "COMP_WORDS": "priorshift ver", "COMP_CWORD": "1"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-m", "priorshift"], capture_output=True, text=True)
    assert done.stdout.split() == ["verify"]


def test_check_says_what_a_study_takes(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["check", "params/smoke.yaml"]) == 0
    materials, cost, minutes = capsys.readouterr().out.splitlines()
    assert "params/materials_small" in materials
    assert minutes.startswith("about ") and "on this processor" in minutes
    assert cost.startswith("smoke: 2 base models, 16 runs; 1,024 examples")


def test_check_reads_a_worlds_file_too(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["check", "params/worlds.yaml"]) == 0
    materials, models = capsys.readouterr().out.splitlines()
    assert "params/materials_worlds" in materials and "16 base models" in models


def test_plan_writes_nothing(clone, capsys):
    assert main(["plan", "params/tiny.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("to do  01_synthesize") and "5 of 5 jobs" in lines[-2]
    assert not (clone / "outputs").exists()


def test_register_writes_once_and_refuses_another_design_in_one_line(clone, capsys):
    assert main(["register", "params/tiny.yaml"]) == 0
    path = clone / "params/registrations/tiny.yaml"
    [said] = capsys.readouterr().out.splitlines()
    digits = yaml.safe_load(path.read_text())["sha256"]
    assert said.startswith("registered, 20") and f"params/registrations/tiny.yaml (SHA-256 {digits})" in said
    before = path.read_text()
    assert main(["register", "params/tiny.yaml"]) == 0
    assert capsys.readouterr().out.startswith("registered already, 20") and path.read_text() == before
    data = yaml.safe_load((clone / "params/tiny.yaml").read_text())
    (clone / "params/tiny.yaml").write_text(yaml.safe_dump(data | {"seeds": [0, 1, 2]}))
    assert main(["register", "params/tiny.yaml"]) == 2
    error = capsys.readouterr().err
    assert "found another design" in error and "(seeds differ)" in error and error.count("\n") == 1
    assert path.read_text() == before and not (clone / "outputs").exists()


def test_register_needs_no_torch_and_no_hub(clone):
    code = "import sys; from priorshift.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "register", "params/paper.yaml"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    first, *notes = done.stdout.splitlines()
    assert "params/registrations/paper.yaml" in first and len(notes) == 2
    assert all("no revision" in note and "weights" in note for note in notes)


def test_register_says_when_it_comes_too_late(clone, capsys):
    record = clone / "outputs/tiny/measurements/a/b/c/measured.json"
    write_record(record, {"first_measured": "2001-01-01T00:00:00Z"})
    assert main(["register", "params/tiny.yaml"]) == 0
    [note] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert "already" in note and "2001-01-01T00:00:00Z" in note


def test_verify_of_nothing_is_status_1(clone, capsys):
    assert main(["verify", "params/tiny.yaml"]) == 1
    assert capsys.readouterr().out == "missing: manifest.json\n"


def test_no_manifest_before_all_is_done(clone, capsys):
    assert main(["manifest", "params/tiny.yaml"]) == 2
    assert "01_synthesize is not finished" in capsys.readouterr().err


def test_run_refuses_before_it_starts(clone, monkeypatch, capsys):
    data = yaml.safe_load((clone / "params/tiny.yaml").read_text())
    (clone / "params/broken.yaml").write_text(yaml.safe_dump(data | {"seeds": ["one"]}))
    assert main(["run", "params/broken.yaml"]) == 2
    assert main(["run", "params/tiny.yaml", "--cores", "many"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "seeds" in first and "--cores" in second and not (clone / "outputs").exists()


def test_both_names_are_one_command(root):
    for command in ([sys.executable, "-m", "priorshift"], [f"{sys.prefix}/bin/priorshift"]):
        done = subprocess.run([*command, "plan", "none.yaml"], cwd=root, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith("error: none.yaml")


def test_further_options_reach_snakemake_and_the_end_says_how_long_it_took(clone):
    command = [sys.executable, "-m", "priorshift", "run", "params/tiny.yaml", "--cores", "1", "--", "--version"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    *_, shown, end = done.stdout.splitlines()
    assert done.returncode == 0 and shown == metadata.version("snakemake")
    assert "declared" in done.stdout and "priorshift register params/tiny.yaml" in done.stdout
    assert re.fullmatch(r"finished in 0 h \d+ min \d+ s: .*outputs/tiny/tables", end)
