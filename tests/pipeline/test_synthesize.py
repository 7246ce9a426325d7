"""Training sets are made once: what is kept is not written again."""

from __future__ import annotations

from priorshift.pipeline.synthesize import synthesize_runs


def test_the_audit_has_a_row_for_each_set_and_kept_sets_are_not_written_again(study):
    runs = study.select("all", "all", "all")
    files = sorted((study.paths.root / "data").rglob("*.*"))
    before = [path.stat().st_mtime_ns for path in files]
    table = synthesize_runs(study, runs)
    assert len(table) == len(runs) == 4 and set(table["examples"]) == {study.params.training.examples}
    assert [path.stat().st_mtime_ns for path in files] == before
