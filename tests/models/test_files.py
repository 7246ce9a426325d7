"""Where a base model's files lie, and that one changed bit makes another model or a damaged one."""

from __future__ import annotations

import shutil

import pytest

from priorshift.errors import UserError
from priorshift.models.files import check_folder, hash_base_model, hash_files, locate, read_card
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams


@pytest.fixture
def folder(tmp_path):
    """A copy of an embedded model that a test may break."""
    shutil.copytree(EMBEDDED / "llama-coupled-0", tmp_path / "model")
    return tmp_path / "model"


def model(folder):
    return BaseModelParams(name="broken", source=str(folder))


def test_an_embedded_model_a_directory_and_a_hub_id_are_located(folder):
    embedded, card = locate(BaseModelParams(name="m", source="embedded:llama-coupled-0"))
    assert embedded == EMBEDDED / "llama-coupled-0" and card["world"] == "coupled"
    assert locate(model(folder)) == (folder, card)
    assert locate(BaseModelParams(name="m", source="someone/model")) == ("someone/model", {})


def test_a_damaged_card_is_one_line_and_one_of_another_kind_is_none(folder):
    path = folder / "card.json"
    path.write_text(path.read_text()[:30])
    with pytest.raises(UserError, match=r"card\.json: is damaged \(no JSON\)") as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)
    path.write_text('["a card of somebody else\'s"]')
    assert read_card(folder) == {}


def test_a_hub_model_that_is_not_at_hand_has_no_hash():
    assert hash_base_model(BaseModelParams(name="far", source="nobody/no-such-model-at-all")) == ""


def test_the_files_that_make_a_model_are_hashed_and_its_card_is_not(folder):
    before = hash_files(folder)
    assert before.keys() >= {"config.json", "model.safetensors", "tokenizer.json"} and "card.json" not in before
    (folder / "notes.md").write_text("no part of the model")
    assert hash_files(folder) == before
    (folder / "chat_template.jinja").write_text("part of the model")
    assert set(hash_files(folder)) == {*before, "chat_template.jinja"}


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_one_flipped_bit_is_damage_or_another_base_model(folder, name):
    before = hash_base_model(model(folder))
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(UserError, match=rf"{name}: is missing or damaged \(card.json has another hash\)"):
        hash_base_model(model(folder))
    # Without the card of a calibration model it is another model.
    (folder / "card.json").write_text("{}")
    assert hash_base_model(model(folder)) != before
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    assert hash_base_model(model(folder)) == before


@pytest.mark.parametrize("lacks", ["config.json", "tokenizer*", "*.safetensors"])
def test_a_folder_that_is_no_model_is_refused_before_anything_is_made(folder, lacks):
    check_folder(folder)
    for path in folder.glob(lacks):
        path.unlink()
    with pytest.raises(UserError, match=r"holds no .*; give the folder of a whole model") as caught:
        check_folder(folder)
    assert "\n" not in str(caught.value)
