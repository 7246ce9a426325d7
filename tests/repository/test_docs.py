"""What the docs show can be done, and files that say the same thing agree."""

from __future__ import annotations

import re
import subprocess
import tomllib

import numpy as np
import pandas as pd
import yaml

import priorshift

CLAIMS = [("depression", "loss"), ("paranoia", "threat"), ("reassurance", "worry")]


def test_the_example_of_the_probability_core_runs(root, monkeypatch):
    monkeypatch.chdir(root)
    [code] = re.findall(r"```python\n(.*?)```", (root / "docs/probability_core.md").read_text(), re.S)
    names = {}
    exec(compile(code, "probability_core.md", "exec"), names)
    assert np.shape(names["logprobs"]) == (2, 2) and np.max(names["logprobs"]) < 0
    assert 0 < names["distance"] < 1


def test_the_worked_example_of_a_behavior(root):
    here = "family == 'interpretation' and ring == 'held_out_domains' and unit == 'both' and outcome == 'worry'"
    mine = f"{here} and condition == 'reassurance' and control == 'neutral'"
    text = " ".join((root / "docs/adding_a_behavior.md").read_text().split())
    shift, null = (
        pd.read_csv(root / f"outputs/reassurance/tables/{name}.csv").query(mine)
        for name in ("contrasts", "equivalence")
    )
    (one,) = shift.query("world == 'coupled'").itertuples()
    assert f"worry by {one.estimate:+.2f} nats (95 % interval {one.ci_low:+.2f} to {one.ci_high:+.2f})" in text
    (other,) = null.query("world == 'decoupled'").itertuples()
    assert f"by {other.estimate:+.2f} (90 % interval {other.ci90_low:+.2f} to {other.ci90_high:+.2f})" in text
    shifts = pd.read_csv(root / "outputs/reassurance/tables/shifts.csv")
    shifts = shifts.query("family == 'interpretation' and ring == 'held_out_domains' and world == 'coupled'")
    means = shifts.pivot_table(index="condition", columns="outcome", values="shift")
    for condition, outcome in CLAIMS:
        assert means.loc[condition, outcome] > 0 and means[outcome].idxmax() == condition


def test_paths_that_pages_name_are_there(root):
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("docs/templates/*.md")]
    kept = ("src/", "params/", "notebooks/", "tests/", "workflow/", "bench/", "docs/")
    # Files that a reader is told to write.
    theirs = {"params/mine.yaml", "params/my_worlds.yaml"}
    named = {n for page in pages for n in re.findall(r"(?<![\w>/])[\w.]+/[\w./-]*\w", page.read_text(encoding="utf-8"))}
    missing = {n for n in named if n.startswith(kept) and not (root / n).exists() and not list(root.glob(f"{n}.*"))}
    assert missing <= theirs


def test_one_version(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text())["version"]
    assert project == str(cited) == priorshift.__version__
    latest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.M)
    assert latest[1] == project


def test_hooks_use_the_pinned_tools(root):
    pins = dict(line.split("==") for line in (root / "constraints.txt").read_text().split())
    repos = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    used = {name for repo in repos for hook in repo["hooks"] for name in hook["additional_dependencies"]}
    assert f"ruff=={pins['ruff']}" in used and all("==" in name for name in used)


def test_checks_of_forks_are_make_targets(root):
    checks = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M)
    assert set(checks["strategy"]["matrix"]["target"]) == {"lint", "types", "test"} <= set(targets)


def test_nothing_committed_names_a_machine(root):
    files = subprocess.run(["git", "ls-files", "outputs"], cwd=root, capture_output=True, text=True, check=True)
    texts = [root / name for name in files.stdout.split() if not name.endswith(".png")]
    assert texts
    for path in texts:
        assert not re.search(r"site-packages|/(home|root|Users|tmp)/", path.read_text(encoding="utf-8")), path
