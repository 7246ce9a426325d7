"""Which modules of the package a piece of code imports: read from the code, nothing is run."""

from __future__ import annotations

import ast

from priorshift.study.paths import PACKAGE


def _file(dotted):
    """priorshift.training.finetune -> training/finetune.py, or "" where there is no such module."""
    parts = dotted.split(".")[1:]
    path = PACKAGE.joinpath(*parts).with_suffix(".py") if parts else PACKAGE
    return path.relative_to(PACKAGE).as_posix() if parts and path.is_file() else ""


def imported_modules(code):
    """The package's modules that the code imports, as paths within the package; those for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "priorshift":
            found |= {_file(node.module)} | {_file(f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {_file(alias.name) for alias in node.names if alias.name.split(".")[0] == "priorshift"}
    return found - {""}


def reachable_modules(modules):
    """These modules and all that they import, directly or not."""
    found, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += imported_modules((PACKAGE / module).read_text(encoding="utf-8"))
    return found
