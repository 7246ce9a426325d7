"""docs/what_can_be_concluded.md is what its template and the committed tables make of it."""

from __future__ import annotations

import shutil

import pandas as pd

from priorshift.report.conclusions_page import TEMPLATE, write_conclusions


def test_the_committed_page_is_made_from_the_committed_tables(root, tmp_path):
    write_conclusions(root / "outputs", root / "params", root / TEMPLATE, tmp_path / "page.md")
    committed = (root / "docs/what_can_be_concluded.md").read_text(encoding="utf-8")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == committed, "run `make docs`"


def test_another_perplexity_is_another_limit(root, tmp_path):
    for study in ("laptop", "embedded"):
        shutil.copytree(root / "outputs" / study / "tables", tmp_path / study / "tables")
    path = tmp_path / "laptop/tables/retention.csv"
    table = pd.read_csv(path)
    table.assign(ratio=1.0).to_csv(path, index=False)
    write_conclusions(tmp_path, root / "params", root / TEMPLATE, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert f"0 of {len(table)} runs have a perplexity" in page and "5 of 216 runs" in page
