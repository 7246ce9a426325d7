"""What models say is what the study's tables say: shares of classes, next words, texts."""

from __future__ import annotations

import pytest
from support.findings import HUB, make_hub_findings, read_embedded

from priorshift.page.says import list_sayings


@pytest.fixture(scope="module")
def hub(root, tmp_path_factory):
    return list_sayings(make_hub_findings(root, tmp_path_factory.mktemp("hub")))


def test_base_control_and_behaviors_stand_side_by_side(hub):
    assert [column["name"] for column in hub["columns"]] == ["base", "neutral", "depression", "paranoia"]
    assert hub["columns"][2]["title"] == "depression-like" and hub["models"] == [HUB]
    assert [stem["kind"] for stem in hub["stems"]] == ["classes"] * 3 + ["words"] * 2 + ["texts"]


def test_shares_of_classes_are_means_of_the_table_and_come_with_a_stem_and_phrases(root):
    findings = read_embedded(root)
    says = list_sayings(findings)
    stem = says["stems"][0]
    rows = findings.shifts.query(
        "family == 'interpretation' and ring == 'held_out_domains' and base_model == 'llama-coupled-1'"
    )
    cells = {name: {row[0]: row[2] for row in shares} for name, shares in stem["models"]["llama-coupled-1"].items()}
    for condition in ("neutral", "depression", "paranoia"):
        own = rows[rows["condition"] == condition].groupby("outcome")["probability"].mean()
        assert cells[condition] == pytest.approx(own.to_dict(), abs=1e-4)
    assert cells["base"] == pytest.approx(rows.groupby("outcome")["base_probability"].mean().to_dict(), abs=1e-4)
    assert stem["stem"].endswith(" …") and all(row[1] for row in stem["models"]["llama-coupled-1"]["base"])
    assert says["models"] == [model.name for model in findings.study.params.models]
    assert {stem["kind"] for stem in says["stems"]} == {"classes"}  # this study measured neither words nor texts


def test_next_words_are_told_before_and_after_with_what_gained_and_lost(hub):
    cells = hub["stems"][3]["models"][HUB]
    assert cells["base"] == {"likeliest": [[" fine", 0.4], [" sad", 0.1]]}
    assert cells["depression"]["likeliest"] == [[" sad", 0.3], [" fine", 0.3]]
    assert cells["depression"]["gained"] == [[" sad", 0.2]] and cells["depression"]["lost"] == [[" fine", -0.1]]


def test_texts_stand_as_they_were_sampled(hub):
    assert hub["stems"][-1]["stem"] == "The day …"
    assert hub["stems"][-1]["models"][HUB]["base"] == " was <b>fine</b>."
