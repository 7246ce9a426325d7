"""docs/beside_the_paper.md is what its template and the committed tables make of it."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest

from priorshift.report.docs_pages import fill_template
from priorshift.report.paper_page import MEASURED, STUDIES, collect_comparison


@pytest.fixture
def outputs(root, tmp_path):
    """A copy of the committed tables that a test may change."""
    for study in STUDIES:
        shutil.copytree(root / "outputs" / study / "tables", tmp_path / "outputs" / study / "tables")
    return tmp_path / "outputs"


def fill(root, outputs):
    return fill_template(root / "docs/templates/beside_the_paper.md", collect_comparison(outputs, root / "params"))


def change(path, where, **values):
    table = pd.read_csv(path)
    table.loc[table.eval(where), list(values)] = list(values.values())
    table.to_csv(path, index=False)


def test_each_claim_has_a_row_with_a_verdict_for_each_study(root, tmp_path):
    page = fill(root, root / "outputs")
    for claim in MEASURED:
        [row] = re.findall(rf"^\| \*\*{claim}\*\*: .*$", page, re.M)
        assert row.count(" | ") == 4 and row.count("Same: *") == len(STUDIES)
    [compared] = re.findall(r"^\| claim .*$", page, re.M)
    for part in ("gemma-3-270m", "5 runs", "16 small models", "GPT-NeoX", "Llama", "3 runs"):
        assert part in compared


def test_another_contrast_is_another_count_and_another_shift(root, outputs, tmp_path):
    held_out = "ring == 'held_out_domains' and unit == 'both' and control == 'neutral'"
    change(outputs / "laptop/tables/contrasts.csv", held_out, estimate=-7.77, ci_low=-8.0, ci_high=-7.0)
    page = fill(root, outputs)
    assert "0 of 6 contrasts above 0. Same: *no*" in page
    assert page.count("-7.77 [-8.00, -7.00]") == 6


def test_a_dissociation_that_fails_is_no(root, outputs, tmp_path):
    change(outputs / "embedded/tables/specificity.csv", "unit == 'base'", double_dissociation=False)
    assert "coupled: 0 of 2 double dissociations" in fill(root, outputs)


def test_divergence_of_choices_is_no_expectation(root, outputs, tmp_path):
    before = fill(root, root / "outputs")
    change(outputs / "laptop/tables/jsd.csv", "family == 'choice'", estimate=0.999)
    assert fill(root, outputs) == before
    change(outputs / "laptop/tables/jsd.csv", "family != 'choice'", estimate=0.25)
    assert fill(root, outputs).count("| 0.250 |") == 5
    change(outputs / "embedded/tables/jsd.csv", "world == 'decoupled'", estimate=0.125)
    assert fill(root, outputs).count("| 0.125 |") == 6
