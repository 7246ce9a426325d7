"""Each rule refuses materials that break it, by the file and the phrase."""

from __future__ import annotations

import pytest
from support.refusals import read_refusal

from priorshift.materials.rules import check_materials, check_scales
from priorshift.materials.schema import Disposition, Family, Preference, Scale, ScaleItem, Situation, Stem

STEMS = (Stem(named="{name} concluded:", first="I concluded:"),)
OUTLOOK = {
    "benign": ("fine results", "good luck"), "loss": ("only emptiness", "certain defeat"),
    "threat": ("an ambush", "a plot"),
}  # fmt: skip


@pytest.fixture(scope="module")
def general(materials):
    """The same actions, each fit for every situation, as actions.yaml says them."""
    bare = {domain: tuple(Situation(text=each.text) for each in group) for domain, group in materials.domains.items()}
    return materials.model_copy(update={"domains": bare, "actions": materials.all_actions})


SURE = Disposition(share=0.9, action="engage", outcome="benign")


def with_group(field, name, change):
    """A change of one class of a field's phrases."""
    return lambda materials: {
        field: {**getattr(materials, field), name: change(getattr(materials, field).get(name, ()))}
    }


def add(*phrases):
    return lambda group: (*group, *phrases)


def with_forms(**values):
    return lambda materials: {"forms": materials.forms.model_copy(update=values)}


def with_family(name="outlook", **groups):
    family = Family(stems=STEMS, continuations={k: v for k, v in (OUTLOOK | groups).items() if v is not None})
    return lambda materials: {"families": {name: family}}


def with_first_scale(**values):
    def change(materials):
        name, scale = next(iter(materials.scales.items()))
        return {"scales": materials.scales | {name: scale.model_copy(update=values)}}

    return change


def situation(**actions):
    whole = {"engage": ("ask them now",), "withdraw": ("say no more",), "guard": ("tally the forms",)}
    return Situation(text="A form is missing.", actions=whole | actions)


BAD = {
    "empty class": (with_group("actions", "guard", lambda _: ()), "actions.yaml: guard: found 0 entries"),
    "too few phrases": (with_group("feelings", "loss", lambda group: group[:7]), "feelings.yaml: loss: found 7"),
    "too few domains": (lambda m: {"domains": dict(list(m.domains.items())[:15])}, "domains.yaml: found 15"),
    "too few situations": (with_group("domains", "work", lambda group: group[:2]), "work: found 2 situations"),
    "too few preferences": (lambda m: {"preferences": m.preferences[:39]}, "preferences.yaml: found 39"),
    "class that no disposition names": (
        with_group("feelings", "joy", lambda _: tuple(f"glad {i}" for i in range(12))), "joy",
    ),
    "unknown outcome of a scale": (with_first_scale(outcome="joy"), "found outcome 'joy'"),
    "shares beyond 1": (
        lambda m: {"dispositions": m.dispositions | {"secure": SURE}},
        "sum to 1.3; expected 1",
    ),
    "root of a probe's word in an action": (
        with_group("actions", "guard", lambda group: ("sit down sadly", *group[1:])), "share 'sad'",
    ),
    "situation without a class of action": (
        lambda m: {"actions": {name: m.actions[name] for name in ("engage", "withdraw")}},
        "has no action of class 'guard'",
    ),
    "actions of one situation with unlike lengths": (
        with_group("domains", "work", lambda group: (situation(guard=("tally the forms", "keep it")), *group[1:])),
        "'keep it' has 2 words",
    ),
    "action of two classes": (
        with_group("domains", "work", lambda group: (situation(guard=("say no more",)), *group[1:])),
        "'say no more' is given twice",
    ),
    "grades that do not match": (lambda m: {"grades": {"sad": "mild"}}, "as many of each intensity"),
    "letter twice": (with_forms(letters=("A", "B", "C", "C")), "'C' is given twice"),
    "too few letters": (with_forms(letters=("A", "B")), "2 letters for 3 options"),
    "duplicate phrase": (
        with_group("interpretations", "loss", lambda group: (*group, group[0])), "is given twice",
    ),
    "duplicate situation": (
        lambda m: with_group("domains", "work", add(m.domains["school"][0]))(m), "domains.yaml",
    ),
    "phrase that begins another": (
        with_group("feelings", "threat", add("Calm, then tense.")), "'calm' begins 'Calm, then tense.'",
    ),
    "phrase with an end mark": (with_group("feelings", "loss", add("blue.")), "'blue.' ends in '.'"),
    "uneven pair": (
        lambda m: {"preferences": (*m.preferences, Preference(occasion="At tea.", options=("tea", "a warm cocoa")))},
        "1 and 3 words",
    ),
    "uneven lengths": (
        with_group("feelings", "loss", lambda group: tuple(f"{w} and hollow and lost" for w in group)), "mean words",
    ),
    "an action of another length": (
        with_group("actions", "guard", add("argue all night with everybody")), "'argue all night with everybody' has 5",
    ),
    "shared content word": (
        with_group("actions", "guard", lambda group: ("expect some miseries", *group[1:])),
        "'expect some miseries' (actions) and ",
    ),
    "family of a name that is taken": (with_family("choice"), "'choice' is a family already"),
    "family that lacks an outcome": (with_family(loss=None), "outlook: found classes ['benign', 'threat']"),
    "family with an empty outcome": (with_family(loss=()), "a class without phrases"),
    "family with a word of an action": (with_family(loss=("lock it", "grey")), "share 'lock'"),
    "family of unlike lengths": (
        with_family(loss=("only very much emptiness", "certain sure defeat")), "mean words per phrase differ",
    ),
    "family whose phrase begins another": (
        with_family(loss=("rain",), threat=("rain again",)), "outlook: 'rain' begins 'rain again'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_broken_rule_is_refused(name, general, root):
    change, named = BAD[name]
    changed = general.model_copy(update=change(general))
    said = read_refusal(check_materials, changed, root / "params" / "materials_worlds")
    assert named in said and "materials" in said


def test_a_family_that_keeps_the_rules_is_accepted(materials, tmp_path):
    check_materials(materials.model_copy(update=with_family()(materials)), tmp_path)


def scale(*keys, outcome="loss", labels=None):
    items = tuple(ScaleItem(text=f"Statement {i}.", key=key) for i, key in enumerate(keys))
    return {"mine": Scale(outcome=outcome, items=items, labels=labels)}


def test_scales_need_both_keys_unless_they_are_a_user_s():
    check_scales(scale(1, -1), ["loss"], "mine.csv")
    assert "key 1 only" in read_refusal(check_scales, scale(1, 1), ["loss"], "mine.csv")
    check_scales(scale(1, 1), ["loss"], "mine.csv", both_keys=False)
    assert "found key 0" in read_refusal(check_scales, scale(1, -1, 0), ["loss"], "mine.csv")
    twice = scale(1, -1, labels=("Never", "often", "never"))
    assert "options: 'never' is given twice" in read_refusal(check_scales, twice, ["loss"], "mine.csv")


def test_a_situation_s_own_actions_need_no_general_ones(materials, tmp_path):
    own = {
        domain: tuple(each.model_copy(update={"actions": situation().actions}) for each in group)
        for domain, group in materials.domains.items()
    }
    check_materials(materials.model_copy(update={"domains": own, "actions": {}}), tmp_path)


def test_an_exception_is_passed_over(general, tmp_path):
    changed = general.model_copy(update=with_group("actions", "guard", lambda g: ("sit down sadly", *g[1:]))(general))
    check_materials(
        changed.model_copy(update={"exceptions": general.exceptions | {"sadly": "for this test"}}), tmp_path
    )
