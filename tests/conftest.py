"""Fixtures that several test files use."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from support.disks import full_disk, read_only  # noqa: F401 (fixtures)
from support.study_runs import make_workplace

from priorshift.materials.load import load_materials
from priorshift.study.load import load_study
from priorshift.worlds.params import load_world_params

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures that a test drew are closed behind it, where it drew any."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def materials():
    return load_materials(ROOT / "params" / "materials_worlds")


@pytest.fixture(scope="session")
def natural():
    """The materials for real models; `materials` are those of the calibration worlds."""
    return load_materials(ROOT / "params" / "materials")


@pytest.fixture(scope="session")
def small():
    """What studies of small models take from the language of the calibration worlds."""
    return load_materials(ROOT / "params" / "materials_small")


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory, materials):
    """Family -> a model directory of it, as a hub has them."""
    from support.tiny_models import FAMILIES, make_model  # torch and trl: seconds, for those tests alone

    place = tmp_path_factory.mktemp("models")
    return {family: make_model(family, place / family, materials) for family in FAMILIES}


@pytest.fixture(scope="session")
def world_params():
    return load_world_params(ROOT / "params" / "worlds.yaml")


@pytest.fixture(scope="session")
def smoke():
    return load_study(ROOT / "params" / "smoke.yaml")


@pytest.fixture
def params_folder(tmp_path):
    """A copy of params/ that a test may break."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    return tmp_path / "params"


@pytest.fixture
def write_study(params_folder):
    """Write smoke.yaml with changes applied by a function of the parsed file; returns its path."""

    def write(change):
        path = params_folder / "smoke.yaml"
        data = yaml.safe_load(path.read_text())
        replaced = change(data)
        path.write_text(yaml.safe_dump(data if replaced is None else replaced, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory):
    """The smallest study that has every step: one base model, two conditions, two seeds."""
    folder = tmp_path_factory.mktemp("tiny") / "params"
    shutil.copytree(ROOT / "params", folder)
    data = yaml.safe_load((folder / "smoke.yaml").read_text())
    data |= {"study": "tiny", "base_models": ["llama-coupled-0"], "train_domains": ["work"]}
    data["conditions"] = {name: data["conditions"][name] for name in ("depression", "neutral")}
    data["training"] |= {"examples": 16, "batch_size": 4, "rank": 1, "alpha": 1}
    data["probes"] = {
        "families": ["interpretation", "feeling", "choice"],
        "situations_per_domain": 1,
        "continuations_per_class": 2,
        "retention_texts": 2,
    }
    data["inference"] |= {"controls": ["neutral"], "treatments": ["depression"]}
    del data["inference"]["claims"][1]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return folder / "tiny.yaml"


@pytest.fixture
def clone(root, tiny_yaml, tmp_path, monkeypatch):
    """A clone with the tiny study, and in it: nothing is done yet."""
    folder = make_workplace(root, tmp_path / "clone")
    (folder / "params/tiny.yaml").write_text(tiny_yaml.read_text())
    monkeypatch.chdir(folder)
    return folder
