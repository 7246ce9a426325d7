"""In a notebook each figure has one number, a caption that tells its finding, and is shown once."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import pytest
from IPython.display import Markdown
from support.findings import read_embedded

from priorshift.page import show
from priorshift.page.evidence import list_sections
from priorshift.page.parts import list_figures


def list_texts(parts):
    return [part.data for part in parts if isinstance(part, Markdown)]


@pytest.fixture
def shown(monkeypatch):
    """All Markdown that is displayed, and the names of the pictures, in order."""
    found = []
    monkeypatch.setattr(show, "display", lambda *parts: found.extend(list_texts(parts)))
    monkeypatch.setattr(show, "show_picture", lambda picture: found.append(f"picture {picture.name}"))
    return found


def test_figures_are_numbered_from_the_answer_on_and_none_is_shown_twice(root, shown):
    findings, numbers = read_embedded(root), {}
    sections = list_sections(findings)
    show.show_answer(findings, numbers)
    assert shown[-1] == f"picture shift_{findings.headline}" and "**Figure 5.1.** Shift in nats" in shown[-2]
    for section in sections:
        show.show_section(section, numbers)
    pictures = [text.removeprefix("picture ") for text in shown if text.startswith("picture ")]
    captions = re.findall(r"\*\*Figure 5\.(\d+)\.\*\*", "\n".join(shown))
    assert captions == [str(k) for k in range(1, len(pictures) + 1)] and len(set(pictures)) == len(pictures)
    assert set(pictures) == {figure.picture.name for figure in list_figures(sections)}
    assert shown.count("Figure 5.1 above shows this.") == 1
    [again] = [each.picture for each in list_figures(sections) if each.picture.name == pictures[0]]
    assert not plt.fignum_exists(again.figure.number)  # a notebook shows what is left open
