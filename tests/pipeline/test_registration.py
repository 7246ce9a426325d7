"""A registration: what its hash binds, when it counts, and what it makes of claims."""

from __future__ import annotations

import random
import shutil

import pandas as pd
import pytest
import yaml
from support.refusals import read_refusal
from support.tiny_study import RUN

from priorshift.files import read_record, write_record
from priorshift.pipeline.analyse import read_items, tabulate_claims, tabulate_robustness
from priorshift.pipeline.records import date_measurement, find_first_measurement, locate_measurement_record
from priorshift.pipeline.registration import (
    STANDING,
    hash_design,
    list_differences,
    locate_registration,
    make_design,
    mark_registration,
    read_registration,
    register_study,
    tabulate_registration,
)
from priorshift.study.load import load_study

EARLY, LATE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """params/ with its materials: hub models are not there, and none can be reached."""
    return shutil.copytree(root / "params", tmp_path_factory.mktemp("register") / "params")


def load(folder, change=lambda data: None, name="smoke"):
    """A study of the folder with changes applied by a function of the parsed file."""
    data = yaml.safe_load((folder / f"{name}.yaml").read_text())
    change(data)
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return load_study(path, folder.parent / "outputs")


def read_design(folder, change=lambda data: None):
    return make_design(load(folder, change))


def use_twelve_models(data):
    kinds = [f"{architecture}-{world}" for architecture in ("llama", "gpt_neox") for world in ("coupled", "decoupled")]
    data["base_models"] = [f"{kind}-{number}" for kind in kinds for number in range(3)]


CHANGES = {
    "twelve base models": (use_twelve_models, ["base_models"]),
    "a control less": (lambda data: data["inference"]["controls"].pop(), ["controls"]),
    "a condition less": (
        lambda data: [data["inference"]["controls"].pop(), data["conditions"].pop("random_prior")],
        ["controls", "conditions"],
    ),
    "a seed more": (lambda data: data["seeds"].append(2), ["seeds"]),
    "another direction": (lambda data: data["inference"]["claims"][0].update(direction="decrease"), ["claims"]),
    "no direction": (lambda data: data["inference"]["claims"][0].pop("direction"), ["claims"]),
    "a claim less": (lambda data: data["inference"]["claims"].pop(), ["claims"]),
    "another smallest effect": (lambda data: data["inference"].update(smallest_effect=0.4), ["smallest_effect"]),
    "another reason": (
        lambda data: data["inference"].update(smallest_effect_reason="why not"), ["smallest_effect_reason"]
    ),
    "another alpha": (lambda data: data["inference"].update(alpha=0.01), ["alpha"]),
    "an exclusion": (lambda data: data.update(exclusion={"ngram": 5}), ["exclusion"]),
    "another rank": (lambda data: data["training"].update(rank=8), ["training"]),
    "fewer families": (lambda data: data["probes"]["families"].remove("feeling"), ["probes"]),
    "other materials": (lambda data: data.update(materials="materials_reassurance"), ["materials"]),
    "a neutral condition before the first": (
        lambda data: data.update(conditions={"other": {"task": "preferences"}, **data["conditions"]}),
        ["conditions", "reference"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_another_design_has_another_hash_and_names_what_differs(folder, name):
    change, parts = CHANGES[name]
    before, after = read_design(folder), read_design(folder, change)
    assert hash_design(before) != hash_design(after)
    assert list_differences(before, after) == parts


def shuffle(value, rng):
    """The same YAML with the keys of its maps in another order."""
    if isinstance(value, dict):
        return {key: shuffle(value[key], rng) for key in rng.sample(list(value), len(value))}
    return [shuffle(each, rng) for each in value] if isinstance(value, list) else value


def test_what_no_result_depends_on_leaves_the_hash(folder):
    def rewrite(data):
        data["inference"]["claims"].reverse()
        more = {"analyses": ["04_test"], "shard": "run", "resources": {"gpus": 1}, "exclusion": {}, "backend": "auto"}
        turned = shuffle(data | more | {"study": "renamed"}, random.Random(0))
        assert list(turned) != list(data | more)
        data.clear()
        data.update(turned)

    assert make_design(load(folder)) == read_design(folder, rewrite)
    path = folder / "smoke.yaml"
    commented = folder / "commented.yaml"
    commented.write_text("# Another comment.\n" + path.read_text())
    assert hash_design(make_design(load_study(commented))) == hash_design(make_design(load_study(path)))


@pytest.mark.parametrize("name", ["smoke", "embedded", "paper", "design", "reassurance"])
def test_a_registration_is_read_back_as_it_was_written(folder, name):
    study = load_study(folder / f"{name}.yaml", folder.parent / "outputs")
    made, path = register_study(study), locate_registration(study)
    text = path.read_text()
    assert path == folder / f"registrations/{name}.yaml" and "direction: increase" in text
    assert read_registration(study) == made and made.sha256 == hash_design(make_design(study))
    assert made.design["materials"] == study.materials_hash and len(made.analysis["code"]) == 64
    assert register_study(study) == made and path.read_text() == text


def test_another_design_under_the_same_name_is_refused_and_the_file_stays(folder):
    study = load(folder, lambda data: data.update(study="kept"))
    register_study(study)
    before = locate_registration(study).read_text()
    other = load(folder, lambda data: [data.update(study="kept", seeds=[0, 1, 2]), use_twelve_models(data)])
    said = read_refusal(register_study, other)
    assert "registrations/kept.yaml: found another design" in said and "(base_models, seeds differ)" in said
    assert "new name" in said and locate_registration(other).read_text() == before


DAMAGES = {
    "a seed by hand": (lambda text: text.replace("  seeds:\n  - 0\n", "  seeds:\n  - 7\n"), "sha256 is"),
    "no map": (lambda text: "seeds\n", "expected"),
    "no date": (lambda text: text.replace("registered: '2", "registered: 'x"), "registered"),
    "a key more": (lambda text: text + "more: 1\n", "unknown key 'more'"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_registration_changed_by_hand_is_refused(folder, name):
    damage, named = DAMAGES[name]
    study = load(folder, lambda data: data.update(study="damaged"))
    path = locate_registration(study)
    path.unlink(missing_ok=True)
    register_study(study)
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    said = read_refusal(tabulate_registration, study)
    assert named in said and str(path) in said


# -- when it counts ----------------------------------------------------------------------------------


@pytest.fixture
def measured(study, tmp_path):
    """The measured tiny study, its YAML file's folder a copy of its own."""
    study.folder = shutil.copytree(study.folder, tmp_path / "params")
    return study


def date_all(study, first):
    """Write another date (None: no date) into every measurement's record."""
    for path in study.paths.root.glob("measurements/*/*/*/measured.json"):
        record = read_record(path)
        record.pop("first_measured")
        write_record(path, record | ({"first_measured": first} if first else {}))


def test_a_measurement_keeps_the_date_of_the_first(measured):
    path = locate_measurement_record(measured, RUN)
    first = read_record(path)["first_measured"]
    assert first == date_measurement(measured, RUN) and first.startswith("20") and first.endswith("Z")
    date_all(measured, EARLY)
    assert date_measurement(measured, RUN) == find_first_measurement(measured) == EARLY
    path.unlink()
    assert date_measurement(measured, RUN) >= first
    date_all(measured, None)
    assert find_first_measurement(measured) == ""
    shutil.rmtree(measured.paths.root)
    assert find_first_measurement(measured) is None


STATES = {"before": (LATE, "registered"), "after": (EARLY, "declared"), "at no known date": (None, "declared")}


@pytest.mark.parametrize("name", STATES)
def test_claims_are_confirmatory_only_where_the_registration_is_older_than_the_data(measured, name):
    first, status = STATES[name]
    date_all(measured, first)
    made = register_study(measured)
    standing = tabulate_registration(measured)
    (row,) = standing.to_dict("records")
    assert list(row) == STANDING and row["status"] == status and row["late"] == (status == "declared")
    assert (row["sha256"], row["registered"], row["differs"], row["analysis"]) == (
        made.sha256, made.registered, "", "same"
    )  # fmt: skip
    assert row["registration"] == (made.sha256[:12] if status == "registered" else "")


def test_a_study_run_under_another_design_is_not_registered(measured):
    date_all(measured, LATE)
    register_study(measured)
    path = locate_registration(measured)
    data = yaml.safe_load(path.read_text())
    data["design"]["seeds"] = [0, 1, 2]
    path.write_text(yaml.safe_dump(data | {"sha256": hash_design(data["design"])}))
    (row,) = tabulate_registration(measured).to_dict("records")
    assert (row["status"], row["registration"], row["differs"], row["late"]) == ("declared", "", "seeds", False)


def test_another_version_of_the_analysis_is_told_and_voids_nothing(measured):
    date_all(measured, LATE)
    register_study(measured)
    path = locate_registration(measured)
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(data | {"analysis": {"priorshift": "0.1", "code": "0" * 64}}))
    (row,) = tabulate_registration(measured).to_dict("records")
    assert (row["status"], row["analysis"]) == ("registered", "other")


def test_every_table_of_claims_has_the_hash_or_an_empty_cell(measured):
    items = read_items(measured, measured.select("all", "all", "all"))
    plain = tabulate_claims(measured, items)
    assert plain["registration"]["status"].tolist() == ["declared"]
    assert set(plain["not_estimable"]["role"]) == {"declared", "exploratory"}
    date_all(measured, LATE)
    short = register_study(measured).sha256[:12]
    tables = tabulate_claims(measured, items) | tabulate_robustness(measured, items)
    assert set(tables["not_estimable"]["role"]) == {"confirmatory", "exploratory"}  # unit `base` has one checkpoint
    for name, table in tables.items():
        assert table["registration"].eq(short).all(), name
        if name in plain and name != "registration":
            assert plain[name]["registration"].eq("").all(), name
            same = plain[name].drop(columns="registration").replace({"role": {"declared": "confirmatory"}})
            pd.testing.assert_frame_equal(table.drop(columns="registration"), same)


def test_only_declared_rows_are_called_confirmatory():
    tables = {"a": pd.DataFrame({"role": ["declared", "exploratory"]}), "b": pd.DataFrame({"power": [0.8]})}
    standing = pd.DataFrame({"registration": ["0123"]})
    made = mark_registration(tables, standing)
    assert made["a"]["role"].tolist() == ["confirmatory", "exploratory"]
    assert made["b"]["registration"].tolist() == ["0123"] and "registration" not in tables["b"]
    assert mark_registration(tables, standing.assign(registration=""))["a"]["role"].tolist() == [
        "declared",
        "exploratory",
    ]
