"""The pages of docs/ that are filled in from the committed tables, and not typed: `make docs` writes them."""

from __future__ import annotations

from pathlib import Path

from priorshift.files import write_text
from priorshift.report.conclusions_page import collect_conclusions
from priorshift.report.laptop_page import collect_laptop
from priorshift.report.mechanism_page import collect_mechanism
from priorshift.report.paper_page import collect_comparison
from priorshift.report.results_page import Fields, collect_results


def fill_template(template: Path, fields: Fields) -> str:
    """Fill in a Markdown template, which has a field in braces for each number or table.

    Raises
    ------
    KeyError
        The template has a field that is not among these.
    """
    return template.read_text(encoding="utf-8").format_map(fields)


def write_pages(root: Path) -> None:
    """Write every page of `root`/docs that has a template there.

    Parameters
    ----------
    root : the repository: it has `outputs`, `params` and `docs/templates`

    Raises
    ------
    FileNotFoundError
        A table is missing.
    """
    outputs, params, docs = root / "outputs", root / "params", root / "docs"
    pages = {
        "results": collect_results(outputs),
        "what_moved": collect_mechanism(outputs),
        "on_a_laptop": collect_laptop(outputs),
        "beside_the_paper": collect_comparison(outputs, params),
        "what_can_be_concluded": collect_conclusions(outputs, params),
    }
    for name, fields in pages.items():
        write_text(docs / f"{name}.md", fill_template(docs / "templates" / f"{name}.md", fields))


if __name__ == "__main__":
    write_pages(Path("."))
