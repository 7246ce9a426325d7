"""make's own words: the list of targets, and the README's commands exist."""

from __future__ import annotations

import re
import subprocess

from support.study_runs import study_command


def test_make_alone_lists_every_target_with_a_phrase(root):
    listed = subprocess.run(["make", "--no-print-directory"], cwd=root, capture_output=True, text=True).stdout
    text = (root / "Makefile").read_text().replace("\\\n", " ")
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()
    assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(targets)
    assert {"study", "plan", "verify", "bundle", "test", "lab", "bench", "lint", "clean"} <= set(targets)
    assert all(len(line.split(maxsplit=1)) == 2 for line in listed.splitlines())


def test_the_tests_run_what_make_study_runs(root):
    shown = subprocess.run(["make", "-n", "study"], cwd=root, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in shown.splitlines() if "bin/priorshift" in line]
    assert line.split() == [".venv/bin/priorshift", "run", "'params/embedded.yaml'"]
    assert study_command("params/embedded.yaml")[1:5] == ["-m", "priorshift", "run", "params/embedded.yaml"]


def test_readme_names_every_top_level_entry(root):
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    [tree] = re.findall(r"## The tree\n+```\n(.*?)```", (root / "README.md").read_text(), re.S)
    assert tracked
    for name in {path.split("/")[0] for path in tracked if not path.startswith(".")}:
        assert re.search(rf"(^|[;,] ){re.escape(name)}\b", tree, re.M), name
