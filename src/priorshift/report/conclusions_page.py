"""docs/what_can_be_concluded.md: the words of its template, limits and margins from the committed tables."""

from __future__ import annotations

from pathlib import Path

from priorshift.report.claims_text import describe_least_margins
from priorshift.report.limits_text import describe_checkpoints, describe_losses, describe_retention, list_limits
from priorshift.report.results_page import Fields
from priorshift.study.load import load_study
from priorshift.tables.read import read_tables


def collect_conclusions(outputs: Path, params: Path) -> Fields:
    """The fields of the page: limits of `laptop` and `embedded`, and the margin that the latter declares."""
    real, worlds = (read_tables(outputs / name / "tables") for name in ("laptop", "embedded"))
    study = load_study(params / "embedded.yaml").params
    limits = (
        describe_checkpoints(real["contrasts"]),
        describe_retention(real["retention"]),
        describe_losses(real["last_losses"]),
    )
    return {
        "margin": f"{study.inference.smallest_effect:g}",
        "reason": study.inference.smallest_effect_reason,
        "least_margins": describe_least_margins(worlds["equivalence_curve"]),
        "limits_real": "\n".join(f"* {limit}" for limit in limits),
        "limits_worlds": list_limits(study, worlds),
    }
