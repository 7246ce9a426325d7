"""The report begins with what became of the declared claims."""

from __future__ import annotations

from support.prose import says
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import base_models, claim, settings, study

from priorshift.report.summary_text import summarize_claims

TABLES = make_tables()


def paragraphs(tables, declared=SETTINGS):
    return summarize_claims(tables, declared).split("\n\n")


def test_each_world_has_a_paragraph_with_counts_estimates_and_intervals():
    hub, coupled, decoupled = paragraphs(TABLES)
    assert "world" not in hub and "coupled world" in coupled and "decoupled world" in decoupled
    own = TABLES["contrasts"].query("role == 'declared' and world == 'coupled'")
    held = int((own["p_adjusted"] < 0.05).sum())
    assert len(own) == 2 and held
    assert "2 declared shifts" in coupled and f"{held} are shown to differ from 0 ({held} above it, 0 below)" in coupled
    assert f"{own['estimate'].min():+.2f} to {own['estimate'].max():+.2f} nats" in coupled
    assert f"95 % intervals: within {own['ci_low'].min():+.2f} to {own['ci_high'].max():+.2f}" in coupled
    assert "18 runs x 8 items in 3 base checkpoints" in coupled


def test_what_lies_below_zero_is_said_to():
    turned = TABLES | {"contrasts": TABLES["contrasts"].assign(estimate=-TABLES["contrasts"]["estimate"])}
    assert "(0 above it, 2 below)" in paragraphs(turned)[1]


def test_a_shift_against_its_direction_is_counted_apart():
    claims = [claim("depression", "loss", direction="increase"), claim("paranoia", "threat", direction="decrease")]
    declared = settings(claims=claims)
    told = paragraphs(make_tables(study(models=base_models(hub=False)), declared), declared)[0]
    assert "2 declared shifts" in told
    assert says(told, "1 is shown", "1 above", "0 below", "1 went against")


def test_what_is_not_sure_is_not_shown():
    unsure = TABLES | {"contrasts": TABLES["contrasts"].assign(p_adjusted=0.5)}
    assert all("None are shown" in paragraph for paragraph in paragraphs(unsure))


def test_one_checkpoint_of_each_world_is_told_at_unit_both_as_exploratory():
    claims = [claim("depression", "loss", worlds=["coupled"])]
    claims += [claim("depression", "loss", claim="equivalence", worlds=["decoupled"])]
    declared = settings(claims=claims)
    models = [("llama-coupled-0", "llama", "coupled"), ("llama-decoupled-0", "llama", "decoupled")]
    tables = make_tables(study(models=models), declared)
    lead, shift, null = paragraphs(tables, declared)
    where = "unit == 'both' and condition == 'depression' and control == 'neutral' and outcome == 'loss'"
    estimates = {
        name: tables[name].query(where).set_index("world")["estimate"] for name in ("contrasts", "equivalence")
    }
    assert "exploratory" in lead
    assert f"Estimate: {estimates['contrasts']['coupled']:+.2f} nats" in shift and "95 % interval:" in shift
    assert f"Estimate: {estimates['equivalence']['decoupled']:+.2f} nats" in null and "90 % interval:" in null
    assert all("6 runs x 8 items" in part and "without a correction" in part for part in (shift, null))


def test_no_claim_is_said_in_one_line():
    text = summarize_claims(TABLES, settings(claims=[]))
    assert "no claim" in text and "exploratory" in text and "\n" not in text


def test_a_model_outside_the_worlds_is_summed_up_without_one():
    text = summarize_claims(make_tables(study(models=HUB)), SETTINGS)
    assert "world" not in text and "2 declared shifts" in text
