"""Interactive figures hold the runs of the tables, with their names, and obey the page's filters."""

from __future__ import annotations

import json

import pytest
from support.findings import read_embedded

from priorshift.page.charts import (
    CHOSEN,
    draw_interval_panels,
    draw_jsd_panels,
    draw_probabilities,
    draw_shift_panels,
    write_spec,
)
from priorshift.report.claim_figures import select_declared


@pytest.fixture(scope="module")
def findings(root):
    return read_embedded(root)


def rows_of(spec):
    return [row for rows in spec["datasets"].values() for row in rows]


def test_a_point_is_a_run_with_its_name_seed_and_base_model(findings):
    own = findings.shifts.query(
        "family == 'interpretation' and ring == 'held_out_domains' and outcome == 'loss' and world == 'coupled'"
    )
    spec = write_spec(draw_probabilities(own, findings.colours))
    runs = [row for row in rows_of(spec) if "seed" in row]
    assert len(runs) == len(own) == 180
    one = own.iloc[5]
    key = ["base_model", "condition", "seed"]
    (same,) = [row for row in runs if [row[name] for name in key] == list(one[key])]
    assert same["after"] == pytest.approx(100 * one.probability, abs=0.01)
    assert same["shift"] == pytest.approx(one["shift"], abs=1e-4)
    titles = {tip["title"] for layer in spec["layer"] for tip in layer["encoding"]["tooltip"] if "title" in tip}
    assert {"training", "seed", "base model"} <= titles


def test_every_panel_knows_the_filters_fits_its_place_and_asks_no_address(findings):
    tables, colours = findings.tables, findings.colours
    panels = [
        *draw_shift_panels(findings.shifts, "interpretation", colours),
        *draw_interval_panels(select_declared(tables["contrasts"], findings.settings), 0.5, colours),
        *draw_jsd_panels(tables["jsd"], colours),
    ]
    assert len(panels) == 3 + 2 + 4 and len({panel.title for panel in panels}) == 9
    for panel in panels:
        spec = write_spec(panel.chart)
        assert spec["width"] == "container"
        assert set(CHOSEN.values()) <= {param["name"] for param in spec["params"]}
        text = json.dumps(spec)
        assert '"url"' not in text and "currentColor" in text and "NaN" not in text
        assert text.count("https://") == 1  # the name of the grammar that it is written in


def test_an_interval_over_few_checkpoints_leaves_the_picture_and_keeps_its_numbers(findings):
    rows = select_declared(findings.tables["contrasts"], findings.settings)
    wide = rows.assign(ci_high=rows["ci_high"].where(rows["unit"] != "base", 99.0))
    spec = write_spec(draw_interval_panels(wide, 0.5, findings.colours)[0].chart)
    runs = [row for row in rows_of(spec) if row.get("unit") == "base"]
    assert {row["ci_high"] for row in runs} == {99.0}
    [bars] = [layer for layer in spec["layer"] if layer["encoding"].get("x2", {}).get("field") == "ci_high"]
    assert bars["encoding"]["x"]["scale"]["domain"][1] < 10 and bars["mark"]["clip"]
