"""The step that notebook 04 calls: of a finished study, with and without scales and controls."""

from __future__ import annotations

import shutil

import pytest
import yaml
from support.next_words import make_next_words
from support.tiny_models import model_entry
from support.tiny_study import do_all

from priorshift.pipeline.agreement import tabulate_agreement
from priorshift.pipeline.analyse import read_items
from priorshift.pipeline.probe import read_measurements
from priorshift.stats.agreement import POOLED
from priorshift.study.load import load_study
from priorshift.tables.measures import measure_words


@pytest.fixture(scope="module")
def items(done):
    return read_items(done, done.select("all", "all", "all"))


def test_measures_of_a_study_are_correlated_and_one_control_has_no_pair(done, items):
    tables = tabulate_agreement(done, items)
    assert set(tables) == {"multitrait", "methods"}
    families = set(done.params.probes.families) - {"choice"}
    assert set(tables["methods"]["method"]) == families
    assert set(tables["multitrait"]["base_model"]) == {*(run.base_model for run in items.runs), POOLED}
    assert (tables["multitrait"]["n_runs"] == len(items.runs)).all()


def test_two_runs_are_too_few_for_correlations(done, items):
    kept = items.kept[items.kept["condition"] == "neutral"]
    assert tabulate_agreement(done, items._replace(kept=kept)) == {}


def test_next_words_and_their_words_in_sampled_texts_are_methods_too(tiny_yaml, model_folders, tmp_path):
    shutil.copytree(tiny_yaml.parent, tmp_path / "params")
    words = make_next_words().model_dump(mode="json")
    (tmp_path / "params/materials_worlds/next_words.yaml").write_text(yaml.safe_dump(words))
    data = yaml.safe_load(tiny_yaml.read_text())
    data |= {"base_models": [model_entry(model_folders["llama"]).model_dump(exclude_defaults=True)]}
    data["probes"] |= {"families": ["interpretation", "next_words"], "completion_samples": 1}
    path = tmp_path / "params" / tiny_yaml.name
    path.write_text(yaml.safe_dump(data))
    study = do_all(load_study(path, tmp_path / "outputs"))
    runs = study.select("all", "all", "all")
    methods = tabulate_agreement(study, read_items(study, runs))["methods"].query("base_model == 'all'")
    assert set(methods["method"]) == {"interpretation", "next_words", "completions"}
    assert methods.loc[methods["method"] == "next_words", "convergent"].notna().any()
    # No model writes these made-up words: what does not vary has no correlation.
    texts = read_measurements(study, runs, "completions")
    assert (measure_words(texts, study.materials.next_words.words)["value"] == 0).all()
    assert methods.loc[methods["method"] == "completions", "convergent"].isna().all()
