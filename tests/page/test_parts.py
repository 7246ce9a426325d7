"""What every section asks of a study: its models in order, and columns that an older study lacks."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from matplotlib.figure import Figure as Drawn
from support.findings import HUB, make_hub_findings, read_embedded

from priorshift.errors import RunError
from priorshift.page.parts import Figure, Findings, Section, list_figures, list_models, read_findings
from priorshift.report.save import Picture
from priorshift.study.load import load_study


def test_models_come_in_the_order_of_the_file_and_others_after_them(root):
    study = load_study(root / "params/embedded.yaml")
    named = [model.name for model in study.params.models]
    shifts = pd.DataFrame({"base_model": ["elsewhere", named[2], named[0], named[2]]})
    assert list_models(Findings(study, {"shifts": shifts})) == [named[0], named[2], "elsewhere"]


def test_a_study_of_natural_language_has_no_worlds(root, tmp_path):
    hub, embedded = make_hub_findings(root, tmp_path), read_embedded(root)
    assert hub.worlds == [] and list_models(hub) == [HUB] and sorted(embedded.worlds) == ["coupled", "decoupled"]


def test_columns_that_an_older_study_lacks_are_filled(root, tmp_path):
    study = load_study(root / "params/embedded.yaml", tmp_path)
    with pytest.raises(RunError, match=r"shifts.csv: missing; run the study first"):
        read_findings(study)
    shutil.copytree(root / "outputs/embedded/tables", study.paths.tables)
    path = study.paths.tables / "contrasts.csv"
    pd.read_csv(path).drop(columns=["sets_low", "sets_high"], errors="ignore").to_csv(path, index=False)
    assert read_findings(study).tables["contrasts"][["sets_low", "sets_high"]].isna().all(axis=None)


def test_figures_are_listed_in_the_order_of_sections():
    one, two = (Figure(Picture(name, Drawn(), name)) for name in ("one", "two"))
    sections = [Section("a", "A", ["text", two]), Section("b", "B", []), Section("c", "C", [one, "text"])]
    assert list_figures(sections) == [two, one]
