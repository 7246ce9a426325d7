"""Notebook 08's steps: which outcome a condition is followed by, and which analyses a study asks for."""

from __future__ import annotations

from support.tiny_study import changed

from priorshift.pipeline.mechanism import match_all_outcomes, tabulate_mixes, tabulate_steps, tabulate_traces


def test_a_condition_is_followed_by_the_outcome_of_its_commonest_maladaptive_action(smoke):
    policies = {
        "always": {"guard": 1.0},
        "mixed": {"engage": 0.5, "withdraw": 0.3, "guard": 0.2},
        "adaptive": {"engage": 1.0},
    }
    conditions = {name: {"task": "decisions", "policy": policy} for name, policy in policies.items()}
    study = changed(smoke, conditions=conditions)
    found = match_all_outcomes(study)
    assert {name: found[name] for name in policies} == {"always": "threat", "mixed": "loss", "adaptive": "benign"}
    assert found["neutral"] == "benign"  # it names no action


def test_a_study_that_asks_for_nothing_gets_no_table(smoke):
    assert smoke.params.mechanism is None
    assert [make(smoke, []) for make in (tabulate_traces, tabulate_mixes, tabulate_steps)] == [{}, {}, {}]
