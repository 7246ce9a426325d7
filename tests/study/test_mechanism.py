"""The section `mechanism`: what it may say, and that studies without it keep their hashes."""

from __future__ import annotations

import pytest

from priorshift.errors import ParamsError
from priorshift.study.load import load_study


def test_a_study_without_the_section_keeps_its_hash(smoke):
    assert "mechanism" not in smoke.params.model_dump(mode="json")


def test_the_analysis_needs_its_section(write_study):
    path = write_study(lambda data: data.update(analyses=["08_mechanism"]))
    with pytest.raises(ParamsError, match=r"analyses: 08_mechanism needs a section mechanism"):
        load_study(path)


def test_worlds_lie_in_the_study_s_folder(write_study):
    path = write_study(lambda data: data.update(mechanism={"prior_fit": {"worlds": "../worlds.yaml"}}))
    with pytest.raises(ParamsError, match=r"'../worlds.yaml', and .* leads out of the study's folder"):
        load_study(path)


def test_the_shipped_study_can_be_loaded(root):
    study = load_study(root / "params/mechanism.yaml")
    assert study.params.mechanism.prior_fit.worlds == "worlds.yaml" and "08_mechanism" in study.params.analyses
