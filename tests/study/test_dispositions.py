"""Actions and outcomes belong together as the materials' dispositions say."""

from __future__ import annotations

from priorshift.study.conditions import Condition
from priorshift.study.dispositions import find_adaptive, list_even_controls, list_maladaptive_outcomes, match_outcomes
from priorshift.study.load import load_study

BEHAVIORS = {"depression": "loss", "paranoia": "threat"}


def with_treatments(params, **conditions):
    """The study's parameters with other treatments."""
    inference = params.inference.model_copy(update={"treatments": list(conditions)})
    declared = {name: Condition(task="decisions", policy=policy) for name, policy in conditions.items()}
    return params.model_copy(update={"inference": inference, "conditions": params.conditions | declared})


def test_the_adaptive_disposition_is_the_first(materials):
    assert find_adaptive(materials) == ("benign", "engage")
    assert list_maladaptive_outcomes(materials) == ["loss", "threat"]


def test_a_treatment_goes_with_the_outcome_of_the_action_it_always_takes(smoke, root):
    assert match_outcomes(smoke.params, smoke.materials) == BEHAVIORS
    other = load_study(root / "params" / "reassurance.yaml")
    assert match_outcomes(other.params, other.materials) == BEHAVIORS | {"reassurance": "worry"}


def test_of_treatments_with_one_outcome_the_first_counts(root):
    design = load_study(root / "params" / "design.yaml")
    assert len(design.params.inference.treatments) == 6
    assert match_outcomes(design.params, design.materials) == BEHAVIORS


def test_mixed_policies_and_the_adaptive_action_go_with_none(smoke):
    params = with_treatments(
        smoke.params, half={"withdraw": 0.5, "engage": 0.5}, good={"engage": 1.0}, drawn="uniform", bad={"guard": 1.0}
    )
    assert match_outcomes(params, smoke.materials) == {"bad": "threat"}


def test_controls_that_favour_no_class_are_neither_one_sided_nor_trained_in_stages(root, smoke):
    embedded = load_study(root / "params" / "embedded.yaml")
    assert list_even_controls(embedded.params) == ["neutral", "random_label", "random_prior"]
    half = Condition(task="decisions", policy={"withdraw": 0.5, "engage": 0.5})
    staged = Condition(stages=["depression", "neutral"])
    inference = smoke.params.inference.model_copy(update={"controls": ["neutral", "staged", "half"]})
    more = smoke.params.conditions | {"half": half, "staged": staged}
    params = smoke.params.model_copy(update={"inference": inference, "conditions": more})
    assert list_even_controls(params) == ["neutral", "half"]
