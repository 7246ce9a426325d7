"""Items lie in the ring that they name, and each ring changes one thing."""

from __future__ import annotations

import copy
import re
from collections import Counter
from itertools import islice

import pytest
import yaml

from priorshift.cli import main
from priorshift.errors import UserError
from priorshift.materials.load import load_materials
from priorshift.models.base import load_base
from priorshift.probing.items import probe_items
from priorshift.study.load import load_study
from priorshift.training.examples import synthesize
from priorshift.worlds.generator import World
from priorshift.worlds.params import load_world_params

RINGS = {"paraphrase": 6, "narrator": 8, "text_form": 9}


@pytest.fixture(scope="module")
def params(smoke):
    probes = smoke.params.probes.model_copy(update={"rings": RINGS})
    return smoke.params.model_copy(update={"probes": probes})


@pytest.fixture(scope="module")
def items(params, materials):
    return probe_items(params, materials)


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


def test_decisions_are_told_about_the_item_s_own_protagonist(params, materials):
    told = synthesize(params, materials, "depression", 0)
    items = probe_items(params, materials, told, 2)
    stranger = next(i for i in items if i.form == "stranger" and i.domain == "school")
    first = next(i for i in items if i.form == "dialogue" and i.domain == "school")
    assert stranger.stem.count("Zelda decided to") == 2 + (stranger.family == "choice")
    assert first.stem.startswith("Lucy: What is new? Nora: ") and first.stem.count(" Lucy: And then? Nora: ") == 2
    assert first.stem.count("I decided to") == 2 + (first.family == "choice")
    plain = probe_items(params, materials)
    ends = [
        long.stem.endswith(short.stem) for long, short in zip(items, plain, strict=True) if short.form == "canonical"
    ]
    assert all(ends)
    withdrawn = [f" {phrase}." for phrase in materials.actions["withdraw"]]
    assert all(sum(item.stem.count(phrase) for phrase in withdrawn) == 2 for item in items)


# -- a probe family of one's own -------------------------------------------------------------------

OUTLOOK = {
    "outlook": {
        "stems": [
            {"named": "{name} concluded:", "first": "I concluded:"},
            {"named": "To {name} the reason was clear:", "first": "To me the reason was clear:"},
        ],
        "continuations": {
            "benign": ["fine results", "good luck"],
            "loss": ["only emptiness", "certain defeat"],
            "threat": ["an ambush", "a plot"],
        },
    }
}


@pytest.fixture
def outlook(params_folder):
    """A study's parameters with materials that add one family, which a function may change first."""

    def write(change=lambda families: None, named="outlook"):
        folder = params_folder / "materials_outlook"
        folder.mkdir(exist_ok=True)
        families = copy.deepcopy(OUTLOOK)
        change(families)
        (folder / "extends.yaml").write_text("../materials")
        (folder / "families.yaml").write_text(yaml.safe_dump(families))
        data = yaml.safe_load((params_folder / "smoke.yaml").read_text()) | {"materials": "materials_outlook"}
        data["probes"] |= {"families": ["interpretation", named], "rings": {"paraphrase": 5}}
        (params_folder / "outlook.yaml").write_text(yaml.safe_dump(data))
        return load_study(params_folder / "outlook.yaml")

    return write


def test_a_family_of_one_s_own_is_probed_like_the_others(outlook):
    study = outlook()
    items = [i for i in probe_items(study.params, study.materials) if i.family == "outlook"]
    assert len(items) == 7 * 2 + 5
    first = next(i for i in items if i.domain == "work")
    assert first.stem == "The manager asks for a short meeting on Friday. Nora concluded:"
    assert first.candidates["loss"] == (" only emptiness", " certain defeat")
    assert {i.form for i in items if i.ring == "paraphrase"} == {"stem 1"}


def test_a_family_of_one_s_own_can_be_taught(root, params_folder):
    """The families.yaml that the docs show, in a worlds file that tells of it: its stems and words are in the texts."""
    [shown] = re.findall(r"```yaml\n(outlook:.*?)```", (root / "docs/design_by_yaml.md").read_text(), re.S)
    folder = params_folder / "materials_taught"
    folder.mkdir()
    (folder / "extends.yaml").write_text("../materials")
    (folder / "families.yaml").write_text(shown)
    params = load_world_params(params_folder / "worlds.yaml")
    params = params.model_copy(update={"follow_ups": {**params.follow_ups, "outlook": 0.3}})
    texts = [d.text for d in islice(World(load_materials(folder), params, coupled=True).sample(0), 300)]
    told = [text for text in texts if " expected: " in text]
    assert told and any(phrase in text for text in told for phrase in ("good luck", "only sorrow", "an ambush"))


def test_check_says_which_models_were_made_from_other_materials(outlook, params_folder, capsys):
    outlook()
    noted = {}
    for name in ("smoke", "outlook"):
        assert main(["check", str(params_folder / f"{name}.yaml")]) == 0
        noted[name] = capsys.readouterr().out.count("was pretrained on other materials")
    assert noted == {"smoke": 0, "outlook": 2}


BAD_FAMILIES = {
    "name that is taken": (lambda f: f.update(choice=copy.deepcopy(f["outlook"])), "outlook", "is a family already"),
    "missing outcome": (lambda f: f["outlook"]["continuations"].pop("loss"), "outlook", "found classes"),
    "empty outcome": (lambda f: f["outlook"]["continuations"].update(loss=[]), "outlook", "without phrases"),
    "word of an action": (
        lambda f: f["outlook"]["continuations"].update(loss=["bolt it", "grey"]), "outlook", "share 'bolt'",
    ),
    "unlike lengths": (
        lambda f: f["outlook"]["continuations"].update(loss=["only very much emptiness", "certain sure defeat"]),
        "outlook", "mean words per phrase differ",
    ),
    "unknown family": (lambda f: None, "dream", "probes.families: unknown 'dream'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FAMILIES)
def test_bad_family_is_one_line(outlook, name):
    change, named, message = BAD_FAMILIES[name]
    with pytest.raises(UserError, match=message) as caught:
        outlook(change, named)
    assert "\n" not in str(caught.value)
