"""A base model can be built from the documented command's own function, at tiny size."""

from __future__ import annotations

import json

import pytest
import yaml

from priorshift.materials.load import hash_materials
from priorshift.study.paths import EMBEDDED
from priorshift.worlds.generator import World
from priorshift.worlds.pretrain import build_model, build_models, hash_settings, make_tokenizer


def test_tokenizer_is_lossless_and_knows_every_word(materials, world_params):
    world = World(materials, world_params, coupled=True)
    tokenizer = make_tokenizer(world, n_texts=6000)
    stream = world.sample(5)
    for _ in range(200):
        text = next(stream).text
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id and tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids[1:]) == text


def test_build_writes_a_model_and_its_card(params_folder, tmp_path):
    path = params_folder / "worlds.yaml"
    data = yaml.safe_load(path.read_text())
    data["held_out_texts"] = 40
    data["pretraining"] |= {
        "hidden": 32,
        "layers": 1,
        "heads": 2,
        "architectures": ["gpt_neox"],
        "worlds": ["decoupled"],
        "tokens": {"gpt_neox-decoupled": 30_000},
        "compile": False,
    }
    path.write_text(yaml.safe_dump(data))
    card = build_model(path, "gpt_neox-decoupled-1", tmp_path / "model", progress=lambda line: None)
    assert json.loads((tmp_path / "model" / "card.json").read_text()) == card
    # Materials, worlds and place are this model's own: what the card says makes it again.
    assert card["data"].endswith(f"generated from {params_folder / 'materials_worlds'}")
    assert f"-p worlds {path} -p folder {tmp_path} -p base_model gpt_neox-decoupled-1" in card["rebuild"]
    assert card["world"] == "decoupled" and card["seed"] == 1 and card["tokens"] >= 30_000
    # Better than guessing among the words, worse than the generator itself.
    assert card["entropy"] < card["loss"] < 6.5
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 2_500_000


def test_kept_models_of_other_settings_are_named(params_folder, tmp_path, capsys):
    names, made = ["llama-coupled-0", "gpt_neox-decoupled-1"], tmp_path / "models"
    for name in names:
        (made / name).mkdir(parents=True)
        (made / name / "card.json").write_text((EMBEDDED / name / "card.json").read_text())
    build_models(params_folder / "worlds.yaml", names, False, made)
    assert capsys.readouterr().out == ""
    path = params_folder / "worlds.yaml"
    data = yaml.safe_load(path.read_text())
    data["pretraining"]["tokens"]["gpt_neox-decoupled"] += 1
    path.write_text(yaml.safe_dump(data))
    build_models(path, names, False, made)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("gpt_neox-decoupled-1: made from other worlds")
    assert "base_model=gpt_neox-decoupled-1 rebuild=True" in line
    (params_folder / "materials_worlds/prose.yaml").open("a").write("# more\n")
    build_models(path, names, False, made)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(";")[0].partition(": ")[2] for line in said] == [
        "made from other materials", "made from other materials and worlds",
    ]  # fmt: skip
    assert sorted(path.name for path in made.iterdir()) == sorted(names)


@pytest.mark.parametrize("folder", sorted(p for p in EMBEDDED.iterdir() if p.is_dir()), ids=lambda p: p.name)
def test_shipped_models_have_converged_on_these_worlds_and_materials(folder, root, world_params):
    card = json.loads((folder / "card.json").read_text())
    assert card["name"] == folder.name
    assert card["gap"] <= 0.008 and card["gap"] == pytest.approx(card["loss"] - card["entropy"])
    assert card["materials_hash"] == hash_materials(root / "params/materials_worlds")
    assert card["worlds_hash"] == hash_settings(world_params, card["architecture"], card["world"])
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_500_000
