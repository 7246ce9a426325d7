"""The claims in words: every number from the table, its unit, its role; nothing without them."""

from __future__ import annotations

import itertools

import pytest
from support.prose import says, sentences_of
from support.report_tables import HUB, SETTINGS, make_tables
from support.synthetic_items import BEHAVIORS, base_models, claim, row, settings, study

from priorshift.report.claims_text import (
    describe_claims,
    describe_contrast,
    describe_least_margins,
    describe_units,
    explain_missing_claims,
)

TABLES = make_tables()
CONTRASTS = TABLES["contrasts"]
TEXT = describe_claims(TABLES, SETTINGS)


def split(text):
    """(part of the declared claims, exploratory part)."""
    return text.split("### Exploratory", 1)


def bullets(text):
    return [line for line in text.splitlines() if line.startswith("* ")]


def test_a_contrast_is_a_sentence_with_its_interval_and_a_line_of_numbers():
    found = row(CONTRASTS, base_model="llama", world="coupled", unit="base", condition="depression",
                control="neutral", outcome="loss")  # fmt: skip
    sentence, numbers = describe_contrast(found).split("\n")
    for part in ("Depression-like minus neutral", "llama", "coupled", "loss", f"{found.estimate:+.2f} nats",
                 f"95 % interval {found.ci_low:+.2f} to {found.ci_high:+.2f}"):  # fmt: skip
        assert part in sentence
    for part in ("interpretation", "held-out domains", f"{found.effect_size:.2f}", f"{found.effect_low:.2f}",
                 "unit base", "18 runs x 8 items in 3 base checkpoints", "declared", "Holm"):  # fmt: skip
        assert part.lower() in numbers.lower()


def test_words_name_unit_and_role_and_never_say_significant():
    for record in CONTRASTS.to_dict("records"):
        text = describe_contrast(record).lower()
        assert "significant" not in text and f"unit {record['unit']}" in text and record["role"] in text
        assert ("base checkpoints" in text) == (record["unit"] == "base")


def test_each_unit_says_once_what_it_speaks_of():
    told = describe_units(CONTRASTS.sort_values("unit").to_dict("records"))
    assert [line.split()[1].rstrip(":") for line in told] == ["base", "both", "items", "runs"]
    assert "3 checkpoints (2 degrees of freedom)" in told[0]
    two = make_tables(study(models=base_models(checkpoints=2, hub=False)))["contrasts"].query("unit == 'base'")
    (told,) = describe_units(two.to_dict("records"))
    assert "2 checkpoints (1 degree of freedom)" in told


@pytest.mark.parametrize("unit", ["items", "both"])
def test_a_unit_speaks_of_new_domains_only_where_domains_are_random(unit):
    own = CONTRASTS[CONTRASTS["unit"] == unit]
    told = [describe_units(own.assign(domains=d).to_dict("records")) for d in ("random (6)", "fixed (not told)")]
    assert ["new domains" in line for (line,) in told] == [True, False]
    assert ["these domains" in line for (line,) in told] == [False, True]


def test_a_study_with_checkpoints_has_its_declared_claims_apart():
    declared, exploratory = split(TEXT)
    claimed, units = declared.split("What these tests speak of")
    assert len(bullets(claimed)) == 6 and claimed.count("Declared, p") == 6 and "6 declared claims" in claimed
    assert [line.split()[2] for line in bullets(units)] == ["both:", "base:"]
    assert "Declared, p" not in exploratory and "confirmatory" not in TEXT.lower()


def test_dissociations_come_with_three_intervals_and_are_exploratory():
    lines = split(TEXT)[1].splitlines()
    told = {line.split(":")[0]: (line, after) for line, after in itertools.pairwise(lines) if "dissociation" in line}
    verdicts = {where.split(" in ")[1]: line for where, (line, _) in told.items()}
    assert set(verdicts) == {"llama, coupled world", "llama, decoupled world", "hub/model"}
    assert "not shown" in verdicts["llama, decoupled world"]
    assert all(" holds " in verdicts[name] for name in ("llama, coupled world", "hub/model"))
    inner = row(TABLES["specificity"], base_model="hub/model", effect="interaction")
    after = next(after for line, after in told.values() if "hub/model" in line)
    assert f"{inner.estimate:+.2f} nats (95 % interval {inner.ci_low:+.2f} to {inner.ci_high:+.2f})" in after
    assert after.count("interval ") == 3 and "Unit runs: 6 runs x 8 items" in after and "Exploratory" in after


def test_the_difference_between_worlds_is_told_for_declared_contrasts():
    (found,) = TABLES["world_difference"].query(
        "condition == 'depression' and control == 'neutral' and outcome == 'loss'"
    ).itertuples()  # fmt: skip
    told = split(TEXT)[1]
    assert f"{found.estimate:+.2f} nats (95 % interval {found.ci_low:+.2f}" in told
    assert says(told, "unit base", "3 and 3 base checkpoints", "8 items")


def test_equivalence_is_told_by_the_corrected_p():
    """Two close calls: each within the margin before Holm's correction, and not after it."""
    claims = [claim(c, o, claim="equivalence", worlds=["decoupled"]) for c, o in BEHAVIORS.items()]
    declared = settings(claims=claims)
    tables = make_tables(study(models=base_models(hub=False)), declared)
    text = describe_claims(tables, declared)
    assert text.count("is equivalent to 0 within 0.5 nats") == 2 and "not shown to be equivalent" not in text
    table = tables["equivalence"]
    own = table["role"] == "declared"
    assert (table[own]["p_value"] < 0.05).all()
    near = table.assign(p_adjusted=table["p_adjusted"].mask(own, 0.08), equivalent=table["equivalent"].mask(own, False))
    text = describe_claims(tables | {"equivalence": near}, declared)
    assert text.count("not shown to be equivalent to 0") == 2 and text.count("p = 0.080 after Holm") == 2


def test_single_checkpoints_are_plainly_exploratory():
    text = describe_claims(make_tables(study(models=base_models(checkpoints=1, hub=False))), SETTINGS)
    declared, exploratory = split(text)
    assert not bullets(declared) and "no declared claim" in declared
    assert "llama-coupled-0, llama-decoupled-0" in exploratory
    assert len(bullets(exploratory)) == exploratory.count(" runs x ") == exploratory.count("Exploratory, p") == 4


def test_one_world_with_checkpoints_does_not_lend_its_role_to_the_other():
    models = [("llama-coupled-0", "llama", "coupled"), ("llama-coupled-1", "llama", "coupled"),
              ("llama-decoupled-0", "llama", "decoupled")]  # fmt: skip
    declared, exploratory = split(describe_claims(make_tables(study(models=models)), SETTINGS))
    assert "coupled world" in declared and "decoupled" not in declared
    assert "llama-decoupled-0" in exploratory and "llama-coupled" not in exploratory


def test_a_study_without_claims_says_so():
    none = settings(claims=[])
    first = split(describe_claims(make_tables(declared=none), none))[0]
    assert "No claim was declared" in first and "Holm" not in first


def test_what_is_missing_is_explained():
    assert explain_missing_claims(CONTRASTS) == ""
    assert "at its own unit" in explain_missing_claims(CONTRASTS.query("unit == 'items'"))
    assert explain_missing_claims(CONTRASTS[:0]) != ""


@pytest.mark.parametrize("models", [None, HUB])
def test_sentences_are_short(models):
    text = describe_claims(make_tables(study(models=models)), SETTINGS)
    assert max(len(sentence.split()) for sentence in sentences_of(text)) <= 25


def test_a_model_outside_the_worlds_has_no_world_in_its_claims():
    text = describe_claims(make_tables(study(models=HUB)), SETTINGS)
    assert "hub/model" in text and "coupled" not in text and "world" not in text


def test_the_margins_over_which_equivalences_hold_are_told():
    declared = settings(claims=[claim("depression", "loss", claim="equivalence", worlds=["decoupled"])])
    tables = make_tables(declared=declared)
    text = describe_least_margins(tables["equivalence_curve"])
    (least,) = tables["equivalence_curve"].least_margin.unique()
    assert f"llama, decoupled world, loss: from {least:g} nats" in text and "0.1 to 1 nats" in text
    assert text in describe_claims(tables, declared)
    assert describe_least_margins(TABLES["equivalence_curve"]) == ""


def test_a_registered_claim_is_confirmatory_by_its_role():
    tables = {name: table.replace({"role": {"declared": "confirmatory"}}) for name, table in TABLES.items()}
    text = describe_claims(tables, SETTINGS)
    assert text.startswith("### Confirmatory") and text.count("Confirmatory, p") == 6 and " after Holm" in text


def test_a_claim_that_went_the_other_way_does_not_hold():
    found = row(CONTRASTS, base_model="llama", world="coupled", unit="base", condition="depression",
                control="neutral", outcome="loss").to_dict()  # fmt: skip
    assert says(describe_contrast(found), "claim", "either way", "holds")
    against = found | {"direction": "decrease", "holds": False, "p_adjusted": 0.01}
    assert says(describe_contrast(against), "claim", "decrease", "not hold", "other way")
    unsure = against | {"direction": "increase", "p_adjusted": 0.2}
    assert says(describe_contrast(unsure), "claim", "increase", "not hold")
    assert "other way" not in describe_contrast(unsure)
    assert "The claim" not in describe_contrast(found | {"role": "exploratory", "holds": None})
