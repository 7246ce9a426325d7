"""The first screen says what the tables say, for worlds, for a hub model, and without a claim."""

from __future__ import annotations

import pytest
from support.findings import HUB, make_hub_findings, read_embedded
from support.report_tables import make_registration

from priorshift.page.answer import answer_question, chart_answer, judge_study, list_facts, list_warnings
from priorshift.page.claims import list_claims


@pytest.fixture(scope="module")
def embedded(root):
    return read_embedded(root)


@pytest.fixture(scope="module")
def hub(root, tmp_path_factory):
    return make_hub_findings(root, tmp_path_factory.mktemp("hub"))


def test_each_world_has_a_sentence_with_its_probabilities(embedded):
    coupled, decoupled = answer_question(embedded)
    shifts = embedded.shifts.query("family == 'interpretation' and ring == 'held_out_domains' and world == 'coupled'")
    own = shifts[(shifts["condition"] == "depression") & (shifts["outcome"] == "loss")]
    after = 100 * own.groupby(["group", "base_model"])["probability"].mean().groupby("group").mean()
    assert f"{after.min():.0f}–{after.max():.0f}" in coupled and " took loss from " in coupled
    assert " left loss at " in decoupled and " took " not in decoupled


def test_a_hub_model_is_named_and_no_world_is(hub):
    (sentence,) = answer_question(hub)
    panels, description = chart_answer(hub)
    # Two outcomes of three families.
    assert HUB in sentence and "world" not in sentence + description
    assert [panel.title for panel in panels][:2] == ["Loss, next words probes", "Threat, next words probes"]
    assert len(panels) == 6
    # Three families are claimed, and the headline's probabilities are told.
    own = hub.shifts.query("family == 'next_words' and condition == 'depression' and outcome == 'loss'")
    means = own[own["ring"] == "held_out_domains"][["base_probability", "probability"]].mean()
    before, after = (f"{100 * share:.0f}" for share in means)
    assert "next words" in sentence and before in sentence and after in sentence and "interpretation" not in sentence


def test_registered_claims_are_called_so(hub):
    found = make_registration(registered="2026-01-31T12:00:00Z", status="registered", sha256="ab" * 32)
    other = type(hub)(hub.study, hub.tables | {"registration": found})
    assert "registered claims" in judge_study(list_claims(other), other)
    assert "declared claims" in judge_study(list_claims(hub), hub)


def test_claims_are_counted_by_the_verdict_of_the_tables(embedded):
    table = embedded.tables["contrasts"]
    both = (table, embedded.tables["equivalence"])
    shifts, equivalences = ((t.query("role == 'declared'").p_adjusted < 0.05).sum() for t in both)
    said = "All 8" if shifts + equivalences == 8 else f"{shifts + equivalences} of 8"
    assert judge_study(list_claims(embedded), embedded).startswith(f"{said} declared claims hold")
    declared = table["role"] == "declared"
    turned = table.assign(estimate=table["estimate"].where(~declared, -table["estimate"]))
    turned.loc[declared, "holds"] = False
    other = type(embedded)(embedded.study, embedded.tables | {"contrasts": turned})
    said = judge_study(list_claims(other), other)
    assert said.startswith(f"{equivalences} of 8 declared claims hold") and f"{shifts} went the other way" in said


def test_without_a_claim_the_largest_shift_is_told_as_exploratory(root, tmp_path):
    findings = make_hub_findings(root, tmp_path, claims=False)
    assert list_claims(findings) == [] and "exploratory" in judge_study([], findings)
    (sentence,) = answer_question(findings)
    own = findings.shifts.groupby(["condition", "family", "outcome"])["shift"].mean()
    assert f"{own[own.abs().idxmax()]:+.2f} nats" in sentence
    assert {panel.title.split(",")[0] for panel in chart_answer(findings)[0]} == {"Loss", "Threat"}


def test_choices_that_were_trained_are_no_answer(root, tmp_path):
    findings = make_hub_findings(root, tmp_path, claims=False)
    choices = findings.shifts.assign(family="choice")
    alone = type(findings)(findings.study, findings.tables | {"shifts": choices})
    (sentence,) = answer_question(alone)
    assert "no expectation" in sentence.lower() and not any(sign.isdigit() for sign in sentence)


def test_runs_are_counted_and_intervals_stand_beside_estimates(embedded):
    facts = list_facts(list_claims(embedded), embedded)
    assert facts[-1].value == "288" and "16 base models" in facts[-1].note
    claims = embedded.tables["contrasts"].query("role == 'declared'")
    assert f"{claims.ci_low.min():+.2f} to {claims.ci_high.max():+.2f}" in facts[0].note
    assert f"{claims.estimate.min():+.2f} to {claims.estimate.max():+.2f} nats" == facts[0].value


def test_a_study_run_under_another_design_says_so_first(embedded):
    assert list_warnings(embedded) == []
    found = make_registration(registered="2026-01-31T12:00:00Z", sha256="ab" * 32, differs="base_models, seeds")
    other = type(embedded)(embedded.study, embedded.tables | {"registration": found})
    assert "another design" in list_warnings(other)[0] and "base models, seeds" in list_warnings(other)[0]
