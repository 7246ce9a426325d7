"""docs/what_can_be_concluded.md is what its template and the committed tables make of it."""

from __future__ import annotations

import shutil

import pandas as pd

from priorshift.report.conclusions_page import collect_conclusions
from priorshift.report.docs_pages import fill_template


def fill(root, outputs):
    template = root / "docs/templates/what_can_be_concluded.md"
    return fill_template(template, collect_conclusions(outputs, root / "params"))


def test_another_perplexity_is_another_limit(root, tmp_path):
    for study in ("laptop", "embedded"):
        shutil.copytree(root / "outputs" / study / "tables", tmp_path / study / "tables")
    path = tmp_path / "laptop/tables/retention.csv"
    table = pd.read_csv(path)
    table.assign(ratio=1.0).to_csv(path, index=False)
    page, small = fill(root, tmp_path), pd.read_csv(tmp_path / "embedded/tables/retention.csv").ratio
    assert f"0 of {len(table)} runs have a perplexity" in page
    assert f"{(small > 1.05).sum()} of {len(small)} runs" in page
