"""The worlds that a study names know its items, and lie in its folder."""

from __future__ import annotations

import shutil

import pytest

from priorshift.errors import ParamsError
from priorshift.pipeline.plan import hash_job_inputs
from priorshift.pipeline.study_worlds import list_worlds_files, load_study_worlds
from priorshift.study.load import load_study


@pytest.fixture
def study(write_study):
    """A study that asks for the priors, in a folder that a test may break."""
    return load_study(write_study(lambda data: data.update(mechanism={"prior_fit": {"worlds": "worlds.yaml"}})))


def make_worlds_from(study, materials):
    worlds = study.folder / "worlds.yaml"
    worlds.write_text(worlds.read_text().replace("materials: materials_worlds", f"materials: {materials}"))


def test_the_worlds_are_made_from_their_own_materials(study, materials):
    worlds = load_study_worlds(study)
    assert worlds["coupled"].materials == worlds["decoupled"].materials == materials != study.materials


@pytest.mark.parametrize(
    ("made_from", "said"),
    [
        ("materials", "is made from 'materials', and lacks the "),
        ("../outside", "leads out of the study's folder"),
        ("/etc", "leads out of the study's folder"),
        ('"a\\0b"', "materials"),
        ("materials_reassurance", "has other dispositions or domains"),
    ],
)
def test_worlds_that_do_not_know_the_study_are_refused(study, root, made_from, said):
    shutil.copytree(root / "params/materials_worlds", study.folder.parent / "outside")
    make_worlds_from(study, made_from)
    with pytest.raises(ParamsError, match=said):
        load_study_worlds(study)


def test_unequal_numbers_of_actions_have_no_known_truth(study):
    domain, (first, *rest) = next(iter(study.materials.domains.items()))
    more = first.actions | {"guard": (*first.actions["guard"], "lock the door", "bolt the gate")}
    domains = study.materials.domains | {domain: (first.model_copy(update={"actions": more}), *rest)}
    study.materials = study.materials.model_copy(update={"domains": domains})
    with pytest.raises(ParamsError, match="has not as many actions of each class"):
        load_study_worlds(study)


def test_the_worlds_materials_make_the_analysis_stale(study):
    before = hash_job_inputs(study, "08_mechanism", [])
    assert {path.name for path in list_worlds_files(study)} > {"worlds.yaml", "prose.yaml", "actions.yaml"}
    (study.folder / "materials_worlds/prose.yaml").open("a").write("# edited\n")
    assert hash_job_inputs(study, "08_mechanism", []) != before


def test_a_study_without_priors_has_no_worlds(write_study):
    assert list_worlds_files(load_study(write_study(lambda data: None))) == []
