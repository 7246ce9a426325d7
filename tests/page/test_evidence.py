"""The sections: those that a study has something to say in, each once, with figures that the report owns or not."""

from __future__ import annotations

import pytest
from support.findings import read_embedded

from priorshift.page.evidence import list_sections
from priorshift.page.parts import Findings, list_figures


@pytest.fixture(scope="module")
def embedded(root):
    return read_embedded(root)


@pytest.fixture(scope="module")
def sections(embedded):
    return list_sections(embedded)


def test_each_section_stands_once_and_says_something(sections):
    names = [section.name for section in sections]
    assert len(set(names)) == len(names) and all(any(section.parts) for section in sections)


def test_a_figure_has_one_name(sections):
    names = [figure.picture.name for figure in list_figures(sections)]
    assert len(names) >= 4 and len(set(names)) == len(names)


def test_what_a_study_did_not_measure_has_no_section(embedded, sections):
    without = embedded.tables | {"confusion": embedded.tables["confusion"].head(0)}
    names = [section.name for section in list_sections(Findings(embedded.study, without))]
    assert "guesses" not in names
    assert [section.name for section in sections if section.name != "guesses"] == names
