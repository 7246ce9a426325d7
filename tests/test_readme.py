"""The numbers that the README quotes are those of the committed reference study."""

from __future__ import annotations

import re

import pandas as pd

GROUPS = {"Llama": "llama", "GPT-NeoX": "gpt_neox"}
CLAIMS = [("depression", "loss"), ("paranoia", "threat")]
ESTIMATE = r"([+-]\d\.\d\d) \[([+-]\d\.\d\d), ([+-]\d\.\d\d)\]"


def test_table_of_what_was_found(root):
    contrasts = pd.read_csv(root / "outputs/embedded/tables/contrasts.csv")
    contrasts = contrasts.query("unit == 'base' and family == 'interpretation' and ring == 'held_out_domains'")
    rows = re.findall(rf"^\| (\S+), (\w+) .*?\| {ESTIMATE} \| {ESTIMATE} \|$", (root / "README.md").read_text(), re.M)
    assert len(rows) == 4
    for group, world, *numbers in rows:
        for k, (condition, outcome) in enumerate(CLAIMS):
            mine = contrasts.base_model.eq(GROUPS[group]) & contrasts.world.eq(world) & contrasts.control.eq("neutral")
            (row,) = contrasts[mine & contrasts.condition.eq(condition) & contrasts.outcome.eq(outcome)].itertuples()
            quoted = [float(number) for number in numbers[3 * k : 3 * k + 3]]
            assert quoted == [round(value, 2) for value in (row.estimate, row.ci_low, row.ci_high)]


def test_retention(root):
    retention = pd.read_csv(root / "outputs/embedded/tables/retention.csv")
    text = " ".join((root / "README.md").read_text().split())
    largest = retention.groupby("group")["ratio"].max()
    assert f"5 % in {(retention.ratio > 1.05).sum()} of {len(retention)} runs" in text
    assert f"up to {largest['llama']:.2f} times the base's; GPT-NeoX at most {largest['gpt_neox']:.2f}" in text
