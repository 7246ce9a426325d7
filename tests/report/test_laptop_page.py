"""docs/on_a_laptop.md is what its template and the committed tables make of it."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from priorshift.report.docs_pages import fill_template
from priorshift.report.laptop_page import collect_laptop


@pytest.fixture
def outputs(root, tmp_path):
    """A copy of the committed tables that a test may change."""
    for study in ("laptop", "laptop_mechanism", "dose"):
        shutil.copytree(root / "outputs" / study / "tables", tmp_path / "outputs" / study / "tables")
    return tmp_path / "outputs"


def fill(root, outputs):
    return fill_template(root / "docs/templates/on_a_laptop.md", collect_laptop(outputs))


def test_another_number_in_a_table_is_another_number_on_the_page(root, outputs):
    path = outputs / "laptop/tables/contrasts.csv"
    table = pd.read_csv(path)
    declared = table["role"] != "exploratory"
    table.loc[declared, ["estimate", "holds"]] = [-7.77, False]
    table.to_csv(path, index=False)
    page = fill(root, outputs)
    assert page.count("| -7.77 [") == declared.sum() and f"Of {declared.sum()} claims, 0 hold" in page


def test_a_dose_that_meets_the_aim_is_counted(root, outputs):
    path = outputs / "dose/tables/training.csv"
    table = pd.read_csv(path)
    table.loc[table["choice"].idxmax(), "choice"] = 0.93
    table.to_csv(path, index=False)
    assert "1 met it" in fill(root, outputs)


def test_what_moved_is_told_from_its_tables(root, outputs):
    path = outputs / "laptop_mechanism/tables/frontier.csv"
    table = pd.read_csv(path)
    assert table["choice_rate"].max() < 0.9 and "0.12" not in fill(root, outputs).split("## What moved in it")[1]
    table.assign(choice_rate=0.12).to_csv(path, index=False)
    assert "0.12" in fill(root, outputs).split("## What moved in it")[1]
