"""Tests go through what modules offer: a name with an underscore is no test's business."""

from __future__ import annotations

import ast

import pytest

from priorshift.study.paths import PACKAGE

TESTS = PACKAGE.parent.parent / "tests"
OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public, whatever they look like
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py"))


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMED_TUPLES


def list_private_names(tree):
    """Private names of the package that are imported, read from one of its modules or classes, or replaced there."""
    ours = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "priorshift":
            ours |= {alias.asname or alias.name for alias in node.names}
            yield from (alias.name for alias in node.names if is_private(alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
            yield from [node.attr] if is_private(node.attr) else []
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in PRIVATE:
            yield node.value


def list_definitions():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and is_private(node.name):
                yield node.name


PRIVATE = set(list_definitions())


@pytest.mark.parametrize("file", FILES)
def test_no_test_names_what_is_private(file):
    assert list(list_private_names(ast.parse((TESTS / file).read_text()))) == []


def test_private_names_are_found():
    code = "from priorshift.files import _x\nfrom priorshift import files\nfiles._y(files.z)\n"
    assert list(list_private_names(ast.parse(code))) == ["_x", "_y"]
