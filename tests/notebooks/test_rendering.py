"""Executed notebooks, as they are committed, render: nbconvert makes pages of them and has nothing to warn of."""

from __future__ import annotations

import sys

import pytest
from support.study_runs import run_command


@pytest.mark.parametrize("study", ["embedded", "laptop"])
def test_committed_notebooks_convert_without_a_warning(root, study, tmp_path):
    # Of the templates, `classic` writes the alt text that a picture's metadata has.
    command = [sys.executable, "-W", "error", "-m", "jupyter", "nbconvert", "--template", "classic", "--to", "html"]
    notebooks = sorted((root / f"outputs/{study}/notebooks").glob("*.ipynb"))
    said = run_command([*command, "--output-dir", str(tmp_path), *map(str, notebooks)], tmp_path)
    assert "WARNING" not in said, said
    assert len(list(tmp_path.glob("*.html"))) == len(notebooks) >= 5
