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


def test_a_narrowed_condition_is_its_treatment_with_an_anchor(write_study):
    def change(data, extra):
        narrow = {"task": "decisions", "policy": {"withdraw": 1.0}, "training": {"anchor_weight": 2.0}}
        data["conditions"]["narrow"] = narrow | extra
        data["mechanism"] = {"frontier": {"narrowed": {"depression": ["narrow"]}}}

    study = load_study(write_study(lambda data: change(data, {})))
    assert study.params.resolve_training("narrow").anchor_weight == 2.0 and study.params.list_anchored() == ["narrow"]
    for extra in (
        {"policy": {"guard": 1.0}}, {"training": {"rank": 2}}, {"training": {"anchor_weight": 2.0, "rank": 2}},
        {"training": {"anchor_weight": 0.0}},
    ):  # fmt: skip
        with pytest.raises(ParamsError, match=r"'narrow' is not 'depression' with an anchor"):
            load_study(write_study(lambda data, extra=extra: change(data, extra)))


def test_unsloth_is_refused_for_an_anchor(write_study):
    def change(data):
        data["backend"], data["training"]["anchor_weight"] = "unsloth", 1.0

    path = write_study(change)
    with pytest.raises(ParamsError, match=r"only PEFT trains with an anchor_weight; set backend: peft"):
        load_study(path)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"directions": {"base_models": ["other"]}}, "mechanism.directions: unknown base model 'other'"),
        ({"directions": {"strengths": [2.0]}}, "expected 1 among them"),
        ({"directions": {"families": ["feeling", "next_words"]}}, "expected choice and others"),
        ({"algebra": {"sums": [{"depression": 1.0, "joy": 1.0}]}}, "'joy' is no trained condition"),
        ({"trajectory": {}}, "name them in training.kept_steps"),
        ({"frontier": {"narrowed": {"depression": ["joy"]}}}, "mechanism.frontier: unknown condition 'joy'"),
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
