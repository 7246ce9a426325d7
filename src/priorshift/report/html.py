"""The report page, made from the last executed notebook."""

from __future__ import annotations

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from priorshift.files import write_text
from priorshift.study.load import LoadedStudy


def write_report(study: LoadedStudy) -> None:
    """Turn the executed 05_report notebook into one HTML page, code hidden."""
    notebook = nbformat.read(study.paths.notebooks / "05_report.ipynb", as_version=4)
    config = Config()
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, {"metadata": {"name": study.params.study}})
    write_text(study.paths.report, page)
