"""The notebooks as they are read: short sentences, thin cells, few imports, and a report that fits any study."""

from __future__ import annotations

import nbformat
import pytest
from support.prose import prose_of, sentences_of

NAMES = ["00_base_models", "01_synthesize", "02_train", "03_probe", "04_test", "05_report", "06_placement",
         "07_calibration", "08_mechanism", "colab", "tour"]  # fmt: skip


def cells(root, name, kind):
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_short_and_do_not_chain(root, name):
    text = "\n\n".join(cells(root, name, "markdown"))
    long = [sentence for sentence in sentences_of(text) if len(sentence.split()) > 25]
    assert not long, long
    assert sum(block.count(";") for block in prose_of(text)) == 0


@pytest.mark.parametrize("name", NAMES[4:9])
def test_analysis_notebooks_import_from_few_modules_in_thin_cells(root, name):
    code = cells(root, name, "code")
    imports = [line for cell in code for line in cell.splitlines() if line.startswith("from priorshift")]
    assert 0 < len(imports) <= 6
    assert max(len(cell.splitlines()) for cell in code) <= 25
    assert sum("write_tables(" in cell for cell in code) == (0 if name == "05_report" else 1)


def test_the_report_speaks_of_worlds_only_where_a_study_has_them(root):
    """What it says of worlds is made from the tables: the text that always stands must fit any base model."""
    text = "\n".join(cells(root, "05_report", "markdown"))
    assert "coupled" not in text and "world" not in text and "hub" not in text
