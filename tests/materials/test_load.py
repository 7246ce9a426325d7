"""Folders of materials: what is read, what one folder adds to another, and what the hash stands for."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml
from support.refusals import read_refusal

from priorshift.materials.load import hash_materials, list_materials_files, load_materials


@pytest.fixture(scope="module")
def four(root):
    return load_materials(root / "params" / "materials_reassurance")


def test_a_folder_adds_to_the_one_it_extends(four, materials):
    assert list(four.all_actions) == ["engage", "withdraw", "guard", "seek"]
    assert four.all_actions["guard"] == materials.all_actions["guard"] and four.domains == materials.domains
    assert four.dispositions["secure"].share == 0.4 and four.find_outcome("seek") == "worry"
    assert set(four.scales) == {*materials.scales, "anxiety_style"}


def test_shipped_additions_are_matched_to_the_rest(four):
    assert Counter(len(p.split()) for p in four.actions["seek"]) == {3: 12, 4: 12}
    keys = [item.key for item in four.scales["anxiety_style"].items]
    assert keys.count(-1) == len(keys) / 3


def test_maps_are_joined_at_every_depth_and_lists_replaced(four, params_folder):
    folder = params_folder / "materials_reassurance"
    forms = yaml.safe_load((folder / "forms.yaml").read_text())
    labels = ["not at all", "a little", "rather", "very much"]
    (folder / "forms.yaml").write_text(yaml.safe_dump(forms | {"scale": {"labels": {"agreement": labels}}}))
    form = load_materials(folder).forms.scale
    assert form.labels["agreement"] == tuple(labels) and form.prompt == four.forms.scale.prompt
    assert form.labels["frequency"] == four.forms.scale.labels["frequency"]


def test_exceptions_that_are_inherited_for_words_left_out_are_gone(small, materials):
    assert {"cheerily", "probe", "number"} == set(materials.exceptions) and set(small.exceptions) == {"number"}


@pytest.mark.parametrize("content", ["../nowhere", "[../materials]", "../materials_reassurance"])
def test_extending_nothing_usable_is_refused(params_folder, content):
    (params_folder / "materials_reassurance" / "extends.yaml").write_text(content)
    said = read_refusal(load_materials, params_folder / "materials_reassurance")
    assert "extends.yaml: found " in said and "; expected the path" in said


def test_missing_unknown_and_empty_files_are_refused(params_folder):
    folder = params_folder / "materials_worlds"
    (folder / "poems.yaml").write_text("- a")
    assert "poems.yaml: unknown materials file" in read_refusal(load_materials, folder)
    (folder / "poems.yaml").unlink()
    prose = (folder / "prose.yaml").read_text()
    (folder / "prose.yaml").unlink()
    assert "prose.yaml: no such file" in read_refusal(load_materials, folder)
    (folder / "prose.yaml").write_text("")
    assert "prose.yaml: the file is empty" in read_refusal(load_materials, folder)
    (folder / "prose.yaml").write_text(prose + "- 7\n")
    assert "prose" in (said := read_refusal(load_materials, folder)) and "found 7" in said
    assert "no such folder" in read_refusal(load_materials, folder / "prose.yaml")


def test_function_words_may_stand_in_lines(materials, params_folder):
    path = params_folder / "materials_worlds" / "function_words.yaml"
    lines = yaml.safe_load(path.read_text())
    assert any(" " in line for line in lines)
    assert list(materials.function_words) == [word for line in lines for word in line.split()]


def test_the_hash_covers_both_folders_and_no_path(root, params_folder):
    folder = params_folder / "materials_reassurance"
    before = hash_materials(folder)
    assert before == hash_materials(root / "params" / "materials_reassurance")
    assert len(list_materials_files(folder)) == 9 + len(list_materials_files(params_folder / "materials_worlds"))
    (params_folder / "materials_worlds" / "prose.yaml").open("a").write("- The lamp is lit at dusk.\n")
    assert hash_materials(folder) != before


def test_what_people_decided_of_the_words_is_in_no_hash(params_folder):
    folder = params_folder / "materials_worlds"
    before = hash_materials(folder)
    (folder / "exceptions.yaml").open("a").write("lantern: A reason.\n")
    assert hash_materials(folder) == before and load_materials(folder).exceptions["lantern"] == "A reason."


def test_graded_phrases_are_read_in_order_with_their_grades(natural):
    assert natural.feelings["loss"][:2] == ("tired", "low")
    assert natural.grades["tired"] == "mild" and natural.grades["desolate"] == "strong"
    counts = {o: Counter(natural.grades[p] for p in natural.feelings[o]) for o in natural.feelings}
    assert counts["loss"] == counts["threat"] == counts["benign"] == {"mild": 6, "moderate": 6, "strong": 4}


def test_a_phrase_of_two_intensities_is_refused(params_folder):
    folder = params_folder / "materials"
    path = folder / "interpretations.yaml"
    path.write_text(path.read_text().replace("a tragedy", "hopeless"))
    said = read_refusal(load_materials, folder)
    assert "'hopeless' is moderate here and strong in an earlier file" in said
