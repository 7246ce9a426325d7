"""The page: code hidden, nothing asked from elsewhere, every figure with a description."""

from __future__ import annotations

import base64
import io
import re

import nbformat
import PIL.Image
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from priorshift.report.html import write_report
from priorshift.study.load import load_study

SECRET_CODE = "x = 'not to be shown'"


@pytest.fixture
def page(root, tmp_path):
    drawn = io.BytesIO()
    PIL.Image.new("RGB", (2, 2)).save(drawn, format="png")
    data = {"image/png": base64.b64encode(drawn.getvalue()).decode(), "text/plain": "<image>"}
    shown = new_output("display_data", data, metadata={"image/png": {"alt": "Two <dark> pixels."}})
    cell = new_code_cell(SECRET_CODE, outputs=[shown])
    study = load_study(root / "params/smoke.yaml", tmp_path)
    study.paths.notebooks.mkdir(parents=True)
    notebook = new_notebook(cells=[new_markdown_cell("# The title"), cell])
    nbformat.write(notebook, study.paths.notebooks / "05_report.ipynb")
    write_report(study)
    return study.paths.report.read_text()


def test_the_page_asks_no_other_machine(page):
    asked = re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#).*|import\(.*|@import.*|<script[^>]+src""", page)
    assert asked == []
    assert "cdn" not in page.lower()


def test_code_is_hidden_and_the_rest_is_there(page):
    assert "The title" in page and "not to be shown" not in page and "<title>smoke</title>" in page


def test_every_figure_has_its_description(page):
    images = re.findall(r"<img[^>]*>", page)
    assert len(images) == 1 and 'alt="Two &lt;dark&gt; pixels."' in images[0]
    assert "No description has been provided" not in page
