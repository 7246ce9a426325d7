"""What a worlds file may say, alone and together with its materials."""

from __future__ import annotations

import re

import pytest
import yaml
from support.refusals import read_refusal

from priorshift.worlds.params import Pretraining, WorldParams, load_worlds

BAD = {
    "unknown follow-up": ({"follow_ups": {"choice": 0.5, "remindr": 0.5}}, "follow_ups: unknown 'remindr'"),
    "a single follow-up": ({"follow_ups": {"choice": 1.0}}, "give at least two a share"),
    "unknown text": ({"texts": {"dairy": 1.0}}, "'story_named'"),
    "unknown episode": ({"episode_kinds": {"preferences": 1.0}}, "'preference'"),
    "unknown form": ({"choice_forms": {"letterd": 1.0}}, "'lettered'"),
    "three levels": ({"scale_levels": [0.2, 0.3, 0.5]}, "found 3 shares, where the materials have scales with 4"),
    "levels beyond one": ({"scale_levels": [0.2, 0.3, 0.5, 0.24]}, "scale_levels: the shares sum to 1.24"),
    "shares beyond one": (
        {"episode_kinds": {"situation": 0.7, "scale": 0.4}}, "episode_kinds: the shares sum to 1.1",
    ),
    "episodes turned round": ({"episodes": [6, 1]}, "expected the least and then the most"),
    "a certain class": ({"own_class": 1.0}, "own_class: found 1.0"),
    "no such materials": ({"materials": "nowhere"}, "no such folder"),
    "unknown key": ({"own_clas": 0.9}, "own_clas"),
}  # fmt: skip


def rewrite(path, change):
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(data | change))
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_worlds_file_is_refused(name, params_folder):
    change, named = BAD[name]
    assert named in read_refusal(load_worlds, rewrite(params_folder / "worlds.yaml", change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tokens": {"llama-coupled": 1}}, "tokens: found no number for gpt_neox-coupled, gpt_neox-decoupled, llama-"),
        ({"weight_decay": {}}, "weight_decay: found no number"),
        ({"architectures": ["mamba"]}, "architectures"),
        ({"seeds": {"coupled": [-1], "decoupled": [0]}}, "seeds"),
        ({"seeds": {"coupled": [0, 0], "decoupled": [0]}}, "0 is given twice"),
        ({"seeds": {"coupled": [0]}}, "seeds: found none for decoupled"),
        ({"hidden": 0}, "hidden"),
    ],
)
def test_bad_pretraining_is_refused(change, named, params_folder):
    path = params_folder / "worlds.yaml"
    data = yaml.safe_load(path.read_text())
    rewrite(path, {"pretraining": data["pretraining"] | change})
    assert named in read_refusal(load_worlds, path)


def test_a_family_of_the_materials_needs_a_share(params_folder):
    folder = params_folder / "materials_more"
    folder.mkdir()
    (folder / "extends.yaml").write_text("../materials_worlds")
    words = {"benign": ["good luck"], "loss": ["only emptiness"], "threat": ["an ambush"]}
    family = {"stems": [{"named": "{name} concluded:", "first": "I concluded:"}], "continuations": words}
    (folder / "families.yaml").write_text(yaml.safe_dump({"outlook": family}))
    path = rewrite(params_folder / "worlds.yaml", {"materials": "materials_more"})
    assert "no share for the materials' family 'outlook'" in read_refusal(load_worlds, path)
    shares = {"choice": 0.5, "interpretation": 0.5, "outlook": 0.0}
    assert load_worlds(rewrite(path, {"follow_ups": shares}))[0].follow_ups == shares


@pytest.mark.parametrize("name", ["worlds", "worlds_reassurance"])
def test_shipped_worlds_are_good(name, root):
    params, materials = load_worlds(root / "params" / f"{name}.yaml")
    assert len(params.scale_levels) == 4 and len(materials.dispositions) == {"worlds": 3}.get(name, 4)


def test_every_key_of_a_worlds_file_is_explained():
    for section in (WorldParams, Pretraining):
        described = section.__doc__.partition("----------\n")[2]
        names = re.findall(r"^    ([\w, ]+) : ", described, re.MULTILINE)
        assert sorted(key for group in names for key in group.split(", ")) == sorted(section.model_fields)
