"""The package's rooms: each with a phrase, importing only the rooms below it, none with a long file or function."""

from __future__ import annotations

import ast

import pytest
from support.imports import imported_modules

from priorshift.study.paths import PACKAGE

# From the top down: each may import those after it.
ROOMS = [
    "cli", "playground", "page", "pipeline", "report", "mechanism", "tables", "probing", "training", "worlds",
    "models", "study", "materials", "stats", "probability", "files", "yaml_files", "machine", "errors",
]  # fmt: skip
# What others import or audit alone: these know the four files at the bottom, and nothing else.
ALONE = ("probability", "stats")
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
FOREIGN = ("study", "studies", "depress", "paranoi", "psycholog", "papermill", "questionnaire", "notebook")


def room_of(module):
    return module.split("/")[0].removesuffix(".py")


def test_every_module_has_a_room_of_the_list():
    assert {room_of(m) for m in MODULES} == {*ROOMS, "__init__", "__main__"}


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) in ROOMS])
def test_imports_go_down_only(module):
    room = room_of(module)
    others = {room_of(m) for m in imported_modules((PACKAGE / module).read_text())} - {room}
    below = ROOMS[-4:] if room in ALONE else ROOMS[ROOMS.index(room) + 1 :]
    assert others <= set(below), others - set(below)


@pytest.mark.parametrize("room", ROOMS[1:-4])
def test_a_room_says_what_it_does_in_one_line(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())
    assert len(tree.body) == 1 and len(ast.get_docstring(tree).splitlines()) == 1


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_so_are_its_functions(module):
    text = (PACKAGE / module).read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno + 1 <= 50, node.name  # with its docstring: it fits a screen


def test_a_public_function_has_a_name_of_its_own():
    places = {}
    for module in MODULES:
        for node in ast.parse((PACKAGE / module).read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    # Each process of its own begins with `main`, and each library puts an adapter on in its way.
    assert twice.keys() <= {"main", "add_adapter"}


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) in ALONE])
def test_rooms_that_stand_alone_import_no_model_code_they_do_not_need(module):
    if room_of(module) == "stats":
        assert "torch" not in (PACKAGE / module).read_text()
    else:
        text = (PACKAGE / module).read_text().lower()
        assert not [word for word in FOREIGN if word in text]
