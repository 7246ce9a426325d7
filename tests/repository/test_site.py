"""What the site needs and Sphinx does not check: columns without a meaning, notebooks and templates left out."""

from __future__ import annotations

import re

import pandas as pd
import pytest

# The tables whose columns the glossary explains, and where each is committed.
TABLES = {
    "contrasts": "laptop",
    "equivalence": "embedded",
    "specificity": "laptop",
    "confusion": "embedded",
    "jsd": "laptop",
    "shifts": "laptop",
    "calibration": "calibration",
}


@pytest.fixture(scope="module")
def glossary(root):
    return (root / "docs/glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_the_main_tables_has_a_meaning(root, glossary, table):
    explained = {name for row in re.findall(r"^\| (`.*?) \|", glossary, re.M) for name in re.findall(r"`(\w+)`", row)}
    columns = pd.read_csv(root / f"outputs/{TABLES[table]}/tables/{table}.csv", nrows=0).columns
    assert f"`{table}.csv`" in glossary and not set(columns) - explained


def test_no_column_is_explained_that_no_table_has(root, glossary):
    section = glossary.split("## Columns of the tables")[1]
    explained = {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)}
    tables = (root / f"outputs/{study}/tables/{table}.csv" for table, study in TABLES.items())
    assert explained <= set().union(*(pd.read_csv(path, nrows=0).columns for path in tables))


def test_words_of_the_glossary_are_in_order_and_told_once(glossary):
    words = re.findall(r"^\| ([^|]+?) \|", glossary.split("## Units")[0], re.M)[2:]
    assert len(words) > 40 and words == sorted(set(words), key=str.lower)


def test_every_notebook_of_the_two_studies_is_shown(root):
    """Each list of notebooks takes all files of a folder that has some."""
    globs = re.findall(r"^\.\./(outputs/\S+)$", (root / "docs/notebooks.md").read_text(encoding="utf-8"), re.M)
    assert {pattern.split("/")[1] for pattern in globs} == {"embedded", "laptop"}
    assert all(pattern.endswith("/notebooks/*") and list(root.glob(f"{pattern}.ipynb")) for pattern in globs)


def test_every_template_makes_a_page(root):
    templates = {path.name for path in root.glob("docs/templates/*.md")}
    assert templates and templates <= {path.name for path in root.glob("docs/*.md")}
