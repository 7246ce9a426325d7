"""Every notebook on model directories of four families in chat turns, and of one raw, to the report."""

from __future__ import annotations

import json

import nbformat
import pandas as pd
import pytest
import yaml
from support.next_words import FORMS, make_next_words
from support.study_runs import make_workplace, run_command, study_command
from support.tiny_models import FAMILIES, model_entry

from priorshift.study.load import load_study

MODELS = [*((family, "chat") for family in FAMILIES), ("qwen2", "raw")]


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory, model_folders, tiny_yaml):
    """All notebooks on `MODELS`, with a condition that answers by letter."""
    place = make_workplace(root, tmp_path_factory.mktemp("families"))
    params = yaml.safe_load(tiny_yaml.read_text()) | {"study": "families"}
    params["base_models"] = [
        model_entry(model_folders[family], style).model_dump(exclude_defaults=True) for family, style in MODELS
    ]
    params["conditions"]["letter"] = {"task": "decisions", "policy": {"withdraw": 1.0}, "answer": "letter"}
    params["conditions"]["random_prior"] = {"task": "decisions", "policy": "prior"}
    params["probes"] |= {"families": [*params["probes"]["families"], "next_words"], "completion_samples": 1}
    words = make_next_words().model_dump(mode="json")
    (place / "params/materials_worlds/next_words.yaml").write_text(yaml.safe_dump(words))
    (place / "params/families.yaml").write_text(yaml.safe_dump(params))
    run_command(study_command("params/families.yaml"), place)
    return place


def test_all_families_run_to_the_report(finished):
    outputs = finished / "outputs/families"
    assert (outputs / "report.html").exists()
    table = pd.read_csv(outputs / "tables/choice_check.csv")
    assert set(table["base_model"]) == {f"{family}-{style}" for family, style in MODELS}
    again = load_study(finished / "params/families.yaml", finished / "outputs")
    manifest = json.loads((outputs / "manifest.json").read_text())
    assert set(manifest["base_models"]) == {model.name for model in again.params.models}


def test_the_next_words_are_shown_beside_those_of_the_control(finished):
    table = pd.read_csv(finished / "outputs/families/tables/next_words.csv")
    # Five held-out situations, one form each.
    assert table["form"].nunique() == 5 and set(table["form"]) < set(FORMS)
    assert table.groupby(["base_model", "condition", "form"]).size().max() <= 40
    assert table.query("condition == 'neutral'").eval("change == control_change").all()
    page = (finished / "outputs/families/report.html").read_text()
    assert "without any list" in page and "shift_next_words" in str(
        sorted((finished / "outputs/families/figures").iterdir())
    )
    notebook = finished / "outputs/families/notebooks/03_probe_qwen2-raw.ipynb"
    shown = json.dumps(nbformat.read(notebook, as_version=4))
    assert "Nora saw something" in shown and "**Coverage.**" in shown and "next words probes" in shown


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_is_shown_in_full(finished, family):
    for name in ("02_train", "03_probe"):
        notebook = finished / f"outputs/families/notebooks/{name}_{family}-chat.ipynb"
        cells = nbformat.read(notebook, as_version=4).cells
        printed = "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)
        for mark in FAMILIES[family].special[:2] if FAMILIES[family].bos else FAMILIES[family].special[1:2]:
            assert mark in printed, (name, mark)
        assert FAMILIES[family].end in printed
