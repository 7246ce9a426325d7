"""The only place that builds an output path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
EMBEDDED = PACKAGE / "embedded"
# Which tables and figures each analysis writes; a file belongs to the first whose pattern fits its name.
OWNED = {
    "06_placement": ("tables/placement.csv", "figures/placement.*"),
    "07_calibration": ("tables/calibration.csv", "figures/calibration.*"),
    "04_test": ("tables/*.csv", "figures/power.*", "figures/specifications.*"),
    "05_report": ("figures/*.*",),
}


@dataclass(frozen=True)
class StudyPaths:
    """Paths under `outputs/<study>/` (a relative root keeps the outputs movable)."""

    root: Path

    def data(self, condition: str, seed: int, base_model: str = "") -> Path:
        """Training data; of one base model only where its own choice rates make them."""
        folder = self.root / "data" / condition / f"seed-{seed}"
        return folder / base_model if base_model else folder

    def run(self, base_model: str, condition: str, seed: int) -> Path:
        return self.root / "runs" / base_model / condition / f"seed-{seed}"

    def measurements(self, base_model: str, condition: str, seed: int) -> Path:
        return self.root / "measurements" / base_model / condition / f"seed-{seed}"

    def choice_rates(self, base_model: str) -> Path:
        return self.root / "data" / "choice_rates" / f"{base_model}.json"

    def mark(self, stage: str, base_model: str = "") -> Path:
        """What says that a stage (a notebook, on one base model or on all) is finished."""
        return self.stages / f"{_stage_name(stage, base_model)}.json"

    def executed(self, stage: str, base_model: str = "") -> Path:
        """The executed notebook of a stage."""
        return self.notebooks / f"{_stage_name(stage, base_model)}.ipynb"

    def owned(self, stage: str) -> list[Path]:
        """The tables and figures that a stage's notebook has written."""
        found: list[Path] = []
        for name, patterns in OWNED.items():
            fitting = {path for pattern in patterns for path in self.root.glob(pattern)} - set(found)
            if name == stage:
                return sorted(fitting)
            found += fitting
        return []

    def clear(self, stage: str) -> None:
        """Remove what an earlier run of a stage's notebook wrote: a table that is no longer made must not stay."""
        for path in self.owned(stage):
            path.unlink()

    def lock(self, name: str) -> Path:
        """The empty file by which a study, or a notebook in it, is held (`locks`)."""
        return self.stages / f".{name}.lock"

    @property
    def begun(self) -> Path:
        """What each stage's notebook, code, params and materials were when the study was begun last."""
        return self.stages / "begun.json"

    @property
    def stages(self) -> Path:
        return self.root / "stages"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"


def _stage_name(stage: str, base_model: str) -> str:
    return f"{stage}_{base_model}" if base_model else stage
