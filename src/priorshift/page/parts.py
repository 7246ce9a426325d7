"""What a report is made of: sections of texts, tables and figures, whoever shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import altair as alt
import pandas as pd

from priorshift.errors import RunError
from priorshift.report.palette import choose_colours
from priorshift.report.save import Picture
from priorshift.report.study_text import list_families
from priorshift.stats.declared import Settings
from priorshift.study.load import Study
from priorshift.tables.read import read_tables

# Columns that earlier versions did not write, and what stands for them: the report of an older study lacks them.
ADDED = {"jsd_tokens": {"words": ""}, "contrasts": {"sets_low": float("nan"), "sets_high": float("nan")}}


class Chart(NamedTuple):
    """One interactive chart of a figure.

    Attributes
    ----------
    title : what sets it apart from the figure's other panels
    chart : as wide as its place, with the parameters of `charts.add_filters`
    """

    title: str
    chart: alt.LayerChart | alt.Chart


class Figure(NamedTuple):
    """A figure for papers, and its interactive panels where it has some.

    Attributes
    ----------
    picture : the static figure with its description, which stands for the panels too
    panels : shown in its place on the page
    owned : written by the report; another notebook writes the others
    """

    picture: Picture
    panels: tuple[Chart, ...] = ()
    owned: bool = True


class Table(NamedTuple):
    """A table with the Markdown that says what it shows."""

    text: str
    frame: pd.DataFrame


Part = str | Table | Figure  # a str is Markdown


class Section(NamedTuple):
    """A part of the report with a heading: `name` is its anchor."""

    name: str
    title: str
    parts: list[Part]


@dataclass(frozen=True)
class Findings:
    """A study with its tables, and what every section asks of them.

    Attributes
    ----------
    study : as loaded
    tables : name -> table as written under `tables/`
    """

    study: Study
    tables: dict[str, pd.DataFrame]

    @property
    def settings(self) -> Settings:
        """What was decided before any result."""
        return self.study.params.inference

    @property
    def shifts(self) -> pd.DataFrame:
        """`runs.average_shifts`."""
        return self.tables["shifts"]

    @cached_property
    def worlds(self) -> list[str]:
        """The calibration worlds of the base models. None for models of natural language."""
        return [world for world in self.shifts["world"].unique() if world]

    @cached_property
    def families(self) -> tuple[list[str], str]:
        """`study_text.list_families`."""
        return list_families(self.shifts, self.study.params.probes.families)

    @property
    def headline(self) -> str:
        """The family that figures show first."""
        return self.families[0][0]

    @cached_property
    def colours(self) -> dict[str, str]:
        """A condition has one colour everywhere."""
        return choose_colours(self.study.params.conditions)


def read_findings(study: Study) -> Findings:
    """Read the tables of a finished study.

    Raises
    ------
    RunError
        The study has no tables: its tests (notebook 04) have not been run.
    """
    tables = read_tables(study.paths.tables)
    if "shifts" not in tables:
        raise RunError(f"{study.paths.tables}/shifts.csv: missing; run the study first: make study STUDY=...")
    for name, columns in ADDED.items():
        if name in tables:
            tables[name] = tables[name].assign(**{c: v for c, v in columns.items() if c not in tables[name]})
    return Findings(study, tables)


def list_models(findings: Findings) -> list[str]:
    """List the measured base models: those of the study's file in its order, then others that it was run on."""
    measured = list(dict.fromkeys(findings.shifts["base_model"]))
    named = [model.name for model in findings.study.params.models if model.name in measured]
    return named + [name for name in measured if name not in named]


def list_figures(sections: Iterable[Section]) -> list[Figure]:
    """List the figures of sections, in order."""
    return [part for section in sections for part in section.parts if isinstance(part, Figure)]
