"""What the analysis notebooks call: each step gives the tables that it names, from the runs' own measurements."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.analysis_step import write_all
from support.synthetic_items import settings
from support.synthetic_items import study as make_items
from support.tiny_study import BASE, changed

from priorshift.errors import UserError
from priorshift.pipeline.analyse import (
    Items,
    compare_exclusion,
    exclude_items,
    read_items,
    tabulate_claims,
    tabulate_design,
    tabulate_distributions,
    tabulate_hard_cases,
    tabulate_level,
    tabulate_placement,
    tabulate_power,
    tabulate_robustness,
    tabulate_runs,
    write_tables,
)
from priorshift.tables.exclusion import leave_out

# What stands for another machine on this one: kernels of another processor add up in another order (matrix products
# and eigenvalues differ in their last digits), and so do two threads.
OTHER = {
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
}
CLOSE = 1e-4


@pytest.fixture(scope="module")
def items(done):
    return read_items(done, done.select("all", "all", "all"))


def test_without_criteria_every_item_is_kept(items):
    assert len(items.runs) == 4 and items.excluded.empty
    pd.testing.assert_frame_equal(items.kept, items.measured)


def test_an_estimate_is_the_difference_of_the_measured_means(done, items):
    tables = tabulate_claims(done, items)
    assert set(tables) == {
        "contrasts", "equivalence", "equivalence_curve", "world_difference", "specificity", "confusion",
        "not_estimable", "registration",
    }  # fmt: skip
    keys = ["family", "outcome", "ring"]
    for row in tables["contrasts"].query("unit == 'runs'").to_dict("records"):
        own = items.measured
        for key in keys:
            own = own[own[key] == row[key]]
        means = own.groupby(["condition", "seed"])["shift"].mean().groupby("condition").mean()
        assert row["estimate"] == pytest.approx(means["depression"] - means["neutral"])
    # One base checkpoint: what generalizes over checkpoints is refused, with the reason.
    assert "single base checkpoint" in " ".join(tables["not_estimable"]["reason"])


def test_each_step_gives_the_tables_that_it_names(done, items):
    claims, runs = tabulate_claims(done, items), tabulate_runs(done, items)
    assert set(tabulate_robustness(done, items)) == {"bootstrap", "influence", "specifications"}
    assert set(tabulate_power(done, items, claims)) == {"power", "power_base"}
    assert set(runs) == {"choice_check", "retention", "last_losses", "shifts"}
    assert len(runs["last_losses"]) == 4
    assert set(tabulate_design(done, items, runs)) == {"training"}  # no dose, no stages, no scales, no completions
    assert len(tabulate_placement(done, items)["placement"])


def test_distributions_are_compared_with_the_reference_run(done, items):
    tables = tabulate_distributions(done, items)
    assert set(tables) == {"jsd", "jsd_tokens", "jsd_tests"}
    against = tables["jsd"].query("measure == 'jsd_reference'")
    # The reference itself, a neutral run, is compared with no one.
    assert against.groupby("condition")["n_runs"].unique().map(list).to_dict() == {"depression": [2], "neutral": [1]}


def test_excluded_items_are_named_and_left_out_of_what_follows(done, items):
    probes = "family != 'choice'"  # choices stay
    half = float(items.measured.query(probes)["base_covered_mass"].median())
    strict = changed(done, exclusion={"covered_mass": half})
    found = read_items(strict, items.runs)
    assert found.kept.query(probes)["base_covered_mass"].min() >= half
    assert len(found.measured) == len(items.measured) > len(found.kept) > 0
    tables = tabulate_design(strict, found, tabulate_runs(strict, found))
    assert set(tables) >= {"excluded"} and set(tables["excluded"]["item"]) == set(found.excluded["item"])


def test_criteria_that_leave_nothing_are_refused(done, items):
    with pytest.raises(UserError, match=r"exclusion: .*loosen them") as caught:
        strict = changed(done, exclusion={"covered_mass": 1.0})
        exclude_items(strict, items.runs, items.measured.query("family != 'choice'"))
    assert "\n" not in str(caught.value)


def test_a_declared_probe_of_which_nothing_is_left_has_no_comparison():
    measured = make_items(models=[("m", "m", "")], families=("interpretation", "feeling"))
    gone = measured.query("family == 'interpretation'")[["base_model", "item"]].drop_duplicates()
    measured["item"] = measured["family"] + "/" + measured["item"]
    gone["item"] = "interpretation/" + gone["item"]
    kept = leave_out(measured, gone)
    assert len(kept) == len(measured) / 2
    assert compare_exclusion(settings(), Items([], measured, gone, kept)).empty
    one = gone[:1]
    table = compare_exclusion(settings(), Items([], measured, one, leave_out(measured, one)))
    assert table["n_items_kept"].max() == 7 and table["n_items_all"].max() == 8
    assert set(table.query("declared")["condition"]) == {"depression", "paranoia"}


def test_the_level_is_counted_for_each_number_of_runs(done):
    measured = make_items(seeds=6, models=[(BASE, "llama", "coupled")], conditions=("neutral",))
    items = Items([], measured, pd.DataFrame(), measured)
    tables, p_values = tabulate_level(done, items, "neutral", [2, 3], comparisons=4, ratios=[1.0])
    assert set(tables) == {"calibration"} and set(p_values["runs_per_side"]) == {2, 3}
    assert tables["calibration"]["comparisons"].sum() == len(p_values)
    with pytest.raises(UserError, match="runs_per_side: found 4"):
        tabulate_level(done, items, "neutral", [4], comparisons=4, ratios=[1.0])


def test_every_table_is_written_under_its_name(study):
    tables = {"one": pd.DataFrame({"x": [1.23456789, 2]}), "none": pd.DataFrame(columns=["x"])}
    shown = write_tables(study, tables)
    assert shown.to_dict("list") == {"file": ["one.csv", "none.csv"], "rows": [2, 0]}
    assert (study.paths.tables / "one.csv").read_text() == "x\n1.23457\n2\n"
    assert (study.paths.tables / "none.csv").read_text() == "x\n"


def test_hard_cases_are_counted_at_the_studys_alpha(done):
    table = tabulate_hard_cases(done, 2)["hard_cases"]
    assert set(table.alpha) == {done.params.inference.alpha} and set(table.comparisons) == {2}


def read_all(folder):
    return {path.relative_to(folder): pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 kernels and instructions")
def test_every_number_of_every_table_is_the_same(root, done, tmp_path):
    study = str(done.folder / done.file), str(done.paths.root.parent)
    write_all(*study, tmp_path / "here")
    place = {"PYTHONPATH": os.pathsep.join([str(root / "tests"), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(root / "tests/support/analysis_step.py"), *study, str(tmp_path / "there")]
    made = subprocess.run(command, capture_output=True, text=True, env=os.environ | place | OTHER)
    assert made.returncode == 0, made.stderr[-2000:]
    here, there = read_all(tmp_path / "here"), read_all(tmp_path / "there")
    assert set(there) == set(here) and len(here) > 25
    compared = 0
    for name, table in here.items():
        other = there[name]
        assert list(other) == list(table) and len(other) == len(table), name
        numeric = table.select_dtypes("number").columns
        pd.testing.assert_frame_equal(other.drop(columns=numeric), table.drop(columns=numeric), obj=str(name))
        for column in numeric:
            one, two = (frame[column].to_numpy(float) for frame in (table, other))
            np.testing.assert_allclose(two, one, rtol=CLOSE, atol=0, err_msg=f"{name}: {column}")
            compared += len(one)
    assert compared > 5000
