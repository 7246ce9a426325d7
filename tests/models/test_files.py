"""Damaged base models, and words that none of them can read: one line, naming what to do."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from priorshift.errors import UserError
from priorshift.models.base import check_texts, load_base
from priorshift.models.files import base_hash, check_folder
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams


@pytest.fixture
def folder(tmp_path):
    """A copy of an embedded model that a test may break."""
    shutil.copytree(EMBEDDED / "llama-coupled-0", tmp_path / "model")
    return tmp_path / "model"


def model(folder):
    return BaseModelParams(name="broken", source=str(folder))


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def poison(folder):
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[3]
    weights[name].view(-1)[5] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


FAULTS = {
    "truncated weights": (lambda f: half(f / "model.safetensors"), "cannot load"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "cannot load"),
    "truncated config": (lambda f: half(f / "config.json"), "cannot load"),
    "truncated tokenizer": (lambda f: half(f / "tokenizer.json"), "cannot load"),
    "NaN in a weight": (poison, "holds NaN or infinity"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_base_model_is_one_line(folder, fault):
    breaks, said = FAULTS[fault]
    breaks(folder)
    with pytest.raises(UserError, match=r"^base_models: broken: ") as caught:
        load_base(model(folder))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_card_is_one_line_and_one_of_another_kind_is_none(folder):
    half(folder / "card.json")
    with pytest.raises(UserError, match=r"card\.json: is damaged \(no JSON\)") as caught:
        load_base(model(folder))
    assert "\n" not in str(caught.value)
    (folder / "card.json").write_text('["a card of somebody else\'s"]')
    assert load_base(model(folder)).world == ""


def test_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    params = BaseModelParams(name="far", source="nobody/no-such-model-at-all")
    with pytest.raises(UserError, match=r"^base_models: far: cannot load .* or (give )?a directory$") as caught:
        load_base(params)
    assert "\n" not in str(caught.value)
    assert base_hash(params) == ""


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_one_flipped_bit_is_damage_or_another_base_model(folder, name):
    before = base_hash(model(folder))
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(UserError, match=rf"{name}: is missing or damaged \(card.json has another hash\)"):
        base_hash(model(folder))
    # Without the card of a calibration model it is another model.
    (folder / "card.json").write_text("{}")
    assert base_hash(model(folder)) != before
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    assert base_hash(model(folder)) == before


@pytest.mark.parametrize("lacks", ["config.json", "tokenizer*", "*.safetensors"])
def test_a_folder_that_is_no_model_is_refused_before_anything_is_made(folder, lacks):
    check_folder(folder)
    for path in folder.glob(lacks):
        path.unlink()
    with pytest.raises(UserError, match=r"holds no .*; give the folder of a whole model") as caught:
        check_folder(folder)
    assert "\n" not in str(caught.value)


STRANGE = ["the \x07 bell", "\u05e9\u05dc\u05d5\u05dd at work", "work \U0001f600", "a\u202eb", "work\u2028rest"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_is_refused_in_one_line(text):
    base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
    with pytest.raises(UserError, match="does not know a word of") as caught:
        check_texts(base, [text])
    assert len(str(caught.value).splitlines()) == 1


def test_a_huge_stem_is_refused_before_anything_is_trained():
    base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
    huge = " and ".join(["The old project moves to another team"] * 100)
    with pytest.raises(
        UserError, match=r"'The old project .*' has 8\d\d tokens, and the model reads at most 512; "
    ) as caught:
        check_texts(base, ["The old project moves to another team.", huge])
    assert len(str(caught.value)) < 200
