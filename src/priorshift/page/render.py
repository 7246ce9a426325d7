"""The page: one HTML file that holds its style, its scripts and its data, and asks no other machine for anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mistune
import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from priorshift.files import write_text
from priorshift.page import answer, claims
from priorshift.page.charts import write_spec
from priorshift.page.evidence import list_sections
from priorshift.page.parts import Figure, Findings, Section, Table, list_figures, list_models, read_findings
from priorshift.page.says import list_sayings
from priorshift.page.tables import write_table
from priorshift.report.names import drop_empty_world, name_condition
from priorshift.report.palette import order_conditions
from priorshift.report.save import draw_png, write_picture
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT
from priorshift.study.run import Run

ASSETS = Path(__file__).parent / "assets"
write_markdown = mistune.create_markdown(escape=True)


def write_report(study: Study) -> None:
    """Write a finished study's figures and its report, one HTML page, from its tables.

    Raises
    ------
    RunError
        The study has no tables yet.
    """
    findings = read_findings(study)
    write_page(findings, list_sections(findings))


def write_page(findings: Findings, sections: Sequence[Section]) -> None:
    """Write the figures of sections to the study's folder, and the page. What an earlier report wrote goes.

    Parameters
    ----------
    sections : `evidence.list_sections` of the findings
    """
    paths = findings.study.paths
    paths.clear("05_report")
    for figure in list_figures(sections):
        if figure.owned:
            write_picture(figure.picture, paths.figures)
    write_text(paths.report, render_page(findings, sections))


def render_page(findings: Findings, sections: Sequence[Section]) -> str:
    """Render the page as HTML. Every number in it is from the study's tables.

    Returns
    -------
    str
        The same for the same tables.
    """
    rows = claims.list_claims(findings)
    panels, description = answer.chart_answer(findings)
    specs: dict[str, dict] = {}
    conditions = order_conditions(findings.shifts["condition"])
    content = {
        "name": findings.study.params.study,
        "question": answer.QUESTION,
        "verdict": answer.judge_study(rows, findings),
        "sentences": answer.answer_question(findings),
        "facts": answer.list_facts(rows, findings),
        "warnings": [Markup(write_markdown(text)) for text in answer.list_warnings(findings)],
        "panels": _name_panels(panels, "answer", specs),
        "description": description,
        "claims": rows,
        **_draw_forest(rows),
        "says": list_sayings(findings),
        "sections": [_render_section(section, specs) for section in sections],
        "runs": Markup(write_table(tabulate_every_run(findings), "Table of every run")),
        "conditions": [(name, name_condition(name), findings.colours[name]) for name in conditions],
        "models": list_models(findings),
        "specs": specs,
        "style": Markup((ASSETS / "page.css").read_text(encoding="utf-8")),
        "script": Markup((ASSETS / "page.js").read_text(encoding="utf-8")),
        "library": Markup(_bundle_library()),
    }
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _write_json
    return environment.get_template("page.html.j2").render(content)


@cache
def _bundle_library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, as vl-convert ships them."""
    return vl_convert.javascript_bundle().replace("</script", "<\\/script")


def _write_json(data: object) -> Markup:
    """JSON that may stand in a script element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _name_panels(panels: Sequence, name: str, specs: dict[str, dict]) -> list[tuple[str, str]]:
    """Keep the specification of each panel under a name of its own: (name, title) of each."""
    named = []
    for k, panel in enumerate(panels):
        specs[f"{name}-{k}"] = write_spec(panel.chart)
        named.append((f"{name}-{k}", panel.title))
    return named


def _draw_forest(rows: list[claims.ClaimRow]) -> dict[str, object]:
    most = claims.choose_range(rows)
    return {"axis": Markup(claims.draw_axis(most)), "forest": [Markup(claims.draw_interval(row, most)) for row in rows]}


def _render_section(section: Section, specs: dict[str, dict]) -> dict:
    parts: list[dict] = []
    for k, part in enumerate(section.parts):
        if isinstance(part, Figure):
            parts.append(_render_figure(part, specs))
        elif isinstance(part, Table):
            text = Markup(write_markdown(part.text))
            parts.append(
                {
                    "kind": "table",
                    "text": text,
                    "table": Markup(write_table(part.frame, f"{section.title} (part {k + 1})")),
                }
            )
        else:
            parts.append({"kind": "text", "text": Markup(write_markdown(part))})
    return {"name": section.name, "title": section.title, "parts": parts}


def _render_figure(figure: Figure, specs: dict[str, dict]) -> dict:
    picture = figure.picture
    if figure.panels:
        panels = _name_panels(figure.panels, picture.name, specs)
        return {"kind": "panels", "panels": panels, "description": picture.description}
    data = base64.b64encode(draw_png(picture)).decode()
    return {"kind": "picture", "image": f"data:image/png;base64,{data}", "description": picture.description}


def tabulate_every_run(findings: Findings) -> pd.DataFrame:
    """Tabulate every run: its shifts of the first family, its trained choice, its perplexity over the base's.

    Parameters
    ----------
    findings : with shifts, choice_check and retention
    """
    shifts, tables = findings.shifts, findings.tables
    own = shifts[(shifts["family"] == findings.headline) & (shifts["ring"] == HELD_OUT)]
    wide = own.pivot(index=[*Run._fields, "world"], columns="outcome", values="shift")
    runs = wide.add_prefix("shift of ").reset_index()
    choice = tables["choice_check"]
    choice = choice[choice["ring"] == HELD_OUT].rename(columns={"probability": "trained choice"})
    kept = tables["retention"].rename(columns={"ratio": "perplexity over base"})
    for table, column in ((choice, "trained choice"), (kept, "perplexity over base")):
        if len(table):
            runs = runs.merge(table[[*Run._fields, column]], on=list(Run._fields), how="left")
    return drop_empty_world(runs).rename_axis(columns=None)
