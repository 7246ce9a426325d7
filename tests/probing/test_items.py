"""Items lie in the ring that they name, and each ring changes one thing."""

from __future__ import annotations

from collections import Counter

import pytest

from priorshift.materials.schema import Family, Stem
from priorshift.models.base import load_base
from priorshift.probing.context import Context
from priorshift.probing.items import make_probe_items
from priorshift.training.examples import synthesize

RINGS = {"paraphrase": 6, "narrator": 8, "text_form": 9}


@pytest.fixture(scope="module")
def params(smoke):
    probes = smoke.params.probes.model_copy(update={"rings": RINGS})
    return smoke.params.model_copy(update={"probes": probes})


@pytest.fixture(scope="module")
def items(params, materials):
    return make_probe_items(params, materials)


def by_form(items, ring, family):
    return {i.form: i.stem for i in items if i.ring == ring and i.family == family and i.domain == "school"}


def test_stems_of_one_situation_by_hand(items):
    there = "The teacher hands back the essay face down."
    assert by_form(items, "held_out_domains", "feeling")["canonical"].endswith(" felt")
    assert by_form(items, "paraphrase", "feeling") == {
        "stem 1": f"{there} This left Nora feeling",
        "stem 2": f"{there} All evening Nora was",
        "stem 3": f"{there} Soon Nora became",
    }
    assert by_form(items, "narrator", "feeling") == {
        "first person": f"{there} I felt",
        "stranger": f"{there} Zelda felt",
    }
    assert by_form(items, "text_form", "feeling") == {
        "letter": f"Dear Lucy, {there} I felt",
        "diary": f"Diary of Nora. {there} I felt",
        "dialogue": f"Lucy: What is new? Nora: {there} I felt",
    }


def test_rings_have_their_numbers_and_held_out_situations(items, params):
    for family in params.probes.families:
        counts = Counter(i.ring for i in items if i.family == family)
        assert {ring: counts[ring] for ring in RINGS} == RINGS
    assert {i.domain for i in items if i.ring in RINGS} <= set(params.held_out_domains)
    assert len({i.item for i in items}) == len(items)


def test_forms_of_a_ring_stand_on_the_same_situations(items):
    rows = [i for i in items if i.ring == "paraphrase" and i.family == "choice"]
    places = {form: {i.item.rsplit("/", 1)[0] for i in rows if i.form == form} for form in {i.form for i in rows}}
    assert len(places) == 3 and len({frozenset(p) for p in places.values()}) == 1


def test_embedded_model_knows_every_form(items, smoke):
    tokenizer = load_base(smoke.params.models[0]).tokenizer
    for item in items:
        assert tokenizer.unk_token_id not in tokenizer(item.stem)["input_ids"], item.stem


def test_a_context_s_decisions_are_about_the_item_s_own_protagonist(params, materials):
    items = make_probe_items(params, materials, Context(synthesize(params, materials, "depression", 0), 2))
    stranger = next(i for i in items if i.form == "stranger" and i.domain == "school")
    first = next(i for i in items if i.form == "dialogue" and i.domain == "school")
    assert stranger.stem.count("Zelda decided to") == 2 + (stranger.family == "choice")
    assert first.stem.startswith("Lucy: What is new? Nora: ") and first.stem.count(" Lucy: And then? Nora: ") == 2
    assert first.stem.count("I decided to") == 2 + (first.family == "choice")
    plain = make_probe_items(params, materials)
    ends = [
        long.stem.endswith(short.stem) for long, short in zip(items, plain, strict=True) if short.form == "canonical"
    ]
    assert all(ends)
    withdrawn = [f" {phrase}." for phrase in materials.all_actions["withdraw"]]
    assert all(sum(item.stem.count(phrase) for phrase in withdrawn) == 2 for item in items)


def test_a_family_that_you_add_is_probed_like_the_others(params, materials):
    stems = [("{name} concluded:", "I concluded:"), ("To {name} it was clear:", "To me it was clear:")]
    words = {
        "benign": ("fine results", "good luck"),
        "loss": ("only emptiness", "certain defeat"),
        "threat": ("a plot",),
    }
    family = Family(stems=tuple(Stem(named=named, first=first) for named, first in stems), continuations=words)
    more = materials.model_copy(update={"families": {"outlook": family}})
    probes = params.probes.model_copy(update={"families": ["interpretation", "outlook"], "rings": {"paraphrase": 5}})
    items = make_probe_items(params.model_copy(update={"probes": probes}), more)
    own = [i for i in items if i.family == "outlook"]
    assert len(own) == 7 * 2 + 5
    first = next(i for i in own if i.domain == "work")
    assert first.stem == "The manager asks for a short meeting on Friday. Nora concluded:"
    assert first.candidates["loss"] == (" only emptiness", " certain defeat")
    assert {i.form for i in own if i.ring == "paraphrase"} == {"stem 1"}


def test_candidates_are_the_first_phrases_with_their_space(params, materials):
    item = next(i for i in make_probe_items(params, materials) if i.family == "feeling")
    most = params.probes.continuations_per_class
    assert item.candidates == {c: tuple(f" {p}" for p in group[:most]) for c, group in materials.feelings.items()}
    assert item.continuations == [text for group in item.candidates.values() for text in group]


def find_item(params, materials, family):
    domain = params.train_domains[0]
    return next(i for i in make_probe_items(params, materials) if i.family == family and i.domain == domain)


def test_only_phrases_of_the_wanted_intensities_are_candidates(params, natural):
    probes = params.probes.model_copy(update={"intensities": ["strong"], "continuations_per_class": None})
    strong = params.model_copy(update={"probes": probes})
    assert find_item(strong, natural, "feeling").candidates["loss"] == (
        " miserable", " worthless", " dejected", " desolate",
    )  # fmt: skip
    # Choices have no intensity, and stay.
    first = natural.domains[params.train_domains[0]][0]
    assert find_item(strong, natural, "choice").candidates == {
        name: tuple(f" {phrase}" for phrase in phrases) for name, phrases in first.actions.items()
    }
