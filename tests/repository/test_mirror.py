"""Tests mirror the package: the test of a module stands under the module's name, and no test is left without one."""

from __future__ import annotations

import ast

import pytest

from priorshift.study.paths import PACKAGE

# Modules that need no file of their own, and why.
TESTED_ELSEWHERE = {
    "__main__.py": "three lines that call `cli.main`",
}
# Tests that are of no one module, and why.
OF_NO_MODULE = {
    "materials/test_shipped.py": "the YAML files that come with the repository",
    "stats/test_invariance.py": "what holds for all tests of a difference",
    "study/test_fuzz.py": "any YAML is read or refused, whichever module reads it",
}
ROOMS = sorted({path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")})


def mirror(module):
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}".lstrip("/")


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("module", [module for module in MODULES if module not in TESTED_ELSEWHERE])
def test_every_module_has_a_test_of_its_name_with_a_test_in_it(root, module):
    path = root / "tests" / mirror(module)
    assert path.is_file(), f"{module} has no tests/{mirror(module)}"
    functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert any(name.startswith("test_") for name in functions)


@pytest.mark.parametrize("room", ROOMS)
def test_every_test_of_a_room_is_of_a_module(root, room):
    tests = root / "tests"
    found = {path.relative_to(tests).as_posix() for path in (tests / room).glob("test_*.py")}
    assert found - {*map(mirror, MODULES), *OF_NO_MODULE} == set()


def test_exceptions_are_still_needed(root):
    assert all((PACKAGE / module).is_file() for module in TESTED_ELSEWHERE)
    assert all((root / "tests" / test).is_file() for test in OF_NO_MODULE)
