"""A study of one base model runs on another one, its file untouched."""

from __future__ import annotations

import pytest
from support.refusals import read_refusal

from priorshift.study.load import load_study
from priorshift.study.other_model import VARIABLE, replace_base_model, set_other_model


def one_model(data):
    data["base_models"] = [{"name": "own", "source": "org/Own", "revision": "main", "dtype": "bfloat16"}]


@pytest.mark.parametrize(
    ("source", "name"), [("org/Some-Model_1B", "some-model_1b"), ("a folder/Mein Modell (2)", "mein-modell-2")]
)
def test_the_model_is_named_by_the_end_of_its_source(write_study, monkeypatch, source, name):
    monkeypatch.setenv(VARIABLE, source)
    [model] = load_study(write_study(one_model)).params.models
    assert (model.name, model.source, model.revision, model.dtype) == (name, source, None, "bfloat16")


def test_nothing_changes_where_no_model_is_set(write_study, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    set_other_model("")
    [model] = load_study(write_study(one_model)).params.models
    assert (model.name, model.source) == ("own", "org/Own")


def test_a_folder_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Gemma").mkdir()
    set_other_model("Gemma")
    made = replace_base_model(tmp_path / "study.yaml", {"base_models": ["own"]})
    assert made["base_models"] == [{"name": "gemma", "source": str(tmp_path / "Gemma")}]


def test_a_study_of_several_models_is_refused(params_folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, "org/other")
    said = read_refusal(load_study, params_folder / "smoke.yaml")
    assert "MODEL is 'org/other'" in said and "names 2 models" in said
