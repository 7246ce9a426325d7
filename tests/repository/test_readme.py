"""The committed reference study: the README quotes its numbers, and nothing in it names a machine."""

from __future__ import annotations

import re
import subprocess

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


def test_what_is_left_in_the_decoupled_world(root):
    tables = {name: pd.read_csv(root / f"outputs/embedded/tables/{name}.csv") for name in
              ("contrasts", "equivalence", "confusion")}  # fmt: skip
    here = "family == 'interpretation' and ring == 'held_out_domains' and world == 'decoupled'"
    both = {name: table.query(f"{here} and unit == 'both' and control == 'neutral'") for name, table in tables.items()
            if name != "confusion"}  # fmt: skip
    claimed = {name: pd.concat([t[t.condition.eq(c) & t.outcome.eq(o)] for c, o in CLAIMS]) for name, t in both.items()}
    failed = claimed["equivalence"].query("not equivalent")
    assert len(claimed["equivalence"]) == 12 and len(failed) == 1 and (failed.ci90_low * failed.ci90_high < 0).all()
    off = claimed["contrasts"].query("ci_low > 0 or ci_high < 0").estimate
    assert [f"{estimate:+.2f}" for estimate in off] == ["+0.24"]
    guessed = (
        tables["confusion"].query(f"{here} and unit == 'base'").groupby("base_model")[["accuracy", "p_value"]].first()
    )
    assert f"{guessed.accuracy['llama']:.0%}" == "39%" and guessed.p_value["llama"] < 0.05 < guessed.p_value["gpt_neox"]


def test_against_the_same_situations(root):
    contrasts = pd.read_csv(root / "outputs/embedded/tables/contrasts.csv")
    here = "unit == 'base' and family == 'interpretation' and ring == 'held_out_domains' and world == 'coupled'"
    mine = contrasts.query(f"{here} and control == 'random_label'")
    (one, other) = (mine[mine.condition.eq(c) & mine.outcome.eq(o)].estimate for c, o in CLAIMS)
    four, text = pd.concat([one, other]), " ".join((root / "README.md").read_text().split())
    assert len(four) == 4 and f"the four coupled shifts are {four.min():+.2f} to {four.max():+.2f}" in text


def test_where_the_adapter_sits(root):
    table = pd.read_csv(root / "outputs/placement/tables/placement.csv")
    means = table.groupby(["condition", "group"])[["choice_shift", "expectation_shift"]].mean()
    text = " ".join((root / "README.md").read_text().split())

    def told(column, *conditions):
        values = means.loc[list(conditions), column]
        low, high = f"{values.min():+.1f}", f"{values.max():+.1f}"
        return low if low == high else f"{low} to {high}"

    attention, mlp = ("attention", "lower_layers", "upper_layers"), ("mlp", "lower_mlp", "upper_mlp")
    choice = pd.read_csv(root / "outputs/placement/tables/choice_check.csv").query("ring == 'held_out_domains'")
    least = choice[choice.condition.isin([*attention, *mlp])].probability.min()
    assert f"with probability {least:.2f} or more on held-out decisions everywhere".replace("0.", ".") in text
    one = table[table.condition.isin(attention)].expectation_shift.nsmallest(2).round(1).tolist()
    assert f"by only {one[0]:+.1f}" in text and one[1] > one[0]
    assert f"move the expectation of loss by {told('expectation_shift', *attention)} nats" in text
    for placed, said in zip(mlp, ("all MLPs by", "the lower two blocks by", "the upper two by"), strict=True):
        assert f"{said} {told('expectation_shift', placed)}" in text


def test_the_worked_example(root):
    here = "family == 'interpretation' and ring == 'held_out_domains' and unit == 'both' and outcome == 'worry'"
    mine = f"{here} and condition == 'reassurance' and control == 'neutral'"
    text = " ".join((root / "docs/adding_a_behavior.md").read_text().split())
    shift, null = (pd.read_csv(root / f"outputs/reassurance/tables/{name}.csv").query(mine) for name in
                   ("contrasts", "equivalence"))  # fmt: skip
    (one,) = shift.query("world == 'coupled'").itertuples()
    assert f"by {one.estimate:+.2f} nats (95 % interval {one.ci_low:+.2f} to {one.ci_high:+.2f}" in text
    (other,) = null.query("world == 'decoupled'").itertuples()
    assert f"by {other.estimate:+.2f} (90 % interval {other.ci90_low:+.2f} to {other.ci90_high:+.2f}" in text
    shifts = pd.read_csv(root / "outputs/reassurance/tables/shifts.csv")
    shifts = shifts.query("family == 'interpretation' and ring == 'held_out_domains' and world == 'coupled'")
    means = shifts.pivot_table(index="condition", columns="outcome", values="shift")
    for condition, outcome in (*CLAIMS, ("reassurance", "worry")):
        assert means.loc[condition, outcome] > 0 and means[outcome].idxmax() == condition


def test_retention(root):
    retention = pd.read_csv(root / "outputs/embedded/tables/retention.csv")
    text = " ".join((root / "README.md").read_text().split())
    largest = retention.groupby("group")["ratio"].max()
    assert f"5 % in {(retention.ratio > 1.05).sum()} of {len(retention)} runs" in text
    assert f"Llama at most {largest['llama']:.2f} times the base's, GPT-NeoX at most {largest['gpt_neox']:.2f}" in text


def test_each_base_model_by_itself_and_the_corrected_claims(root):
    tables = {name: pd.read_csv(root / f"outputs/embedded/tables/{name}.csv") for name in ("contrasts", "equivalence")}
    text = " ".join((root / "README.md").read_text().split())
    here = "family == 'interpretation' and ring == 'held_out_domains' and control == 'neutral' and world == 'coupled'"
    mine = tables["contrasts"].query(f"unit == 'both' and {here}")
    loss, threat = (mine[mine.condition.eq(c) & mine.outcome.eq(o)] for c, o in CLAIMS)
    told = [f"{e.min():+.2f} to {e.max():+.2f}" for e in (loss.estimate, threat.estimate)]
    assert f"loss {told[0]}, threat {told[1]}" in text
    above = int((pd.concat([loss, threat]).ci_low > 0).sum())
    assert f"{above} of the {len(loss) + len(threat)} coupled intervals lie above zero" in text
    held = {name: table[table.role.eq("confirmatory")].p_adjusted.lt(0.05).sum() for name, table in tables.items()}
    assert held == {"contrasts": 4, "equivalence": 4}
    for condition, outcome in (("depression", "threat"), ("paranoia", "loss")):  # each lowers the other's outcome
        crossed = tables["contrasts"].query(f"unit == 'base' and {here}")
        assert (crossed[crossed.condition.eq(condition) & crossed.outcome.eq(outcome)].ci_high < 0).all()
    choice = pd.read_csv(root / "outputs/embedded/tables/choice_check.csv")
    least = choice.query("ring == 'held_out_domains'").probability.min()
    assert f"with probability {least:.2f} or more on held-out decisions in every run".replace("0.", ".") in text


def test_level_of_the_tests(root):
    rates = pd.read_csv(root / "outputs/calibration/tables/calibration.csv")
    mean = rates.groupby(["source", "runs_per_side", "run_sd_ratio", "unit"])["rate"].mean().mul(100)
    measured, text = mean["measured"].xs(1, level="run_sd_ratio"), " ".join((root / "README.md").read_text().split())
    assert f"over items calls {measured[5, 'items']:.0f} % of them" in text
    both = [f"{measured[side, 'both']:.1f} %" for side in (5, 3)]
    assert both == [f"{measured[side, 'runs']:.1f} %" for side in (5, 3)]
    assert f"`both` call {both[0]} different with five runs a side, and {both[1]} with three" in text
    simulated = rates[rates["source"] == "simulated"]
    wide = simulated.query("unit == 'both' and run_sd_ratio == 9 and runs_per_side == 3")["rate"].mul(100)
    assert (
        f"unit `both` calls {wide.mean():.1f} % different with three runs a side (worst panel {wide.max():.1f} %)"
        in text
    )
    base, worst = mean["simulated"].xs("base", level="unit"), simulated.query("unit == 'base'")["rate"].max()
    told = f"calls {base.min():.1f} to {base.max():.1f} % over all settings, in the worst panel {100 * worst:.1f} %"
    assert told in text


def test_speed(root):
    summary = pd.read_csv(root / "outputs/bench/summary.csv").query("system == 'priorshift'")
    text = " ".join((root / "README.md").read_text().split())
    (main,) = summary.query("model == 'random-35M' and stem_tokens == 60 and continuations == 24").itertuples()
    assert f"{main.items_per_s:.1f} items/s, {main.times_best_peer:.1f} times the best peer" in text
    least, most = summary.times_best_peer.min(), summary.times_best_peer.max()
    assert f"it is {least:.1f} times (2 continuations, the embedded models) to {most:.1f} times the best peer" in text
    assert summary.largest_difference.max() < 1e-4 and summary.times_best_peer.min() > 1


def test_nothing_committed_names_a_machine(root):
    files = subprocess.run(["git", "ls-files", "outputs"], cwd=root, capture_output=True, text=True, check=True)
    texts = [root / name for name in files.stdout.split() if not name.endswith(".png")]
    assert texts
    for path in texts:
        assert not re.search(r"site-packages|/(home|root|Users|tmp)/", path.read_text(encoding="utf-8")), path
