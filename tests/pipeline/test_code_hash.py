"""A result stands on named packages: a change in each is noticed, and nothing that it imports is left unnamed."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from support.imports import imported_modules, reachable_modules

from priorshift.pipeline.code_hash import NOTEBOOKS, WORK, hash_code
from priorshift.study.paths import PACKAGE

EVERY = {**WORK, **NOTEBOOKS}
# They decide whether work is done, lock it and describe it; no number comes from them.
BOOKKEEPING = {"code_hash", "environment", "locks", "progress", "records", "jobs"}
ENTRIES = {
    "choice_rates": {"pipeline/choice_rates.py"},
    "training_set": {"pipeline/training_sets.py"},
    "run": {"pipeline/adapters.py"},
    "measurements": {"pipeline/probe.py", "pipeline/kept.py"},
}


def is_named(module, places):
    return any(module == place or module.startswith(f"{place}/") for place in places)


def is_bookkeeping(module):
    folder, _, name = module.rpartition("/")
    return not folder or (folder == "pipeline" and name.removesuffix(".py") in BOOKKEEPING)


@pytest.fixture
def package(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "priorshift", ignore=shutil.ignore_patterns("embedded", "__pycache__"))
    return tmp_path / "priorshift"


@pytest.mark.parametrize("name", EVERY)
def test_a_change_in_each_named_place_is_noticed(package, name, tmp_path):
    for number, place in enumerate(EVERY[name]):
        copy = shutil.copytree(package, tmp_path / str(number) / "priorshift")
        before = hash_code(EVERY[name], copy)
        file = copy / place if place.endswith(".py") else sorted((copy / place).rglob("*.py"))[-1]
        file.write_text(file.read_text() + "\n")
        hash_code.cache_clear()
        assert hash_code(EVERY[name], copy) != before, place


def test_a_module_in_a_folder_a_rename_and_a_removal_are_noticed(package):
    def now():
        hash_code.cache_clear()
        return hash_code(("training",), package)

    hashes = [now()]
    (package / "training" / "deep").mkdir()
    (package / "training" / "deep" / "new.py").write_text("x = 1\n")
    hashes.append(now())
    (package / "training" / "deep" / "new.py").rename(package / "training" / "deep" / "other.py")
    hashes.append(now())
    (package / "training" / "examples.py").unlink()
    hashes.append(now())
    assert len(set(hashes)) == 4


def test_other_packages_change_nothing(package):
    before = hash_code(WORK["run"], package)
    for elsewhere in ("report/save.py", "stats/reml.py", "probing/items.py", "files.py"):
        (package / elsewhere).write_text("")
    hash_code.cache_clear()
    assert hash_code(WORK["run"], package) == before


def test_a_name_that_is_no_package_is_refused(package):
    with pytest.raises(FileNotFoundError, match="finished"):
        hash_code(("finished",), package)


@pytest.mark.parametrize("kind", WORK)
def test_all_that_a_kind_of_work_imports_is_named(kind):
    found = reachable_modules(ENTRIES[kind])
    missing = [m for m in found if not is_named(m, WORK[kind]) and not is_bookkeeping(m)]
    assert not missing, missing


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_all_that_a_notebook_imports_is_named(root, name):
    cells = json.loads((root / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code = "\n".join(line for line in code.splitlines() if not re.match(r"\s*[%!]", line))
    found = reachable_modules(imported_modules(code))
    missing = [m for m in found if not is_named(m, NOTEBOOKS[name]) and not is_bookkeeping(m)]
    assert found and not missing, missing
