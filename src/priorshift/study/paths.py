"""Where a study's outputs lie: every output path is built here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
EMBEDDED = PACKAGE / "embedded"
# Which tables and figures each analysis writes. A file belongs to the first whose pattern fits its name.
WRITTEN_BY = {
    "06_placement": ("tables/placement.csv", "figures/placement.*"),
    "07_calibration": (
        "tables/calibration.csv",
        "tables/hard_cases.csv",
        "tables/domain_level.csv",
        "tables/bayes_level.csv",
        "tables/bayes_ranks.csv",
        "figures/calibration.*",
    ),
    "08_mechanism": (
        "tables/prior_fit.csv",
        "tables/prior_fit_runs.csv",
        "tables/prior_rivals.csv",
        "figures/prior_fit.*",
        "tables/direction*.csv",
        "tables/algebra*.csv",
        "tables/trajectory*.csv",
        "tables/trigger*.csv",
        "tables/frontier*.csv",
        "figures/frontier.*",
        "figures/triggers.*",
        "figures/trajectory.*",
        "figures/algebra.*",
        "figures/directions.*",
    ),
    "04_test": ("tables/*.csv", "figures/power.*", "figures/specifications.*"),
    "05_report": ("figures/*.*",),
}


@dataclass(frozen=True)
class StudyPaths:
    """Paths under `outputs/<study>/`. A relative root keeps the outputs movable."""

    root: Path

    def data(self, condition: str, seed: int, base_model: str = "") -> Path:
        """Folder of training data. It belongs to one base model only where that model's choice rates made it."""
        folder = self.root / "data" / condition / f"seed-{seed}"
        return folder / base_model if base_model else folder

    def run(self, base_model: str, condition: str, seed: int) -> Path:
        """Folder of a run: its adapter and run.json."""
        return self.root / "runs" / base_model / condition / f"seed-{seed}"

    def measurements(self, base_model: str, condition: str, seed: int) -> Path:
        """Folder of a run's measurement tables."""
        return self.root / "measurements" / base_model / condition / f"seed-{seed}"

    def kept(self, base_model: str, name: str) -> Path:
        """Folder of measurements that all runs of a base model are set beside: `base`, or `reference`.

        Its name begins with a dot, as no condition's does.
        """
        return self.root / "measurements" / base_model / f".{name}"

    def choice_rates(self, base_model: str) -> Path:
        """File of a base model's own choice rates."""
        return self.root / "data" / "choice_rates" / f"{base_model}.json"

    def mark(self, notebook: str, base_model: str = "") -> Path:
        """File that says that a notebook was executed to its end, on one base model or on all."""
        return self.marks / f"{_join_name(notebook, base_model)}.json"

    def executed(self, notebook: str, base_model: str = "") -> Path:
        """The notebook as it was executed, with its output."""
        return self.notebooks / f"{_join_name(notebook, base_model)}.ipynb"

    def list_written(self, notebook: str) -> list[Path]:
        """The tables and figures that a notebook has written."""
        found: list[Path] = []
        for name, patterns in WRITTEN_BY.items():
            fitting = {path for pattern in patterns for path in self.root.glob(pattern)} - set(found)
            if name == notebook:
                return sorted(fitting)
            found += fitting
        return []

    def clear(self, notebook: str) -> None:
        """Remove what an earlier run of a notebook wrote, so that no outdated table stays."""
        for path in self.list_written(notebook):
            path.unlink()

    def lock(self, name: str) -> Path:
        """The empty file by which a study, or a notebook in it, is locked (`pipeline.locks`)."""
        return self.marks / f".{name}.lock"

    @property
    def begun(self) -> Path:
        """File of the hashes of each notebook, its code, params and materials when the study was last begun."""
        return self.marks / "begun.json"

    @property
    def progress(self) -> Path:
        """Folder of the lines that say where each job is. It is there only while some work (`pipeline.progress`)."""
        return self.root / "progress"

    @property
    def marks(self) -> Path:
        """Folder of what says how far the notebooks are: their marks, and the locks of those at work."""
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


def _join_name(notebook: str, base_model: str) -> str:
    return f"{notebook}_{base_model}" if base_model else notebook
