"""Coverage before training: the mass that a model of random weights gives, and the study's own limit beside it."""

from __future__ import annotations

import pytest
import yaml
from support.next_words import make_next_words
from support.tiny_models import model_entry

from priorshift.cli import main
from priorshift.pipeline.coverage import describe_base_coverage, measure_coverage
from priorshift.study.load import load_study


@pytest.fixture
def study(write_study, params_folder, model_folders):
    made = make_next_words().model_dump(mode="json")
    (params_folder / "materials_worlds" / "next_words.yaml").write_text(yaml.safe_dump(made))
    change = {"families": ["feeling", "next_words"], "forms_per_situation": 2}

    def with_model(data):
        data |= {"base_models": [model_entry(model_folders["llama"]).model_dump(exclude_defaults=True)]}
        data["probes"] |= change
        data["exclusion"] = {"covered_mass": 0.01}
        data["inference"]["claims"] = []
        return data

    return load_study(write_study(with_model))


def test_a_model_of_random_weights_gives_words_about_their_share_of_the_vocabulary(study):
    found = measure_coverage(study, study.params.models[0])
    assert set(found) == {"feeling", "next_words"} and found["feeling"] < 0.01
    # Nothing is learned: a word of two tokens or more holds next to nothing, and the vocabulary has 1,500 tokens.
    assert 0 < found["next_words"] < 0.01


def test_what_lies_below_the_limit_is_said(study, capsys):
    said = describe_base_coverage(study, study.params.models[0])
    assert said.count("(below exclusion.covered_mass)") == 2 and "next words probes" in said
    assert main(["check", str(study.folder / study.file), "--coverage"]) == 0
    assert said == capsys.readouterr().out.splitlines()[-1]
