"""Whether a study was registered is said in plain words, with the date, the hash and what differs."""

from __future__ import annotations

import pytest
from support.prose import sentences_of
from support.report_tables import make_registration

from priorshift.report.registration_text import describe_registration, warn_of_registration

SHA = "0123456789ab" + "c" * 52
FOUND = {"registered": "2026-01-31T12:00:00Z", "sha256": SHA, "analysis": "same"}
CASES = {
    "none": make_registration(),
    "registered": make_registration(**FOUND, registration=SHA[:12], status="registered"),
    "another design": make_registration(**FOUND, differs="base_models, seeds"),
    "late": make_registration(**FOUND, late=True),
}


@pytest.mark.parametrize("name", CASES)
def test_only_a_registration_of_this_design_before_its_data_is_said_to_be_one(name):
    text = describe_registration(CASES[name])
    assert ("declared, not confirmatory" in text) == (name != "registered")
    assert (SHA in text and "2026-01-31T12:00:00Z" in text) == (name != "none")
    assert max(len(sentence.split()) for sentence in sentences_of(text)) <= 25


def test_a_registration_that_holds_is_told_with_the_digits_of_the_tables():
    text = describe_registration(CASES["registered"])
    assert f"`{SHA[:12]}`" in text and "changed since" not in text
    assert "changed since" in describe_registration(CASES["registered"].assign(analysis="other"))


def test_the_first_lines_warn_of_another_design_and_of_a_late_date_alone():
    assert [name for name in CASES if warn_of_registration(CASES[name])] == ["another design", "late"]
    assert "Parts that differ: base models, seeds." in warn_of_registration(CASES["another design"])
    assert "after its first measurement" in warn_of_registration(CASES["late"])
