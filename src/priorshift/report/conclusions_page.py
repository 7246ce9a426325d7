"""docs/what_can_be_concluded.md: the words of its template, limits and margins from the committed tables."""

from __future__ import annotations

from pathlib import Path

from priorshift.files import write_text
from priorshift.report.claims_text import describe_least_margins
from priorshift.report.limits_text import describe_checkpoints, describe_losses, describe_retention, list_limits
from priorshift.study.load import load_study
from priorshift.tables.read import read_tables

TEMPLATE = Path("docs/templates/what_can_be_concluded.md")


def write_conclusions(outputs: Path, params: Path, template: Path, page: Path) -> None:
    """Fill in the template with the limits of the studies `laptop` and `embedded`.

    Parameters
    ----------
    outputs : the folder of studies
    params : the folder of their YAML files
    template : Markdown with a field in braces for each number or list
    page : where the filled-in Markdown goes

    Raises
    ------
    FileNotFoundError
        A table is missing.
    KeyError
        The template has a field that nothing here fills in.
    """
    real, worlds = (read_tables(outputs / name / "tables") for name in ("laptop", "embedded"))
    study = load_study(params / "embedded.yaml").params
    limits = (
        describe_checkpoints(real["contrasts"]),
        describe_retention(real["retention"]),
        describe_losses(real["last_losses"]),
    )
    fields = {
        "margin": f"{study.inference.smallest_effect:g}",
        "reason": study.inference.smallest_effect_reason,
        "least_margins": describe_least_margins(worlds["equivalence_curve"]),
        "limits_real": "\n".join(f"* {limit}" for limit in limits),
        "limits_worlds": list_limits(study, worlds),
    }
    write_text(page, template.read_text(encoding="utf-8").format_map(fields))


if __name__ == "__main__":
    write_conclusions(Path("outputs"), Path("params"), TEMPLATE, Path("docs/what_can_be_concluded.md"))
