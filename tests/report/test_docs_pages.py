"""All pages are written from their templates, and a field that nothing fills in is an error."""

from __future__ import annotations

import shutil

import pytest

from priorshift.report.docs_pages import fill_template, write_pages


def test_every_template_has_its_page(root, tmp_path):
    for name in ("outputs", "params"):
        (tmp_path / name).symlink_to(root / name)
    shutil.copytree(root / "docs/templates", tmp_path / "docs/templates")
    write_pages(tmp_path)
    names = {path.name for path in (root / "docs/templates").glob("*.md")}
    assert {path.name for path in (tmp_path / "docs").glob("*.md")} == names
    for name in names:
        assert (tmp_path / "docs" / name).read_bytes() == (root / "docs" / name).read_bytes(), "run `make docs`"


def test_a_field_that_no_table_fills_is_an_error(tmp_path):
    (tmp_path / "template.md").write_text("{n} and {no_such_number}")
    with pytest.raises(KeyError, match="no_such_number"):
        fill_template(tmp_path / "template.md", {"n": "1"})
