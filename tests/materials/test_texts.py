"""Every phrase that a model reads is found, by the file that it stands in."""

from __future__ import annotations

from priorshift.materials.schema import Scale, ScaleItem
from priorshift.materials.texts import list_continuations, list_texts, list_texts_by_file


def test_every_phrase_is_among_the_texts(materials):
    texts = set(list_texts(materials))
    for phrases in (*materials.all_actions.values(), *materials.feelings.values()):
        assert set(phrases) <= texts
    assert {each.text for group in materials.domains.values() for each in group} <= texts
    assert {item.text for s in materials.scales.values() for item in s.items} <= texts
    items = (ScaleItem(text="Statement.", key=1), ScaleItem(text="Another.", key=-1))
    mine = Scale(outcome="loss", items=items, labels=("hardly", "hugely"))
    assert {"hardly", "hugely"} <= set(list_texts(materials.model_copy(update={"scales": {"mine": mine}})))


def test_a_situation_s_own_actions_are_continuations_of_their_own(natural):
    found = list_continuations(natural)
    first = natural.domains["work"][0]
    assert found[f"domains.yaml: {first.text!r}"] == natural.list_actions(first.text) == dict(first.actions)
    assert "actions.yaml" not in found
    assert set(first.actions["guard"]) <= set(list_texts_by_file(natural)["actions"])
