"""A step's hash changes with the code that the step runs, and with no other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from priorshift import pipeline
from priorshift.finished import CHOICE_CODE, DATA_CODE, MEASUREMENT_CODE, RUN_CODE
from priorshift.params import load_study
from priorshift.paths import PACKAGE
from priorshift.source import _hash, _read, _uses, notebook_roots, reachable, source_hash

TOP = """
import math
from pkg.low import helper
from pkg import other as o
LIMIT = 3

def step(x):
    return helper(x) + LIMIT

def unused():
    return math.pi

def whole():
    return o.f()
"""
LOW = """
def helper(x):
    return _inner(x)

def _inner(x):
    return x

def far():
    return 0
"""
OTHER = """
def f():
    return 1

def g():
    return 2
"""
PIECES = {"top.py": TOP, "low.py": LOW, "other.py": OTHER}


@pytest.fixture
def package(tmp_path):
    """Makes a package of its own, with one text replaced."""

    def make(old="", new=""):
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "pkg"
        folder.mkdir(parents=True)
        for name, text in PIECES.items():
            (folder / name).write_text(text.replace(old, new) if old else text)
        return folder

    return make


def test_what_is_reached_by_hand(package):
    assert reachable(package(), ["top.step"]) == {
        ("top", "step"), ("top", "LIMIT"), ("low", "helper"), ("low", "_inner"),
    }  # fmt: skip
    assert reachable(package(), ["top.whole"]) == {("top", "whole"), ("other", "f"), ("other", "g")}
    assert ("top", "math") in reachable(package(), ["top.unused"])


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [
        ("return x\n", "return -x\n", True),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("return helper(x) + LIMIT", "return helper(x) - LIMIT", True),
        ("import math\n", "import math\nprint('patched')\n", True),
        ("math.pi", "math.e", False),
        ("return 0", "return 7", False),
        ("return 2", "return 7", False),
        ("import math\n", "import cmath as math\n", False),
    ],
)
def test_hash_changes_with_reached_code_alone(package, old, new, matters):
    before, after = _hash(package(), ("top.step",)), _hash(package(old, new), ("top.step",))
    assert (before != after) == matters


def test_where_an_imported_name_comes_from_counts(package):
    before = _hash(package(), ("top.unused",))
    assert before != _hash(package("import math\n", "import cmath as math\n"), ("top.unused",))


def written(folder, **texts):
    """A package of its own from the text of each module."""
    folder = folder / "pkg"
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_place_layout_comments_and_docstrings_do_not_count(package, tmp_path):
    plain = """
import math
class Kept:
    size: int = 3
    def all(self, x):
        return ("a" + f"{x}", [math.pi,])
def step(x):
    return Kept().all(inner(x))
def inner(x):
    return x if x else None
"""
    moved = '''"""A module."""
from pkg.elsewhere import step
from pkg import low
'''
    elsewhere = '''"""Another one."""
from typing import TYPE_CHECKING
import math  # for pi
if TYPE_CHECKING:
    import pandas
class Kept:
    """What is kept."""
    # In words.
    size: int = 3
    "a note"
    def all(self, x):
        """Both."""
        return ('a' + f'{x}',
                [math.pi])
def step(x):
    """Does it."""
    from pkg.low import inner
    return Kept().all(
        inner(x)
    )
'''
    low = "def inner(x):\n    return (x\n            if x else None)\n"
    before = _hash(written(tmp_path / "before", top=plain), ("top.step",))
    after = written(tmp_path / "after", top=moved, elsewhere=elsewhere, low=low)
    assert _hash(after, ("top.step",)) == before
    (after / "low.py").write_text(low.replace("None", "0"))
    _read.cache_clear(), _uses.cache_clear(), _hash.cache_clear()
    assert _hash(after, ("top.step",)) != before


def test_which_of_two_definitions_of_one_name_is_called_counts(tmp_path):
    """Also where they differ only in what they call in turn: both are reached either way."""
    top = "from pkg.a import f\nfrom pkg import a, b\ndef step():\n    return f() + a.g() + b.g()\n"
    each = "from pkg.{name}_low import inner\ndef f():\n    return inner()\ndef g():\n    return f()\n"
    low = {"a_low": "def inner():\n    return 1\n", "b_low": "def inner():\n    return 2\n"}
    texts = {name: each.format(name=name) for name in "ab"} | low
    one = _hash(written(tmp_path / "1", top=top, **texts), ("top.step",))
    other = _hash(written(tmp_path / "2", top=top.replace("pkg.a ", "pkg.b "), **texts), ("top.step",))
    assert one != other


def test_renamed_root_is_an_error():
    with pytest.raises(KeyError, match=r"training\.gone"):
        source_hash("training.gone")


@pytest.mark.parametrize("code", [RUN_CODE, DATA_CODE, MEASUREMENT_CODE, CHOICE_CODE])
def test_inference_figures_and_wording_reach_no_run(code):
    assert not {"inference", "figures", "wording", "limits", "report", "summaries"} & {
        m for m, _ in reachable(PACKAGE, code)
    }


def test_notebook_roots_are_its_imports(root):
    notebook = json.loads((root / "notebooks" / "04_test.ipynb").read_text())
    found = notebook_roots(notebook)
    assert "inference.claims" in found and "pipeline.read_measurements" in found


def test_every_function_that_a_step_runs_is_in_its_hash(tiny_yaml, tmp_path, monkeypatch):
    """The independent check: what Python really calls, against what was read from the code."""
    monkeypatch.chdir(tmp_path)
    ran = {}

    def traced(name, roots):
        function = getattr(pipeline, name)

        def watch(frame, event, argument):
            path = Path(frame.f_code.co_filename)
            if event == "call" and path.parent == PACKAGE:
                ran.setdefault(roots, set()).add((path.stem, frame.f_code.co_qualname.split(".")[0]))

        def wrapped(*arguments, **named):
            sys.setprofile(watch)
            try:
                return function(*arguments, **named)
            finally:
                sys.setprofile(None)

        monkeypatch.setattr(pipeline, name, wrapped)

    for name, roots in [
        ("synthesize", DATA_CODE), ("audit", DATA_CODE), ("to_jsonl", DATA_CODE), ("train_run", RUN_CODE),
        ("_probe_base", MEASUREMENT_CODE), ("Scorer", MEASUREMENT_CODE), ("load_base", RUN_CODE),
    ]:  # fmt: skip
        traced(name, roots)
    study = load_study(tiny_yaml)
    runs = study.select("all", "all", 0)
    pipeline.synthesize_runs(study, runs)
    pipeline.train_runs(study, runs)
    pipeline.probe_runs(study, runs)
    for roots, called in ran.items():
        # <module>, <listcomp>, <lambda>: parts of what is there already, or run at import.
        called = {(module, name) for module, name in called if not name.startswith("<")}
        assert len(called) > 3 and called <= reachable(PACKAGE, roots), called - reachable(PACKAGE, roots)


def test_keys_and_their_checks_do_not_count_but_what_a_section_computes_does(tmp_path):
    section = """
class Section(Frozen):
    size: int
    @model_validator(mode="after")
    def _check(self):
        return self
    @property
    def twice(self):
        return 2 * self.size
"""
    changes = {
        "as it is": ("", ""),
        "key": ("size: int", "size: int\n    colour: str = 'red'"),
        "check": ("return self\n", "return bool(self)\n"),
        "property": ("2 *", "3 *"),
    }
    hashes = {}
    for name, (old, new) in changes.items():
        folder = tmp_path / name / "pkg"
        folder.mkdir(parents=True)
        (folder / "top.py").write_text(section.replace(old, new, 1) if old else section)
        hashes[name] = _hash(folder, ("top.Section",))
    assert hashes["as it is"] == hashes["key"] == hashes["check"] != hashes["property"]
