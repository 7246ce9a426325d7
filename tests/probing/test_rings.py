"""Rings: their keys are named once, further rings hold held-out situations, and forms share their situations."""

from __future__ import annotations

from collections import Counter

import pytest

from priorshift.probing.rings import CANONICAL, Form, ItemKey, list_keys, list_ring_forms, list_situations

RINGS = {"paraphrase": 6, "narrator": 8, "text_form": 9}


@pytest.fixture(scope="module")
def params(smoke):
    return smoke.params.model_copy(update={"probes": smoke.params.probes.model_copy(update={"rings": RINGS})})


def test_every_key_has_its_own_name(params, materials):
    for family in params.probes.families:
        names = [(key.ring, key.name_item(family)) for key in list_keys(params, materials, family)]
        assert len({name for _, name in names}) == len(names)


def test_a_name_says_domain_number_form_and_variant():
    assert ItemKey("held_out_domains", CANONICAL, "work", 3).name_item("feeling") == "feeling/work/03"
    form = Form("letter", narrator="first", text="letter", variant="b")
    assert ItemKey("text_form", form, "work", 0).name_item("feeling") == "feeling/work/00/letter/b"


def test_further_rings_have_their_numbers_of_held_out_situations(params, materials):
    keys = list(list_keys(params, materials, "interpretation"))
    counts = Counter(key.ring for key in keys)
    each = params.probes.situations_per_domain
    domains = {"training_domains": params.train_domains, "held_out_domains": params.held_out_domains}
    assert counts == RINGS | {ring: each * len(names) for ring, names in domains.items()}
    assert {key.domain for key in keys if key.ring in RINGS} <= set(params.held_out_domains)
    assert len(list(list_situations(params))) == sum(counts[ring] for ring in domains)


def test_a_situation_comes_in_every_form_before_the_next_one(params, materials):
    forms = list_ring_forms("narrator", materials, "feeling")
    keys = [key for key in list_keys(params, materials, "feeling") if key.ring == "narrator"]
    assert [form.narrator for form in forms] == ["first", "stranger"]
    for one, other in zip(keys[::2], keys[1::2], strict=True):
        assert (one.domain, one.number) == (other.domain, other.number) and [one.form, other.form] == forms
