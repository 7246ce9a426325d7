"""The README's numbers are those of the committed tables, and what it links to is there."""

from __future__ import annotations

import re
from functools import cache

import pandas as pd
import pytest

from priorshift.study.paths import PACKAGE

ROOT = PACKAGE.parent.parent
GROUPS = {"Llama": "llama", "GPT-NeoX": "gpt_neox"}
CLAIMS = [("depression", "loss"), ("paranoia", "threat")]
TEXT = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
PROBED = "family == 'interpretation' and ring == 'held_out_domains'"


@cache
def read(name, study="embedded"):
    return pd.read_csv(ROOT / f"outputs/{study}/tables/{name}.csv")


def percent(share):
    return f"{100 * share:.0f}"


def test_table_of_the_answer():
    cell = r"(\d+) → (\d+) % \| ([+-]\d\.\d\d) \[([+-]\d\.\d\d), ([+-]\d\.\d\d)\]"
    rows = re.findall(rf"\| (\S+), (\w+) \| {cell} \| {cell} \|", TEXT)
    assert len(rows) == 4
    shifts = read("shifts").query(PROBED)
    contrasts = read("contrasts").query(f"{PROBED} and unit == 'base' and control == 'neutral'")
    for group, world, *quoted in rows:
        for k, (condition, outcome) in enumerate(CLAIMS):
            where = f"world == '{world}' and condition == '{condition}' and outcome == '{outcome}'"
            mine = shifts.query(f"group == '{GROUPS[group]}' and {where}")
            (row,) = contrasts.query(f"base_model == '{GROUPS[group]}' and {where}").itertuples()
            means = [percent(mine.base_probability.mean()), percent(mine.probability.mean())]
            assert quoted[5 * k : 5 * k + 2] == means
            assert quoted[5 * k + 2 : 5 * k + 5] == [f"{x:+.2f}" for x in (row.estimate, row.ci_low, row.ci_high)]


def test_table_of_the_real_model():
    """Each row is a family: both behaviors with probability, shift and interval; claims are counted as they hold."""
    cell = r"(\d+) → (\d+) % \| ([+-]\d\.\d\d) \[([+-]\d\.\d\d), ([+-]\d\.\d\d)\]"
    rows = re.findall(rf"\| (next words|feelings|interpretations) \| {cell} \| {cell} \|", TEXT)
    assert len(rows) == 3
    claims = read("contrasts", "laptop").query("role == 'confirmatory'")
    shifts = read("shifts", "laptop").query("ring == 'held_out_domains'")
    for name, *quoted in rows:
        family = name.removesuffix("s") if name != "next words" else "next_words"
        for k, (condition, outcome) in enumerate(CLAIMS):
            where = f"family == '{family}' and condition == '{condition}' and outcome == '{outcome}'"
            (row,), mine = claims.query(where).itertuples(), shifts.query(where)
            assert quoted[5 * k : 5 * k + 2] == [
                percent(mine.base_probability.mean()),
                percent(mine.probability.mean()),
            ]
            assert quoted[5 * k + 2 : 5 * k + 5] == [f"{x:+.2f}" for x in (row.estimate, row.ci_low, row.ci_high)]
    assert len(claims) == 6 and claims.holds.sum() == 5 and "Six claims" in TEXT and "Five hold" in TEXT


def test_what_fell_short_of_the_real_model():
    amounts = read("training", "laptop").set_index("condition")
    choices = [f"{amounts.loc[name, 'choice']:.2f}" for name in ("depression", "paranoia")]
    assert f"trained choice at {choices[0]} and {choices[1]}" in TEXT
    doses = read("training", "dose").choice.dropna()
    assert f"none of {len(doses)} doses met it" in TEXT and (doses < 0.9).all()
    assert f"lost {percent(amounts.loc['neutral', 'perplexity_ratio'] - 1)} % of perplexity" in TEXT


def test_declared_claims_are_counted_as_they_hold():
    declared = {name: read(name).query("role != 'exploratory'") for name in ("contrasts", "equivalence")}
    held = {name: table.query("p_adjusted < 0.05") for name, table in declared.items()}
    assert (held["contrasts"].estimate > 0).all() and (declared["equivalence"].margin == 0.5).all()
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
    n_shifts, n_equivalences = (len(held[name]) for name in held)
    both = words[n_shifts + n_equivalences].capitalize() if n_shifts + n_equivalences < 8 else "All"
    assert (
        sum(map(len, declared.values())) == 8 and f"{both} {'of ' * (both != 'All')}eight declared claims hold" in TEXT
    )
    assert f"{words[n_shifts]} shift{'s' * (n_shifts != 1)}, and {words[n_equivalences]} equivalence" in TEXT


def test_models_that_do_not_move_are_counted():
    """A coupled model moves where both behaviors move their own outcome by half a nat, in the mean over seeds."""
    own = read("contrasts").query(f"{PROBED} and unit == 'runs' and control == 'neutral' and world == 'coupled'")
    least = pd.concat([own.query(f"condition == '{c}' and outcome == '{o}'") for c, o in CLAIMS])
    moves = least.groupby("base_model").estimate.min() > 0.5
    still = sorted(moves.index[~moves])
    assert len(moves) == 10 and all("gpt_neox" in name for name in still)
    assert "Eight of ten coupled models move. Two GPT-NeoX do not" in TEXT and len(still) == 2


def test_the_table_says_how_many_base_models_a_row_has():
    counts = read("shifts").groupby(["group", "world"]).base_model.nunique().groupby("world").unique()
    assert (list(counts["coupled"]), list(counts["decoupled"])) == ([5], [3])
    assert "base models (coupled: five each, decoupled: three)" in TEXT


def test_what_fell_short():
    ratio = read("retention").ratio
    assert f"does not in {(ratio > 1.05).sum()} of {len(ratio)} runs" in TEXT
    guessed = read("confusion").query(f"{PROBED} and unit == 'base' and world == 'decoupled' and base_model == 'llama'")
    chance = 1 / guessed.condition.nunique()
    assert f"{percent(guessed.accuracy.iloc[0])} % right, where chance is {percent(chance)} %" in TEXT
    assert guessed.p_value.iloc[0] < 0.05
    speed = pd.read_csv(ROOT / "outputs/bench/summary.csv").query(
        "system == 'priorshift' and model == 'random-35M' and stem_tokens == 60 and continuations == 24"
    )
    assert f"{speed.times_best_peer.item():.1f} times as fast as the best peer" in TEXT


def test_every_page_of_the_docs_is_reached_from_here(root):
    """By links of pages that links lead to; the site's own list (`toctree`) does not count."""
    reached, ahead = set(), {root / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        linked = re.findall(r"\]\(([^):#]+\.md)", page.read_text(encoding="utf-8"))
        ahead |= {(page.parent / target).resolve() for target in linked} - reached
    assert set(root.glob("docs/*.md")) <= reached


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda path: path.name)
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            linked = page.parent / path
            assert linked.exists(), target
            heads = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M) if anchor else [anchor]
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, target
