"""Tables of claims: columns, roles, equivalence, worlds, refusals, determinism."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind, ttost_paired
from support.synthetic_items import base_models, claim, panel, row, settings, study

from priorshift.stats.claims import CONTRASTS, EQUIVALENCE, NOT_ESTIMABLE, WORLDS, estimate_claims
from priorshift.stats.declared import KEY
from priorshift.stats.equivalence import EQUIVALENCE_CURVE

ITEMS = study()
SETTINGS = settings()
MADE = estimate_claims(ITEMS, SETTINGS)
CONTRAST_TABLE, NULL_TABLE, WORLD_TABLE = MADE["contrasts"], MADE["equivalence"], MADE["world_difference"]
LOSS = {"condition": "depression", "control": "neutral", "outcome": "loss"}


# fmt: off
DESIGN = [
    "base_model", "world", "condition", "control", "family", "outcome", "ring", "unit", "test", "n_runs", "n_items",
    "domains", "sd_domain", "estimate", "ci_low", "ci_high", "effect_size", "effect_size_name", "statistic", "df",
    "p_value", "p_adjusted", "role", "effect_low", "effect_high", "caution", "direction", "holds",
    "sd_sets", "sets_low", "sets_high", "sets_p_value",
]
# fmt: on
OF_BASE = ["sd_sets", "sets_low", "sets_high", "sets_p_value"]  # empty at other units


def test_each_table_has_the_columns_of_the_design():
    assert DESIGN == CONTRASTS
    named = {
        "contrasts": CONTRASTS, "equivalence": EQUIVALENCE, "equivalence_curve": EQUIVALENCE_CURVE,
        "world_difference": WORLDS, "not_estimable": NOT_ESTIMABLE,
    }  # fmt: skip
    assert {name: list(table.columns) for name, table in MADE.items()} == named


def test_every_contrast_at_every_unit():
    counts = CONTRAST_TABLE["unit"].value_counts().to_dict()
    each = 2 * 2 * 3  # treatments x controls x outcomes
    more = each + 3  # and the other control minus the first
    assert counts == {"items": 7 * each, "runs": 7 * each, "both": 7 * more, "base": 2 * more}
    assert not CONTRAST_TABLE.duplicated(KEY).any()
    assert MADE["not_estimable"].empty
    others = CONTRAST_TABLE[~CONTRAST_TABLE["condition"].isin(SETTINGS.treatments)]
    assert set(zip(others["condition"], others["control"], strict=True)) == {("random_label", "neutral")}


def test_no_cell_is_empty_or_infinite():
    whole = CONTRAST_TABLE.drop(columns=["holds", *OF_BASE])
    assert np.isfinite(whole.select_dtypes("number").to_numpy()).all() and not whole.isna().any().any()
    assert (CONTRAST_TABLE[OF_BASE].isna().all(axis=1) == (CONTRAST_TABLE["unit"] != "base")).all()
    assert (CONTRAST_TABLE.holds.isna() == (CONTRAST_TABLE.role == "exploratory")).all()


def test_runs_equal_scipy():
    a, b = (panel(ITEMS, "hub/model", name, "loss").mean(axis=1) for name in ("depression", "neutral"))
    made = row(CONTRAST_TABLE, base_model="hub/model", unit="runs", **LOSS)
    expected = stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval()
    assert made.p_value == pytest.approx(expected.pvalue, abs=1e-8)
    assert (made.ci_low, made.ci_high) == pytest.approx((interval.low, interval.high), abs=1e-8)


def test_base_is_a_t_over_three_checkpoint_differences():
    values = [
        panel(ITEMS, f"llama-coupled-{i}", "depression", "loss").mean()
        - panel(ITEMS, f"llama-coupled-{i}", "neutral", "loss").mean()
        for i in range(3)
    ]
    made = row(CONTRAST_TABLE, base_model="llama", world="coupled", unit="base", **LOSS)
    assert made.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-8)
    assert (made.df, made.n_runs, made.n_items) == (2, 18, 8)


def test_declared_is_both_for_hub_models_and_base_for_embedded_ones():
    declared = CONTRAST_TABLE[CONTRAST_TABLE.role == "declared"]
    assert set(zip(declared.world, declared.unit, strict=True)) == {
        ("", "both"), ("coupled", "base"), ("decoupled", "base"),
    }  # fmt: skip
    assert len(declared) == 3 * len(SETTINGS.claims)
    assert set(zip(declared.condition, declared.outcome, strict=True)) == {
        ("depression", "loss"),
        ("paranoia", "threat"),
    }


def test_holm_over_the_declared_claims_and_bh_within_world_and_unit():
    declared = CONTRAST_TABLE[CONTRAST_TABLE.role == "declared"]
    holm = multipletests(declared.p_value, method="holm")[1]
    assert declared.p_adjusted.to_numpy() == pytest.approx(holm, abs=1e-8)
    exploratory = CONTRAST_TABLE[CONTRAST_TABLE.role == "exploratory"]
    assert exploratory.groupby(["world", "unit"]).ngroups == 4 + 4 + 3  # of the hub model no unit `base`
    for _, rest in exploratory.groupby(["world", "unit"]):
        assert rest.p_adjusted.to_numpy() == pytest.approx(multipletests(rest.p_value, method="fdr_bh")[1], abs=1e-8)


def test_claims_are_declared_as_the_kind_and_in_the_worlds_they_were_declared_for():
    parts = [("depression", "loss"), ("paranoia", "threat")]
    kinds = [("shift", ["coupled"]), ("equivalence", ["decoupled"])]
    declared = [claim(*part, claim=kind, worlds=worlds) for part in parts for kind, worlds in kinds]
    made = estimate_claims(ITEMS, settings(claims=declared))
    found = {name: made[name].query("role == 'declared'") for name in ("contrasts", "equivalence")}
    for name, world in (("contrasts", "coupled"), ("equivalence", "decoupled")):
        assert set(found[name].world) == {world} and set(found[name].unit) == {"base"} and len(found[name]) == 2
    both = pd.concat(found.values())
    assert both.p_adjusted.to_numpy() == pytest.approx(multipletests(both.p_value, method="holm")[1], abs=1e-8)
    assert set(made["world_difference"].role) == {"exploratory"}


def test_a_claim_for_a_world_that_was_not_run_is_refused_and_counts():
    declared = [claim("depression", "loss", worlds=["coupled"]), claim("depression", "loss", claim="equivalence")]
    items = ITEMS[ITEMS.world != "coupled"]
    made = estimate_claims(items, settings(claims=declared))
    lost = made["not_estimable"].query("role == 'declared'")
    assert lost[["table", "world", "unit", "reason"]].to_numpy().tolist() == [
        ["contrasts", "coupled", "base", "no base model of this world"]
    ]
    nulls = made["equivalence"].query("role == 'declared'")
    assert len(nulls) == 2  # the hub model and the decoupled world
    assert nulls.p_adjusted.min() == pytest.approx(3 * nulls.p_value.min())


@pytest.mark.parametrize(("direction", "holds"), [(None, True), ("increase", True), ("decrease", False)])
def test_a_shift_against_its_declared_direction_does_not_hold(direction, holds):
    """The truth is +1.9 nats: p is below alpha either way, and the same, since the test stays two-sided."""
    declared = settings(claims=[claim("depression", "loss", direction=direction, worlds=["coupled"])])
    table = estimate_claims(ITEMS, declared)["contrasts"]
    (tested,) = table[table.role == "declared"].itertuples()
    assert tested.estimate > 1 and tested.p_adjusted == tested.p_value < 0.05
    assert tested.holds == holds and tested.direction == (direction or "")
    same = row(CONTRAST_TABLE, **LOSS, base_model="llama", world="coupled", unit="base")
    assert tested.p_value == same.p_value
    # The direction is told at every unit of that world: three checkpoints at three units, and `base`.
    assert table.direction.ne("").sum() == (3 * 3 + 1 if direction else 0)


def test_a_shift_that_is_not_sure_does_not_hold_whatever_its_side():
    declared = settings(claims=[claim("depression", "loss", direction="increase", worlds=["decoupled"])])
    table = estimate_claims(ITEMS, declared)["contrasts"]
    (tested,) = table[table.role == "declared"].itertuples()
    assert tested.p_value > 0.05 and not tested.holds


def test_effect_sizes_lie_in_their_intervals():
    assert (
        (CONTRAST_TABLE.effect_low < CONTRAST_TABLE.effect_size)
        & (CONTRAST_TABLE.effect_size < CONTRAST_TABLE.effect_high)
    ).mean() > 0.99
    # The interval of the effect leaves 0 out where that of the estimate does (same t at items and base).
    same = CONTRAST_TABLE[CONTRAST_TABLE.unit.isin(["items", "base"])]
    assert ((same.effect_low > 0) == (same.ci_low > 0)).all()


def test_equivalence_equals_statsmodels():
    table = NULL_TABLE
    a, b = (panel(ITEMS, "llama-decoupled-1", name, "loss") for name in ("depression", "neutral"))
    at = {"base_model": "llama-decoupled-1", **LOSS}
    p, lower, upper = ttost_ind(a.mean(axis=1), b.mean(axis=1), -0.5, 0.5, usevar="unequal")
    runs = row(table, unit="runs", **at)
    assert (runs.p_value, runs.p_lower, runs.p_upper) == pytest.approx((p, lower[1], upper[1]), abs=1e-8)
    p, lower, upper = ttost_paired(a.mean(axis=0), b.mean(axis=0), -0.5, 0.5)
    items = row(table, unit="items", **at)
    assert (items.p_value, items.p_lower, items.p_upper) == pytest.approx((p, lower[1], upper[1]), abs=1e-8)


def test_equivalent_means_that_the_90_percent_interval_lies_within_the_margin():
    table = NULL_TABLE
    inside = (table.ci90_low > -0.5) & (table.ci90_high < 0.5)
    assert (table.equivalent == inside).all()
    assert inside.any() and not inside.all()
    assert set(KEY) <= set(table.columns) and (table.margin == 0.5).all()


def test_decoupled_is_equivalent_to_nothing_and_coupled_is_not():
    table = NULL_TABLE
    pairs = [(c.condition, c.control, c.outcome) for c in SETTINGS.claims]
    keys = pd.MultiIndex.from_frame(table[["condition", "control", "outcome"]])
    base = table[keys.isin(pairs) & (table.unit == "base")]
    assert base.groupby("world").equivalent.all().to_dict() == {"coupled": False, "decoupled": True}


def test_world_difference_is_welch_over_checkpoints():
    values = {
        world: [
            panel(ITEMS, f"llama-{world}-{i}", "depression", "loss").mean()
            - panel(ITEMS, f"llama-{world}-{i}", "neutral", "loss").mean()
            for i in range(3)
        ]
        for world in ("coupled", "decoupled")
    }
    expected = stats.ttest_ind(values["coupled"], values["decoupled"], equal_var=False)
    table = WORLD_TABLE
    made = row(table, base_model="llama", **LOSS)
    assert made.p_value == pytest.approx(expected.pvalue, abs=1e-8)
    assert (made.ci_low, made.ci_high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-8)
    assert made.estimate == pytest.approx(made.coupled - made.decoupled)
    assert (made.n_coupled, made.n_decoupled, made.role) == (3, 3, "exploratory")
    assert set(table.base_model) == {"llama"} and np.isfinite(table.select_dtypes("number")).all().all()


def test_checkpoints_and_worlds_are_compared_on_the_items_that_all_have():
    """Other exclusions in each checkpoint: as if only the items in common had been asked; none in common is refused."""
    lost = {
        "llama-coupled-0": ["item-000", "item-001"],
        "llama-coupled-2": ["item-002"],
        "llama-decoupled-1": ["item-007"],
    }
    out = [(model, item) for model, items in lost.items() for item in items]
    items = ITEMS[(ITEMS["world"] != "") & ITEMS["condition"].isin(["depression", "neutral"])]
    few = settings(treatments=["depression"], controls=["neutral"], claims=[claim("depression", "loss")])
    made = estimate_claims(items[~pd.MultiIndex.from_frame(items[["base_model", "item"]]).isin(out)], few)
    for world, table, lacking in (
        ("coupled", "contrasts", [0, 1, 2]), ("decoupled", "contrasts", [7]), ("", "world_difference", [0, 1, 2, 7]),
    ):  # fmt: skip
        common = items[~items["item"].isin([f"item-{k:03d}" for k in lacking])]
        at = {"base_model": "llama", "unit": "base", **LOSS, **({"world": world} if world else {})}
        found, expected = row(made[table], **at), row(estimate_claims(common, few)[table], **at)
        assert found.n_items == 8 - len(lacking)
        assert (found.estimate, found.p_value) == (expected.estimate, expected.p_value)
    halves = items["base_model"].eq("llama-coupled-0") == items["item"].lt("item-004")
    refused = estimate_claims(items[halves | items["world"].ne("coupled")], few)["not_estimable"]
    assert set(refused.unit) == {"base"} and set(refused.table) == {"contrasts", "world_difference"}
    [reason] = set(refused.reason)
    assert "no item" in reason and "every base checkpoint" in reason


def test_a_single_checkpoint_is_refused_with_the_reason():
    items = study(models=base_models(checkpoints=1, hub=False))
    made = estimate_claims(items, SETTINGS)
    table, refused = made["contrasts"], made["not_estimable"]
    assert set(table.unit) == {"items", "runs", "both"}
    base = refused[(refused.table == "contrasts") & (refused.unit == "base")]
    assert len(base) == 2 * 15 and base.reason.str.contains("single base checkpoint").all()
    assert (base.role == "declared").sum() == 4
    assert made["world_difference"].empty and list(made["world_difference"].columns) == WORLDS
    assert "world_difference" in set(refused.table)


def test_one_seed_leaves_items_and_base():
    table = estimate_claims(study(seeds=1), SETTINGS)["contrasts"]
    assert set(table.unit) == {"items", "base"}
    assert np.isfinite(table.drop(columns=OF_BASE).select_dtypes("number").to_numpy()).all()


def test_a_lost_run_and_an_excluded_item_give_defined_answers():
    lost = (ITEMS.base_model == "hub/model") & (ITEMS.condition == "depression") & (ITEMS.seed == 2)
    cell = (
        (ITEMS.base_model == "hub/model")
        & (ITEMS.condition == "neutral")
        & (ITEMS.seed == 0)
        & (ITEMS["item"] == "item-003")
    )
    table = estimate_claims(ITEMS[~lost & ~cell], SETTINGS)["contrasts"]
    made = row(table, base_model="hub/model", unit="both", **LOSS)
    assert made.n_runs == 5 and made.n_items == 8 and "REML" in made.test
    assert len(table) == len(CONTRAST_TABLE)
    assert np.isfinite(table.drop(columns=OF_BASE).select_dtypes("number").to_numpy()).all()


def test_two_runs_against_more_carry_a_caution():
    lost = (ITEMS.base_model == "hub/model") & (ITEMS.condition == "depression") & (ITEMS.seed == 2)
    made = estimate_claims(ITEMS[~lost], SETTINGS)
    for name in ("contrasts", "equivalence"):
        mine = (made[name].base_model == "hub/model") & (made[name].condition == "depression")
        warned = made[name].caution != ""
        assert (warned == (mine & made[name].unit.isin(["runs", "both"]))).all() and warned.any()
    alone = ITEMS[ITEMS.base_model != "llama-coupled-2"]
    assert set(estimate_claims(alone, SETTINGS)["world_difference"].caution.str.partition(":")[0]) == {"two against 3"}
    assert set(WORLD_TABLE.caution) == {""}


def test_a_condition_that_was_not_run_is_refused_and_still_counts_for_holm():
    items = ITEMS[(ITEMS.base_model != "hub/model") | (ITEMS.condition != "paranoia")]
    made = estimate_claims(items, SETTINGS)
    table, refused = made["contrasts"], made["not_estimable"]
    assert "no runs of the treatment" in set(refused.reason)
    assert (refused[refused.role == "declared"].base_model == "hub/model").sum() == 1
    declared = table[table.role == "declared"]
    assert len(declared) == 5
    smallest = declared.loc[declared.p_value.idxmin()]
    assert smallest.p_adjusted == pytest.approx(6 * smallest.p_value)


def test_a_declared_claim_that_was_never_measured_is_refused():
    declared = settings(claims=[claim("depression", "loss"), claim("depression", "loss", family="feeling")])
    refused = estimate_claims(ITEMS, declared)["not_estimable"]
    unmeasured = refused[refused.reason == "no item of this family, ring and outcome was measured and kept"]
    assert list(zip(unmeasured.base_model, unmeasured.unit, strict=True)) == [
        ("hub/model", "both"),
        ("llama", "base"),
        ("llama", "base"),
    ]
    assert set(unmeasured.role) == {"declared"}


def test_a_base_model_of_which_no_item_is_left_still_counts_for_holm():
    """Its declared claims count as p = 1, as any that cannot be tested."""
    models = [("one", "one", ""), ("two", "two", "")]
    items = study(models=models)
    whole = estimate_claims(items, SETTINGS)
    kept = estimate_claims(items[items.base_model == "one"], SETTINGS, items)
    lost = kept["not_estimable"].query("role == 'declared'")
    assert set(lost.base_model) == {"two"} and set(lost.unit) == {"both"} and len(lost) == 2
    mine = {"base_model": "one", "unit": "both", **LOSS}
    found = row(kept["contrasts"], **mine)
    # Four claims were declared; of the two that are left this is the lesser p, or the greater.
    assert found.p_value == row(whole["contrasts"], **mine).p_value
    assert found.p_adjusted in (pytest.approx(min(1, 4 * found.p_value)), pytest.approx(min(1, 3 * found.p_value)))


def test_constant_shifts_leave_no_claim_and_no_nan():
    items = ITEMS.assign(shift=0.25)
    made = estimate_claims(items, SETTINGS)
    refused = made.pop("not_estimable")
    assert all(table.empty for table in made.values())
    assert (refused.table == "contrasts").sum() == len(CONTRAST_TABLE)
    assert refused.reason.str.contains("no variance").all()


def test_the_input_is_left_as_it_was():
    before = ITEMS.copy()
    estimate_claims(ITEMS, SETTINGS)
    pd.testing.assert_frame_equal(ITEMS, before)


def test_a_missing_world_is_a_hub_model():
    blank = ITEMS.assign(world=ITEMS["world"].where(ITEMS["world"] != "", None))
    pd.testing.assert_frame_equal(estimate_claims(blank, SETTINGS)["contrasts"], CONTRAST_TABLE)


def test_a_study_whose_conditions_give_no_contrast_has_empty_tables():
    alone = ITEMS[ITEMS.condition == "neutral"]
    nothing = settings(treatments=["neutral"], controls=["neutral"], claims=[])
    made = estimate_claims(alone, nothing)
    assert all(table.empty for table in made.values()) and list(made["contrasts"].columns) == CONTRASTS


def test_row_order_of_the_input_changes_no_byte():
    shuffled = estimate_claims(ITEMS.sample(frac=1, random_state=1), SETTINGS)
    for name, table in MADE.items():
        assert shuffled[name].to_csv(index=False) == table.to_csv(index=False)
