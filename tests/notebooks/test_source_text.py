"""The notebooks as they are read: short sentences, thin cells, few imports, and a report that fits any study."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize("name", [name for name in NAMES[:9] if name != "05_report"])
def test_figures_are_numbered_where_they_are_drawn_and_the_first_is_the_answer(root, name):
    """A caption stands in the text before each figure; `page.show` numbers those of the report."""
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    captions, text, texts_since_parameters = [], "", None
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            texts_since_parameters = 0
        if cell.cell_type == "markdown":
            text = cell.source
            captions += (found := re.findall(r"\*\*Figure (\d+\.\d+)\.\*\*", text))
            texts_since_parameters = None if texts_since_parameters is None else texts_since_parameters + 1
            assert texts_since_parameters != 1 or found, "the first text after the parameters has the first figure"
        else:
            drawn = len(re.findall(r"(?:show|save)_picture\(", cell.source))
            assert drawn == (text.count("**Figure ") if drawn else 0), cell.id
            text = text.replace("**Figure ", "") if drawn else text
    assert captions == [f"{int(name[:2])}.{k}" for k in range(1, len(captions) + 1)]


def test_the_report_speaks_of_worlds_only_where_a_study_has_them(root):
    """What it says of worlds is made from the tables: the text that always stands must fit any base model."""
    text = "\n".join(cells(root, "05_report", "markdown"))
    assert "coupled" not in text and "world" not in text and "hub" not in text
