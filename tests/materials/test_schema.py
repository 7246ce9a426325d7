"""The shape of materials: what a stem, a mention and a scale must be, and what the materials say of themselves."""

from __future__ import annotations

import pytest
from support.refusals import read_refusal

from priorshift.errors import MaterialsError
from priorshift.materials.schema import Family, Forms, Preference, Scale, ScaleForm, ScaleItem, Situation, Stem
from priorshift.yaml_files import validate

ITEM = ScaleItem(text="All is lost.", key=1)
STEM = Stem(named="{name} felt", first="I felt")


def read(part, **data):
    return validate(part, data, "file.yaml", MaterialsError)


BAD = {
    "stem without a name": (Stem, {"named": "Someone felt", "first": "I felt"}, "{name}"),
    "stem with another field": (Stem, {"named": "{name} felt {x}", "first": "I felt"}, "no other {field}"),
    "first person with a name": (Stem, {"named": "{name} felt", "first": "{name} felt"}, "`first` none"),
    "leading space": (Stem, {"named": " {name} felt", "first": "I felt"}, "named"),
    "three options": (Preference, {"occasion": "At tea.", "options": ("a", "b", "c")}, "options"),
    "key 2": (ScaleItem, {"text": "a", "key": 2}, "key"),
    "scale without items": (Scale, {"outcome": "loss", "items": ()}, "items"),
    "a single response option": (Scale, {"outcome": "loss", "items": (ITEM,), "labels": ("yes",)}, "labels"),
    "no label set": (ScaleForm, {"prompt": "a", "answer": STEM, "labels": {}}, "labels"),
    "a set of one label": (ScaleForm, {"prompt": "a", "answer": STEM, "labels": {"one": ("yes",)}}, "labels.one"),
    "family without stems": (Family, {"stems": (), "continuations": {"loss": ("rain",)}}, "stems"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_part_of_another_shape_is_refused(name):
    part, data, named = BAD[name]
    assert named in read_refusal(lambda: read(part, **data))


def test_a_mention_ends_in_its_phrase(materials):
    data = materials.forms.model_dump()
    read(Forms, **data)
    assert "{phrase}" in read_refusal(lambda: read(Forms, **data | {"mentions": ("Read {phrase} twice.",)}))


def test_each_family_has_its_stems_and_continuations(materials):
    weather = Family(stems=(Stem(named="{name} expected", first="I expected"),), continuations={"loss": ("rain",)})
    more = materials.model_copy(update={"families": {"weather": weather}})
    assert more.get_stems("weather") == weather.stems and more.get_continuations("weather") == {"loss": ("rain",)}
    assert more.get_stems("feeling") == materials.forms.stems.feeling
    assert more.get_continuations("choice") == materials.all_actions
    assert more.get_continuations("interpretation") == materials.interpretations


def test_actions_and_outcomes_go_together_by_disposition(materials):
    assert materials.outcomes == ["benign", "loss", "threat"]
    assert [materials.find_outcome(action) for action in ("engage", "withdraw", "guard")] == materials.outcomes


def test_own_labels_take_the_place_of_the_form_s(materials):
    form = materials.forms.scale
    assert Scale(outcome="loss", items=(ITEM,)).get_label_sets(form) == form.labels
    own = Scale(outcome="loss", items=(ITEM,), labels=("never", "often"))
    assert own.get_label_sets(form) == {"own": ("never", "often")}


def test_training_and_held_out_prose_share_no_sentence(materials):
    trained, held_out = materials.training_prose, materials.held_out_prose
    assert not set(trained) & set(held_out) and {*trained, *held_out} == set(materials.prose)
    assert abs(len(trained) - len(held_out)) <= 1


def test_situations_come_in_the_domains_order(materials):
    pairs = materials.list_situations(("work", "school"))
    assert pairs == [
        (domain, text) for domain in ("work", "school") for text in (s.text for s in materials.domains[domain])
    ]


def test_a_situation_is_a_line_or_a_map_with_its_actions(materials):
    assert Situation.model_validate("It rains.") == Situation(text="It rains.")
    own = Situation.model_validate({"text": "It rains.", "guard": ("take the umbrella",)})
    assert own.actions == {"guard": ("take the umbrella",)}
    general = materials.all_actions
    changed = materials.model_copy(update={"actions": general, "domains": {"work": (own, Situation(text="It snows."))}})
    assert changed.list_actions("It rains.") == general | {"guard": ("take the umbrella",)}
    assert changed.all_actions["guard"] == ("take the umbrella", *general["guard"])
    alone = changed.model_copy(update={"domains": {"work": (own,)}})
    assert alone.all_actions == general | {"guard": ("take the umbrella",)}, "what no situation takes is no action"
    assert changed.list_actions("unknown") == general
