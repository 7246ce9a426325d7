"""The report page, made from the last executed notebook."""

from __future__ import annotations

import nbformat
from nbconvert import HTMLExporter

from priorshift.files import write_text
from priorshift.study.load import Study

# JupyterLab's page without its scripts, which it would ask other machines for, and with the figures' descriptions.
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block data_png scoped -%}
{%- set alt = output | get_metadata('alt', 'image/png') -%}
{{ super() | replace('<img', '<img alt="' ~ (alt | escape_html) ~ '"', 1) if alt else super() }}
{%- endblock -%}
"""


def write_report(study: Study) -> None:
    """Turn the executed 05_report notebook into one HTML page: code hidden, nothing asked from elsewhere."""
    notebook = nbformat.read(study.paths.notebooks / "05_report.ipynb", as_version=4)
    exporter = HTMLExporter(
        raw_template=TEMPLATE, exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": study.params.study}})
    write_text(study.paths.report, page)
