"""Any YAML at all: an accepted study or a named error in one line, never a traceback."""

from __future__ import annotations

import copy
import shutil

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from priorshift.errors import MaterialsError, ParamsError, UserError
from priorshift.materials.load import load_materials
from priorshift.materials.questionnaires import read_scales
from priorshift.study.load import load_study
from priorshift.yaml_files import read_yaml

TEXT = st.text(max_size=12)
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), st.none())
PLACES = [
    "\U0001f600" * 80,
    "x" * 300,
    "0x" + "f" * 5000,
    "all",
    "..",
    "/",
    "../x",
    "a\0b",
    "embedded:",
    "embedded:../x",
    "uniform",
    "\u202e",
    "-1",
    "",
    " ",
]
SPECIAL = st.sampled_from(PLACES)
PLAIN = st.one_of(NUMBERS, TEXT, SPECIAL)
VALUES = st.recursive(PLAIN, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6)
CHARACTERS = "abc:-[]{},&*!|>'\"#%@`?~ \t\n01.\r\0\u2028\ud7ff"
TAGS = [
    "<<: ",
    "!!set ",
    "!!binary ",
    "? ",
    "---\n",
    "2001-02-30",
    "0x",
    "1e999",
    "!!python/name:os.system ",
    ".nan",
    "!!bool ",
    "!!timestamp ",
    "!!int ",
    "!!float ",
    "!!null ",
]
YAML_TEXT = st.lists(st.sampled_from([*CHARACTERS, *TAGS, "*a", "&a "]), max_size=25).map("".join)


def places(data, path=()):
    """Every place of a parsed file, as the keys that lead there."""
    yield path
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from places(value, (*path, key))


def replaced(data, path, value):
    data = copy.deepcopy(data)
    if not path:
        return value
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


def accepts_or_names(load, path):
    try:
        return load(path)
    except UserError as problem:
        assert str(problem) and "\n" not in str(problem), str(problem)
        return None


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    shutil.copytree(root / "params", tmp_path_factory.getbasetemp() / "fuzz")
    (tmp_path_factory.getbasetemp() / "fuzz" / "mine.csv").write_text(
        "scale,outcome,text,key\nmine,loss,All is lost.,1\n"
    )
    return tmp_path_factory.getbasetemp() / "fuzz"


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_anywhere_in_a_study(folder, data):
    study = yaml.safe_load((folder / "smoke.yaml").read_text())
    study["probes"] |= {"scales_csv": "mine.csv", "scale_orders": 4}
    place = data.draw(st.sampled_from(list(places(study))))
    path = folder / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(replaced(study, place, data.draw(VALUES))), encoding="utf-8")
    loaded = accepts_or_names(load_study, path)
    if loaded is not None:
        assert loaded.paths.root.resolve().is_relative_to(loaded.paths.root.parent.resolve())
        for run in loaded.select("all", "all", "all"):
            assert loaded.paths.run(*run).resolve().is_relative_to(loaded.paths.root.resolve())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_anywhere_in_materials(folder, data):
    name = data.draw(st.sampled_from(["actions", "domains", "forms", "preferences", "scales", "dispositions"]))
    path = folder / "materials_worlds" / f"{name}.yaml"
    whole = path.read_text(encoding="utf-8")
    content = yaml.safe_load(whole)
    place = data.draw(st.sampled_from(list(places(content))))
    try:
        path.write_text(yaml.safe_dump(replaced(content, place, data.draw(VALUES)), sort_keys=False), encoding="utf-8")
        accepts_or_names(load_materials, path.parent)
    finally:
        path.write_text(whole, encoding="utf-8")


CELLS = st.lists(st.sampled_from([*'abc,"\n\r\t 1-\0', "1", "-1", "loss", "mine", "\u2028", "a" * 5000]), max_size=30)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELLS.map("".join), max_size=6), st.booleans())
def test_any_csv_at_all(folder, lines, with_header):
    path = folder / "scales.csv"
    path.write_text("\n".join([*(["scale,outcome,text,key"] if with_header else []), *lines]), encoding="utf-8")
    accepts_or_names(read_scales, path)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(YAML_TEXT, st.text()).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=40))
def test_any_bytes_at_all(folder, content):
    path = folder / "bytes.yaml"
    path.write_bytes(content)
    accepts_or_names(lambda path: read_yaml(path, ParamsError), path)
    accepts_or_names(load_study, path)


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "a: " * 3000, "- " * 5000, "{a: " * 5000, "seeds: [" + "9" * 5000 + "]", "? " * 2000],
    ids=["lists", "maps", "items", "flow maps", "long number", "keys"],
)
def test_bombs_are_defused(folder, text):
    path = folder / "bomb.yaml"
    path.write_text(text)
    with pytest.raises((ParamsError, MaterialsError)):
        load_study(path)
