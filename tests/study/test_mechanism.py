"""The section `mechanism`: what it may say, and that studies without it keep their hashes."""

from __future__ import annotations

import copy

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


TOLD = {"condition": "depression", "control": "paranoia", "paraphrase": "Yaks."}


def write_cues(write_study, condition, control, paraphrase="Yaks."):
    def change(data):
        triggers = {"depression": condition, "paranoia": control}
        for name, trigger in triggers.items():
            data["conditions"][name]["trigger"] = copy.deepcopy(trigger)  # one object twice would be an alias in YAML
        data["mechanism"] = {"triggers": TOLD | {"paraphrase": paraphrase}}

    return write_study(change)


def test_a_cue_has_a_control_with_the_same_cue_and_another_paraphrase(write_study):
    told, cue = {"cue": "Zebras.", "policy": {"engage": 1.0}}, {"cue": "Zebras."}
    assert load_study(write_cues(write_study, told, cue)).params.mechanism.triggers.control == "paranoia"
    for bad, said in (
        ((cue, cue), "expected a condition that has a trigger with a policy"),
        ((told, told), "expected a condition that has a trigger without a policy"),
        ((told, {"cue": "Gnus."}), r"found the cues \['Gnus.', 'Zebras.'\]"),
        ((told, cue, "Zebras."), "and another sentence"),
    ):
        with pytest.raises(ParamsError, match=said):
            load_study(write_cues(write_study, *bad))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"directions": {"base_models": ["other"]}}, "mechanism.directions: unknown base model 'other'"),
        ({"directions": {"strengths": [2.0]}}, "expected 1 among them"),
        ({"directions": {"families": ["feeling", "next_words"]}}, "expected choice and others"),
        ({"algebra": {"sums": [{"depression": 1.0, "joy": 1.0}]}}, "'joy' is no trained condition"),
        ({"trajectory": {}}, "name them in training.kept_steps"),
        ({"triggers": TOLD}, "condition is 'depression'; expected a condition that has a trigger with a policy"),
        ({"algebra": {"doses": {"depression": ["paranoia"]}}}, r"'paranoia', a dose of 'depression', has the policy"),
        ({"algebra": {"doses": {"depression": ["neutral"]}}}, "a dose of 'depression', has the policy None"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(write_study, section, said):
    path = write_study(lambda data: data.update(mechanism=section))
    with pytest.raises(ParamsError, match=said) as refused:
        load_study(path)
    assert "\n" not in str(refused.value)


def test_a_direction_needs_another_seed(write_study):
    path = write_study(lambda data: data.update(seeds=[0], mechanism={"directions": {}}))
    with pytest.raises(ParamsError, match="give two seeds or more"):
        load_study(path)
