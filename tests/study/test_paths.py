"""Every output lies under the study's folder, each in a place of its own."""

from __future__ import annotations

from pathlib import Path

from priorshift.study.paths import WRITTEN_BY, StudyPaths
from priorshift.study.run import Run

PATHS = StudyPaths(Path("outputs/tiny"))
RUN = Run("llama-coupled-0", "dose_0.5", 3)


def test_each_kind_of_output_has_a_place_of_its_own():
    places = [
        PATHS.data(RUN.condition, RUN.seed), PATHS.data(RUN.condition, RUN.seed, RUN.base_model), PATHS.run(*RUN),
        PATHS.measurements(*RUN), PATHS.choice_rates(RUN.base_model), PATHS.mark("03_probe"),
        PATHS.mark("03_probe", RUN.base_model), PATHS.executed("03_probe"), PATHS.executed("03_probe", RUN.base_model),
        PATHS.lock("study"), PATHS.begun, PATHS.tables, PATHS.figures, PATHS.report, PATHS.manifest,
    ]  # fmt: skip
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(PATHS.root) for place in places)


def test_a_run_s_folders_are_named_as_the_run():
    assert PATHS.run(*RUN) == PATHS.root / "runs" / str(RUN)
    assert PATHS.measurements(*RUN) == PATHS.root / "measurements" / str(RUN)


def test_each_written_file_belongs_to_one_analysis_which_clears_its_own(tmp_path):
    paths = StudyPaths(tmp_path)
    owners = {
        "tables/placement.csv": "06_placement", "figures/placement.png": "06_placement",
        "tables/calibration.csv": "07_calibration", "tables/contrasts.csv": "04_test", "figures/power.svg": "04_test",
        "tables/prior_fit.csv": "08_mechanism", "figures/prior_fit.svg": "08_mechanism",
        "tables/direction_alarms.csv": "08_mechanism", "tables/algebra_runs.csv": "08_mechanism",
        "figures/controls.png": "05_report",
    }  # fmt: skip
    for name in owners:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for notebook in WRITTEN_BY:
        written = {path.relative_to(tmp_path).as_posix() for path in paths.list_written(notebook)}
        assert written == {name for name, owner in owners.items() if owner == notebook}
    assert paths.list_written("03_probe") == []
    paths.clear("04_test")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert left == {name for name, owner in owners.items() if owner != "04_test"}
