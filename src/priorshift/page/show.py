"""The report's sections in a notebook: the same texts, tables and figures as on the page."""

from __future__ import annotations

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from priorshift.page.answer import answer_question, judge_study, list_warnings
from priorshift.page.claims import list_claims
from priorshift.page.parts import Figure, Findings, Section, Table
from priorshift.report.save import Picture, show_picture
from priorshift.report.shift_figures import draw_shifts

Numbers = dict[str, int]  # a figure's name -> its number


def show_answer(findings: Findings, numbers: Numbers) -> None:
    """Show warnings if any are due, what became of the claims, the answer in sentences, and the shifts behind it.

    Parameters
    ----------
    numbers : of the figures shown so far. This one's is added.
    """
    lead = f"**{judge_study(list_claims(findings), findings)}**"
    display(Markdown("\n\n".join([*list_warnings(findings), lead, *answer_question(findings)])))
    _show_figure(draw_shifts(findings.shifts, findings.headline, findings.colours), numbers)


def show_section(section: Section, numbers: Numbers) -> None:
    """Show a section below its heading: figures as static pictures, numbered, with their descriptions.

    Parameters
    ----------
    numbers : of the figures shown so far. The section's are added. One that was shown before is referred to.
    """
    display(Markdown(f"## {section.title}"))
    for part in section.parts:
        if isinstance(part, Figure):
            _show_figure(part.picture, numbers)
        elif isinstance(part, Table):
            display(Markdown(part.text), part.frame)
        else:
            display(Markdown(part))


def _show_figure(picture: Picture, numbers: Numbers) -> None:
    if picture.name in numbers:
        display(Markdown(f"Figure 5.{numbers[picture.name]} above shows this."))
        plt.close(picture.figure)  # or the notebook shows it at the end of the cell
        return
    numbers[picture.name] = len(numbers) + 1
    display(Markdown(f"**Figure 5.{numbers[picture.name]}.** {picture.description}"))
    show_picture(picture)
