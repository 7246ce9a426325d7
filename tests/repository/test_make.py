"""make's own words: the list of targets, and the README's commands exist."""

from __future__ import annotations

import re
import subprocess

from support.study_runs import study_command


def test_make_alone_lists_the_targets(root):
    listed = subprocess.run(["make"], cwd=root, capture_output=True, text=True).stdout
    targets = (
        "study plan verify bundle calibration test kill-test slurm-test unsloth-test colab-test lab base-models"
        " placement bench"
    )
    for target in [*targets.split(), "gpu-check", "lint", "clean"]:
        assert re.search(rf"^{target}\s", listed, re.M), listed


def test_the_tests_run_what_make_study_runs(root):
    shown = subprocess.run(["make", "-n", "study"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert re.search(r"bin/priorshift run \"params/embedded.yaml\"\s*$", shown), shown
    assert study_command()[1:4] == ["-m", "priorshift", "run"]


def test_readme_names_every_top_level_entry(root):
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    [tree] = re.findall(r"## The tree\n+```\n(.*?)```", (root / "README.md").read_text(), re.S)
    assert tracked
    for name in {path.split("/")[0] for path in tracked if not path.startswith(".")}:
        assert re.search(rf"(^|[;,] ){re.escape(name)}\b", tree, re.M), name
