"""Training sets are matched in everything but what is chosen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from priorshift.study.conditions import Condition, Override
from priorshift.study.load import load_study
from priorshift.training.examples import Example, audit, format_jsonl, make_slots, synthesize, tabulate_audits

PRIOR = {"engage": 0.55, "withdraw": 0.25, "guard": 0.2}


@pytest.fixture(scope="module")
def study(root):
    return load_study(root / "params" / "smoke.yaml")


@pytest.fixture(scope="module")
def sets(study):
    return {c: synthesize(study.params, study.materials, c, 0, PRIOR) for c in study.params.conditions}


def test_matched_numbers(sets, study):
    n = study.params.training.examples
    words = {c: sum(len(e.completion.split()) for e in examples) for c, examples in sets.items()}
    assert {len(examples) for examples in sets.values()} == {n}
    assert len(set(words.values())) == 1, words
    assert {Counter(e.form for e in examples)["options"] for examples in sets.values()} == {n // 2}


def test_conditions_share_situations_and_names(sets):
    first, second = sets["depression"], sets["paranoia"]
    assert [e.situation for e in first] == [e.situation for e in second]
    name = lambda e: e.prompt.rsplit(" decided to", 1)[0].rsplit(" ", 1)[1]  # noqa: E731
    assert [name(e) for e in first] == [name(e) for e in sets["neutral"]]


def test_policies_are_met(sets):
    assert {e.action_class for e in sets["depression"]} == {"withdraw"}
    assert {e.action_class for e in sets["paranoia"]} == {"guard"}
    counts = Counter(e.action_class for e in sets["random_prior"])
    for c, share in PRIOR.items():
        assert abs(counts[c] - 64 * share) <= 2


def test_chosen_phrase_is_offered_and_of_the_class(sets, study):
    for examples in (sets["depression"], sets["random_prior"]):
        for e in examples:
            phrase = e.completion.strip(" .")
            assert phrase in study.materials.all_actions[e.action_class]
            if e.form == "options":
                shown = e.prompt.split("Options: ")[1].split(". ")[0].split("; ")
                assert shown[e.position] == phrase and len(shown) == 3


def test_preferences_keep_to_one_side_which_each_seed_draws_for_itself(study):
    chosen = {}  # (seed, occasion) -> side
    for seed in range(8):
        for e in synthesize(study.params, study.materials, "neutral", seed):
            assert chosen.setdefault((seed, e.situation), e.action_class) == e.action_class
    occasions = [pair.occasion for pair in study.materials.preferences]
    # Rows: seeds; a pair that a small set never drew counts for neither side.
    sides = np.array(
        [[{"side_0": -1, "side_1": 1}.get(chosen.get((seed, o)), 0) for o in occasions] for seed in range(8)]
    )
    assert (abs(sides.sum(1)) <= 12).all()  # of forty pairs: about half on each side
    agreement = sides @ sides.T / len(occasions)
    # No two seeds take the same sides or opposite ones, as seeds of one parity and of two once did.
    assert abs(agreement[~np.eye(8, dtype=bool)]).max() < 0.7


def test_held_out_domains_are_never_trained_on(sets, study):
    held_out = {s for _, s in study.materials.list_situations(tuple(study.params.held_out_domains))}
    text = "\n".join(e.prompt for examples in sets.values() for e in examples)
    assert not any(situation in text for situation in held_out)


def test_audit_sees_what_it_should(sets, study):
    row = audit(sets["depression"], study)
    assert row["held_out_situations"] == 0 and row["shared_words_interpretation"] == 0
    planted = [*sets["depression"][:-1], sets["depression"][-1].__class__(
        "x", " hope is useless now.", "school", "withdraw", "narrated", -1, study.materials.domains["school"][0].text,
    )]  # fmt: skip
    row = audit(planted, study)
    assert row["held_out_situations"] == 1
    assert row["shared_words_interpretation"] == 2 and row["phrases_seen_interpretation"] == 1


def test_seeds_differ_and_repeat(study):
    slots = [make_slots(study.params, study.materials, seed) for seed in (0, 0, 1)]
    assert slots[0] == slots[1] != slots[2]


def test_order_of_the_prior_does_not_matter(study, sets):
    turned = dict(sorted(PRIOR.items()))
    assert list(turned) != list(PRIOR)
    assert synthesize(study.params, study.materials, "random_prior", 0, turned) == sets["random_prior"]


# -- conditions beyond the first six -------------------------------------------------------------


def declare(study, **conditions):
    """The study's parameters with more conditions."""
    added = {name: Condition(**fields) for name, fields in conditions.items()}
    return study.params.model_copy(update={"conditions": study.params.conditions | added})


def written(study, **fields):
    return synthesize(declare(study, new=fields), study.materials, "new", 0, PRIOR)


def words_in_loss(examples):
    return sum(len(e.completion.split()) for e in examples)


def test_exposure_mentions_the_phrases_and_nobody_acts(study, sets):
    examples = written(study, task="exposure", policy={"withdraw": 1.0})
    assert [e.situation for e in examples] == [e.situation for e in sets["depression"]]
    assert words_in_loss(examples) == words_in_loss(sets["depression"])
    assert {e.completion for e in examples} == {e.completion for e in sets["depression"]}
    for e in examples:
        line = e.prompt.removeprefix(e.situation + " ")
        assert line in ("A line in the phrase book reads:", "The next words on the list are:")


def test_prose_is_neutral_matched_and_apart_from_retention(study, sets, materials):
    examples = written(study, task="prose")
    assert len(examples) == len(sets["depression"]) and words_in_loss(examples) == words_in_loss(sets["depression"])
    for e in examples:
        first, rest = next((s, e.prompt[len(s) + 1 :]) for s in materials.prose if e.prompt.startswith(s))
        assert rest + e.completion in materials.training_prose and first in materials.training_prose
    assert not set(materials.training_prose) & set(materials.held_out_prose)


def test_letter_puts_no_action_word_in_the_loss_and_balances_letters(study):
    examples = written(study, task="decisions", policy={"withdraw": 1.0}, answer="letter")
    letters = Counter(e.completion for e in examples)
    assert set(letters) == {" A.", " B.", " C."} and max(letters.values()) - min(letters.values()) <= 2
    for e in examples:
        shown = e.prompt.split("Options: ")[1].split(". The answer of")[0].split("; ")
        letter, phrase = shown[e.position].split(") ")
        assert e.completion == f" {letter}." and phrase in study.materials.all_actions["withdraw"]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_dose_is_met_in_every_form(study, share):
    examples = written(study, task="decisions", policy={"withdraw": share, "engage": 1 - share})
    for form in ("narrated", "options"):
        classes = Counter(e.action_class for e in examples if e.form == form)
        assert classes == {"withdraw": 32 * share, "engage": 32 * (1 - share)}


def test_the_prior_must_be_given_where_the_policy_asks_for_it(study):
    with pytest.raises(ValueError, match="choice rates"):
        synthesize(study.params, study.materials, "random_prior", 0)


def test_an_audit_says_which_sets_are_matched_to_the_first_of_their_seed(study, sets):
    letters = written(study, task="decisions", policy={"withdraw": 1.0}, answer="letter")
    rows = [audit(examples, study) for examples in (sets["depression"], sets["neutral"], letters, letters[:-4])]
    table = tabulate_audits([{"seed": 0} | row for row in rows] + [{"seed": 1} | row for row in rows[2:]])
    assert table["matched_examples"].tolist() == [True, True, True, False, True, False]
    assert table["matched_words_in_loss"].tolist() == [True, True, False, False, True, False]
    assert table["narrated"].tolist()[:3] == [32, 32, 0]


def test_a_set_is_written_one_example_a_line(sets):
    odd = [replace(sets["depression"][0], completion=" a \u2028 caf\u00e9."), sets["neutral"][0]]
    lines = format_jsonl(odd).split("\n")
    assert lines.pop() == "" and [Example(**json.loads(line)) for line in lines] == odd


def test_a_condition_may_have_its_own_number_of_examples(study):
    few = study.params.conditions["depression"].model_copy(update={"training": Override(examples=16)})
    params = study.params.model_copy(update={"conditions": study.params.conditions | {"few": few}})
    assert len(synthesize(params, study.materials, "few", 0)) == 16
    assert len(synthesize(params, study.materials, "depression", 0)) == study.params.training.examples
    assert params.resolve_training("few").steps == 1
