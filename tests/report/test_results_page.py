"""docs/results.md is what its template and the committed tables make of it."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest

from priorshift.report.docs_pages import fill_template
from priorshift.report.results_page import collect_results, fill_checkpoints, fill_claims, fill_level, tabulate

TEMPLATE = "docs/templates/results.md"


@pytest.fixture
def outputs(root, tmp_path):
    """A copy of the committed tables that a test may change."""
    for study in ("embedded", "calibration", "placement", "reassurance"):
        shutil.copytree(root / "outputs" / study / "tables", tmp_path / "outputs" / study / "tables")
    shutil.copytree(root / "outputs" / "bench", tmp_path / "outputs" / "bench")
    return tmp_path / "outputs"


def test_the_page_has_what_the_tables_have(root):
    text = " ".join((root / "docs/results.md").read_text(encoding="utf-8").split())
    retention = pd.read_csv(root / "outputs/embedded/tables/retention.csv")
    most = retention.groupby("group")["ratio"].max()
    assert f"in {(retention.ratio > 1.05).sum()} of {len(retention)} runs" in text
    assert f"{most['llama']:.2f} (Llama) and {most['gpt_neox']:.2f} (GPT-NeoX)" in text
    placement = pd.read_csv(root / "outputs/placement/tables/placement.csv").query("condition == 'upper_mlp'")
    means = placement.groupby("group")["expectation_shift"].mean()
    row = re.search(r"\| upper MLP \|(.*?)\| \S+ \|(.*?)\|", text)
    assert row and f"{means['gpt_neox']:+.1f}" in text
    level = pd.read_csv(root / "outputs/calibration/tables/calibration.csv").query("source == 'measured'")
    for unit in ("items", "runs", "both"):
        means = [level.query(f"unit == '{unit}' and runs_per_side == {side}").rate.mean() for side in (3, 5)]
        assert re.search(rf"`{unit}` \| {100 * means[0]:.1f} % \([^|]*\| {100 * means[1]:.1f} % ", text)


def test_another_number_in_a_table_is_another_number_on_the_page(root, outputs, tmp_path):
    path = outputs / "embedded" / "tables" / "retention.csv"
    table = pd.read_csv(path)
    table.assign(ratio=9.99).to_csv(path, index=False)
    page = fill_template(root / TEMPLATE, collect_results(outputs))
    assert f"in {len(table)} of {len(table)} runs. The largest ratios are 9.99" in page


def test_a_missing_table_is_an_error(root, outputs, tmp_path):
    (outputs / "calibration" / "tables" / "calibration.csv").unlink()
    with pytest.raises(FileNotFoundError, match="calibration"):
        collect_results(outputs)


def test_intervals_beside_zero_are_counted_by_hand():
    row = {"family": "interpretation", "ring": "held_out_domains", "unit": "both", "control": "neutral"}
    cells = [("depression", "loss"), ("paranoia", "threat")]
    contrasts = pd.DataFrame(
        [
            row | {"condition": c, "outcome": o, "world": world, "estimate": e, "ci_low": e - 1, "ci_high": e + 1}
            for (c, o) in cells
            for world, e in (("coupled", 2.0), ("coupled", 0.5), ("decoupled", 0.1), ("decoupled", -1.5))
        ]
    )
    nulls = [row | {"condition": c, "outcome": o, "world": "decoupled", "equivalent": e, "margin": 0.5}
             for (c, o), e in zip(cells, (True, False), strict=True)]  # fmt: skip
    found = fill_checkpoints({"contrasts": contrasts, "equivalence": pd.DataFrame(nulls)})
    assert (found["n_coupled"], found["n_above"], found["n_off_zero"], found["off_zero"]) == (
        "4",
        "2",
        "2",
        "-1.50, -1.50",
    )
    assert (found["n_equivalent"], found["n_decoupled"], found["loss_least"]) == ("1", "2", "+0.50")


def test_a_significant_shift_against_its_declared_direction_does_not_hold():
    shared = {"base_model": "llama", "condition": "depression", "outcome": "loss", "role": "declared"}
    shifts = pd.DataFrame(
        [
            shared | {"world": "coupled", "estimate": e, "ci_low": e - 1, "ci_high": e + 1, "p_adjusted": 0.001}
            for e in (2.0, -2.0)
        ]
    )
    nulls = {"world": "decoupled", "estimate": 0.1, "ci90_low": 0, "ci90_high": 0.2, "margin": 0.5, "p_adjusted": 0.01}
    nulls = pd.DataFrame([shared | nulls | {"equivalent": True}])
    up, down = (
        fill_claims({"contrasts": shifts.assign(holds=holds), "equivalence": nulls})
        for holds in ([True, False], [False, True])  # declared to increase, and to decrease
    )
    assert up["n_claims"] == down["n_claims"] == "3" and up["n_held"] == down["n_held"] == "2"
    none = fill_claims({"contrasts": shifts.assign(holds=False), "equivalence": nulls})
    assert none["n_held"] == "1"


def test_a_table_has_a_line_for_each_row():
    assert tabulate(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_intervals_below_alpha_are_counted_by_hand():
    keys = [("measured", unit, 1, side) for unit in ("items", "runs", "both") for side in (3, 5) for _ in range(2)]
    keys += [("simulated", unit, 9, 3) for unit in ("both", "base")]
    rates = pd.DataFrame(keys, columns=["source", "unit", "run_sd_ratio", "runs_per_side"]).assign(
        rate=0.04, ci_low=0.03, ci_high=[0.04, 0.06] * 7, alpha=0.05, n_runs=40, comparisons=500
    )
    found = fill_level(rates)
    assert [found[name] for name in ("n_panels", "level_below_3", "level_below_5", "level_above")] == [
        "2",
        "1",
        "1",
        "None",
    ]
    assert found["base_least"] == "4.0" and found["unequal_mean"] == "4.0 %"
