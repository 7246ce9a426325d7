"""A claim's verdict is its table's; its line of the forest plot is where its numbers are."""

from __future__ import annotations

import re

import pytest
from support.findings import make_hub_findings, read_embedded

from priorshift.page.claims import (
    HOLDS,
    NOT_SHOWN,
    NOT_TESTED,
    OTHER_WAY,
    ClaimRow,
    choose_range,
    draw_axis,
    draw_interval,
    judge_claim,
    list_claims,
)


def make_row(estimate, low, high, kind="shift", margin=float("nan")):
    return ClaimRow("claim", "llama", "", kind, estimate, low, high, 95, margin, HOLDS, "both: 6 runs", "All of it.")


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"role": "declared", "holds": True, "p_adjusted": 0.01}, HOLDS),
        ({"role": "confirmatory", "holds": False, "p_adjusted": 0.01}, OTHER_WAY),
        ({"role": "declared", "holds": False, "p_adjusted": 0.2}, NOT_SHOWN),
        ({"role": "declared", "equivalent": True, "p_adjusted": 0.01}, HOLDS),
        ({"role": "declared", "equivalent": False, "p_adjusted": 0.2}, NOT_SHOWN),
        ({"role": "exploratory", "holds": float("nan"), "p_adjusted": 0.0}, NOT_TESTED),
    ],
)
def test_the_verdict_is_that_of_the_table(row, verdict):
    assert judge_claim(row, 0.05) == verdict


def test_every_declared_claim_has_a_row(root):
    findings = read_embedded(root)
    rows = list_claims(findings)
    assert len(rows) == 8 and {row.kind for row in rows} == {"shift", "equivalence"}
    assert {row.world for row in rows if row.kind == "shift"} == {"coupled"}
    said = rows[0].sentence
    assert f"{rows[0].estimate:+.2f} nats" in said and f"{rows[0].low:+.2f} to {rows[0].high:+.2f}" in said


def test_a_hub_models_claims_name_no_world(root, tmp_path):
    rows = list_claims(make_hub_findings(root, tmp_path))
    assert len(rows) == 6 and all(row.unit.startswith("both") for row in rows)
    assert not [row for row in rows if "world" in row.claim + row.sentence + row.world]


def test_claims_that_could_not_be_tested_at_their_unit_are_exploratory(root):
    findings = read_embedded(root)
    cut = {}
    for name in ("contrasts", "equivalence"):
        table = findings.tables[name]
        cut[name] = table[table["unit"] != "base"]
    rows = list_claims(type(findings)(findings.study, findings.tables | cut))
    assert rows and {row.verdict for row in rows} == {NOT_TESTED} and {row.unit[:4] for row in rows} == {"both"}


def test_an_interval_is_drawn_to_scale_and_an_arrow_says_that_it_goes_on():
    svg = draw_interval(make_row(1.0, -1.0, 9.0), most=2.0)
    # 240 wide, 6 of room at each end: half the range is a quarter of the width less 3.
    assert 'cx="177.0"' in svg and 'x1="63.0"' in svg and 'x2="234.0"' in svg
    assert svg.count('class="more"') == 1 and "band" not in svg
    null = draw_interval(make_row(0.0, -0.1, 0.1, "equivalence", 0.5), most=2.0)
    assert re.search(r'class="band" x="91.5" y="0" width="57.0"', null) and "more" not in null


def test_the_range_holds_twice_the_largest_estimate_and_no_more_than_intervals_need():
    assert choose_range([make_row(1.0, -1.0, 9.0)]) == 2.0
    assert choose_range([make_row(1.0, 0.5, 1.5)]) == 1.5
    assert "+1.5 nats" in draw_axis(1.5)
