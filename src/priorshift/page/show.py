"""The report's sections in a notebook: the same texts, tables and figures as on the page."""

from __future__ import annotations

from IPython.display import Markdown, display

from priorshift.page.answer import answer_question, judge_study, list_warnings
from priorshift.page.claims import list_claims
from priorshift.page.parts import Figure, Findings, Section, Table
from priorshift.report.save import show_picture


def show_answer(findings: Findings) -> None:
    """Show warnings if any are due, what became of the claims, and the answer in sentences."""
    lead = f"**{judge_study(list_claims(findings), findings)}**"
    display(Markdown("\n\n".join([*list_warnings(findings), lead, *answer_question(findings)])))


def show_section(section: Section) -> None:
    """Show a section below its heading: figures as static pictures, with their descriptions."""
    display(Markdown(f"## {section.title}"))
    for part in section.parts:
        if isinstance(part, Figure):
            show_picture(part.picture)
        elif isinstance(part, Table):
            display(Markdown(part.text), part.frame)
        else:
            display(Markdown(part))
