"""The report's sentences: what is confirmatory, what is not, how many seeds, how far the base models got."""

from __future__ import annotations

import pandas as pd
import pytest
from support.synthetic_items import BEHAVIORS, base_models, claim, row, settings, study

from priorshift.report.claims_text import answer, in_short
from priorshift.report.limits_text import checkpoint_limits, convergence, matched_losses, retention_limits, seeds_needed
from priorshift.stats import contrasts as inference
from priorshift.stats.panels import behind
from priorshift.stats.power import power_table, runs_needed
from priorshift.stats.specificity import specificity
from priorshift.tables.runs import last_losses

SETTINGS = settings()


def tables(items, declared=SETTINGS):
    made = inference.claims(items, declared)
    return (
        made
        | {"specificity": specificity(items, declared, BEHAVIORS)[0]}
        | {"shifts": items[["base_model", "group", "world"]]}
    )


def test_a_study_with_checkpoints_has_confirmatory_sentences_alone():
    made = tables(study())
    text = answer(made, SETTINGS)
    confirmatory, exploratory = text.split("### Exploratory")
    claimed, speaking = confirmatory.split("What these tests speak of:")
    lines = [line for line in claimed.splitlines() if line.startswith("* ")]
    assert len(lines) == 6 and all("confirmatory, p" in line for line in lines)
    assert [line[:12] for line in speaking.splitlines() if line] == ["* Unit both:", "* Unit base:"]
    assert "One family of 6 tests" in confirmatory and "issociation" not in confirmatory
    assert "double dissociation holds for interpretation probes in llama, coupled world (it needs three" in exploratory
    assert "double dissociation is not shown for interpretation probes in llama, decoupled world" in exploratory
    assert "double dissociation holds for interpretation probes in hub/model (it needs three" in exploratory
    inner = row(made["specificity"], base_model="hub/model", effect="interaction")
    assert f"interaction {inner.estimate:+.2f} nats, 95 % interval {inner.ci_low:+.2f} to {inner.ci_high:+.2f};" in text
    assert "unit runs: 6 runs x 8 items; exploratory" in exploratory
    between = made["world_difference"].query("condition == 'depression' and control == 'neutral' and outcome == 'loss'")
    (told,) = between.itertuples()
    assert f"the decoupled one's is {told.estimate:+.2f} nats (95 % interval {told.ci_low:+.2f}" in exploratory
    assert "unit base: 3 and 3 base checkpoints x 8 items; exploratory, p" in exploratory


def test_the_report_begins_with_what_became_of_the_claims():
    made = tables(study())
    kept = made["contrasts"].query("role == 'confirmatory' and world == 'coupled'")
    text = in_short(made, SETTINGS)
    n = (kept.p_adjusted < 0.05).sum()
    assert len(kept) == 2 and n and text.startswith("2 declared shifts could be tested")  # those of the hub model
    told = (
        "In the coupled world 2 declared shifts could be tested (depression-like training, loss; paranoia-like training"
    )
    assert f"{told}, threat; against neutral): {n} are shown to differ from 0 ({n} above it, 0 below)" in text
    low, high = kept["ci_low"].min(), kept["ci_high"].max()
    assert f"intervals within {low:+.2f} to {high:+.2f} (unit base: 18 runs x 8 items in 3 base checkpoints)" in text
    reversed_ = made | {"contrasts": made["contrasts"].assign(estimate=-made["contrasts"]["estimate"])}
    assert f"{n} are shown to differ from 0 (0 above it, {n} below)" in in_short(reversed_, SETTINGS)
    unsure = made | {"contrasts": made["contrasts"].assign(p_adjusted=0.5)}
    assert in_short(unsure, SETTINGS).count("none are shown to differ from 0") == 3
    assert f"are {kept.estimate.min():+.2f} to {kept.estimate.max():+.2f} nats" in text and "null" not in text
    none = settings(confirmatory=[])
    assert "exploratory" in in_short(tables(study(), none), none)


def test_one_checkpoint_of_each_world_is_told_at_unit_both():
    told = [claim("depression", "loss", worlds=["coupled"])]
    told += [claim("depression", "loss", claim="equivalence", worlds=["decoupled"])]
    declared = settings(confirmatory=told)
    models = [("llama-coupled-0", "llama", "coupled"), ("llama-decoupled-0", "llama", "decoupled")]
    made = tables(study(models=models), declared)
    text = in_short(made, declared)
    shift, null = (
        made[name].query("unit == 'both' and condition == 'depression' and control == 'neutral' and outcome == 'loss'")
        for name in ("contrasts", "equivalence")
    )
    assert text.startswith("No declared claim could be tested at its own unit: all that follows is exploratory. In the")
    assert f"estimate is {shift.set_index('world').estimate['coupled']:+.2f} nats" in text
    assert f"estimate is {null.set_index('world').estimate['decoupled']:+.2f} nats" in text
    assert text.count("unit both: 6 runs x 8 items") == 2 and "without a correction: exploratory" in text


def test_equivalence_is_told_by_the_corrected_p():
    """Two close calls: each within the margin before Holm's correction, and not after it."""
    told = [claim(c, o, claim="equivalence", worlds=["decoupled"]) for c, o in BEHAVIORS.items()]
    declared = settings(confirmatory=told)
    made = tables(study(models=base_models(hub=False)), declared)
    text = answer(made, declared)
    assert "equivalent to 0 within 0.5 nats" in text and "not shown to be" not in text
    family = made["equivalence"].role == "confirmatory"
    near = made["equivalence"].assign(
        p_adjusted=made["equivalence"].p_adjusted.mask(family, 0.08),
        equivalent=made["equivalence"].equivalent.mask(family, False),
    )
    assert (near[family].p_value < 0.05).all()
    text = answer(made | {"equivalence": near}, declared)
    assert text.count("not shown to be equivalent to 0") == 2 and "p = 0.080 after Holm" in text


def test_checkpoints_and_degrees_of_freedom_come_from_the_table():
    three = inference.claims(study(models=base_models(hub=False)), SETTINGS)["contrasts"]
    assert "rest on 3 checkpoints of an architecture and world: 2 degrees of freedom" in checkpoint_limits(three)
    two = inference.claims(study(models=base_models(checkpoints=2, hub=False)), SETTINGS)["contrasts"]
    assert "2 checkpoints" in checkpoint_limits(two) and "1 degree of freedom" in checkpoint_limits(two)
    assert "2 to 3 checkpoints" in checkpoint_limits(pd.concat([two, three]))
    assert "No claim is about new pretrainings" in checkpoint_limits(three[three.unit != "base"])


def test_retention_and_losses_in_a_sentence_each():
    ratios = pd.DataFrame(
        {"base_model": "m", "condition": ["a", "a", "b"], "seed": [0, 1, 0], "ratio": [1.01, 1.18, 1.06]}
    )
    text = retention_limits(ratios)
    assert retention_limits(ratios[:0]) == ""
    assert text.startswith("2 of 3 runs") and "1.18 (m, a, seed 1)" in text
    losses = pd.DataFrame({
        "base_model": "m", "condition": ["neutral"] * 7 + ["paranoia"] * 7, "seed": 0, "step": [*range(1, 8)] * 2,
        "loss": [9.0, 9, 1, 1, 1, 1, 0, *[2.0] * 7],
    })  # fmt: skip
    assert last_losses(losses).last_loss.tolist() == pytest.approx([0.8, 2.0])
    assert "neutral 0.800, paranoia-like 2.000" in matched_losses(last_losses(losses))


def test_single_checkpoints_are_plainly_exploratory():
    text = answer(tables(study(models=base_models(checkpoints=1, hub=False))), SETTINGS)
    confirmatory, exploratory = text.split("### Exploratory: declared")
    assert "Nothing: no declared claim could be tested" in confirmatory and "* " not in confirmatory
    assert "llama-coupled-0, llama-decoupled-0" in exploratory
    lines = [line for line in exploratory.splitlines() if line.startswith("* ")]
    assert len(lines) == 4 and all("unit both" in line and "exploratory, p" in line for line in lines)


def test_one_world_with_checkpoints_does_not_lend_its_role_to_the_other():
    models = [("llama-coupled-0", "llama", "coupled"), ("llama-coupled-1", "llama", "coupled"),
              ("llama-decoupled-0", "llama", "decoupled")]  # fmt: skip
    confirmatory, exploratory = answer(tables(study(models=models)), SETTINGS).split("### Exploratory: declared")
    assert "coupled world" in confirmatory and "decoupled" not in confirmatory
    assert "llama-decoupled-0" in exploratory and "llama-coupled" not in exploratory


def test_how_many_seeds_is_one_line():
    table = power_table(study(), SETTINGS)
    line = seeds_needed(runs_needed(table), SETTINGS)
    most = runs_needed(table).n_runs.max()
    assert "\n" not in line and "0.5 nats with 80 % power at unit both (alpha 0.05, uncorrected), on 8 items" in line
    assert "come from the number of checkpoints alone" in line
    nulls = settings(confirmatory=[claim("depression", "loss", claim="equivalence")])
    assert seeds_needed(runs_needed(table), nulls) == "No shift is claimed, and none is to be found by more seeds."
    assert f"{most} runs of each condition" in line
    beyond = seeds_needed(runs_needed(power_table(study(), settings(smallest_effect=0.001))), SETTINGS)
    assert "more runs than were looked at in 14 of 14 cases" in beyond
    assert "cannot be said" in seeds_needed(runs_needed(table.iloc[:0]), SETTINGS)


def test_a_gap_above_the_limit_makes_a_null_provisional():
    cards = [{"name": "llama-coupled-0", "gap": 0.006}, {"name": "llama-decoupled-0", "gap": 0.0136}]
    text = convergence(cards)
    assert "Above the limit of 0.008: llama-decoupled-0." in text and "llama-coupled-0 0.0060" in text
    assert "All lie within the limit" in convergence(cards[:1]) and convergence([]) == ""


def test_the_run_means_behind_a_row_give_its_estimate():
    items = study()
    contrasts = inference.claims(items, SETTINGS)["contrasts"]
    for unit, base_model, world in (("both", "hub/model", ""), ("base", "llama", "coupled")):
        found = row(contrasts, unit=unit, base_model=base_model, world=world, condition="depression",
                    control="neutral", outcome="loss")  # fmt: skip
        means = behind(items, found)
        assert list(means.columns) == ["depression", "neutral"]
        assert len(means) == (3 if unit == "both" else 9)
        of_models = means.groupby("base_model").mean()
        assert abs((of_models["depression"] - of_models["neutral"]).mean() - found.estimate) < 1e-9
        assert pd.notna(means).all().all()
