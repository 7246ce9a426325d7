"""The report page and the manifest, made from what the notebooks left."""

from __future__ import annotations

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from priorshift.params import LoadedStudy
from priorshift.provenance import file_hash, versions, write_json, write_text


def write_report(study: LoadedStudy) -> None:
    """Turn the executed 05_report notebook into one HTML page, code hidden."""
    notebook = nbformat.read(study.paths.notebooks / "05_report.ipynb", as_version=4)
    config = Config()
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, {"metadata": {"name": study.params.study}})
    write_text(study.paths.report, page)


def write_manifest(study: LoadedStudy) -> None:
    """Hash every file of the study, next to the hashes of what it was made from."""
    root = study.paths.root
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path != study.paths.manifest and "stages" not in path.parts and path.suffix != ".tmp"
    ]
    write_json(
        study.paths.manifest,
        {
            "study": study.params.study,
            "params_hash": study.params_hash,
            "materials_hash": study.materials_hash,
            "versions": versions(),
            "files": {path.relative_to(root).as_posix(): file_hash(path) for path in files},
        },
    )
