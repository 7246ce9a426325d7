"""Which of the package's own code a step depends on, read from the code itself.

Hashing the whole package would redo every run after any edit. Here a step is hashed with the definitions
that it can reach by name and nothing else, so that a change in a figure retrains nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from priorshift.paths import PACKAGE

Definition = tuple[str, str]  # module, name


@dataclass(frozen=True)
class _Module:
    """A module's top level: what defines each name, what each imported name means, and the text of the rest."""

    definitions: dict[str, list[tuple[ast.stmt, str]]]
    imports: dict[str, Definition]
    rest: str


def source_hash(*roots: str) -> str:
    """SHA-256 over the package's definitions that `roots` reach by name, directly or not.

    A class counts whole. Statements at a module's top level that define no name (a registration, a patch)
    count as soon as anything of that module does.

    Parameters
    ----------
    roots : str
        Dotted names within the package: "training.train_run", or "training" for all of a module.

    Raises
    ------
    KeyError
        When a root names nothing: the step's code was renamed and its roots were not.
    """
    return _hash(PACKAGE, roots)


@cache
def _hash(package: Path, roots: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    found = reachable(package, roots)
    for module in sorted({module for module, _ in found}):
        digest.update(f"{module}\0{_read(package, module).rest}\0".encode())
    for module, name in sorted(found):
        for _, text in _read(package, module).definitions[name]:
            digest.update(f"{module}.{name}\0{text}\0".encode())
    return digest.hexdigest()


def reachable(package: Path, roots: Iterable[str]) -> set[Definition]:
    """The definitions that `roots` reach by name, themselves included."""
    todo: list[Definition] = []
    for root in roots:
        module, _, name = root.partition(".")
        meant = _meaning(package, module, name)
        if not meant:
            raise KeyError(f"{root}: no such definition in {package.name}")
        todo += meant
    found: set[Definition] = set()
    while todo:
        definition = todo.pop()
        if definition not in found:
            found.add(definition)
            todo += _uses(package, *definition)
    return found


def notebook_roots(notebook: dict) -> list[str]:
    """The roots that a notebook's code imports from the package."""
    lines = [line for cell in notebook["cells"] if cell["cell_type"] == "code" for line in _source(cell).splitlines()]
    code = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    imports = _imports(ast.parse(code), PACKAGE)
    return sorted({f"{module}.{name}".rstrip(".") for module, name in imports.values()})


def _source(cell: dict) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


@cache
def _read(package: Path, module: str) -> _Module:
    text = (package / f"{module}.py").read_text(encoding="utf-8")
    lines, tree = text.splitlines(), ast.parse(text)
    definitions: dict[str, list[tuple[ast.stmt, str]]] = {}
    rest = []
    for statement in tree.body:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        own = "\n".join(lines[first - 1 : statement.end_lineno])
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            # Where a name comes from is part of what it means: each one counts alone.
            for alias in statement.names:
                source = f"{getattr(statement, 'module', '')}.{alias.name}"
                definitions.setdefault(alias.asname or alias.name.partition(".")[0], []).append((statement, source))
        elif names := _defined(statement):
            for name in names:
                definitions.setdefault(name, []).append((statement, own))
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            rest.append(own)
    imports = _imports(tree, package)
    return _Module({k: v for k, v in definitions.items() if k not in imports}, imports, "\n".join(rest))


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []


def _imports(tree: ast.Module, package: Path) -> dict[str, Definition]:
    """Local name -> what it means in the package; a whole module has the name ""."""
    found: dict[str, Definition] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package.name:
            module = node.module.partition(".")[2]
            for alias in node.names:
                meaning = (module, alias.name) if module else (alias.name, "")
                found[alias.asname or alias.name] = meaning
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first, _, module = alias.name.partition(".")
                if first == package.name and module:
                    found[alias.asname or first] = (module, "")
    return {local: (m, n) for local, (m, n) in found.items() if (package / f"{m}.py").exists()}


def _uses(package: Path, module: str, name: str) -> list[Definition]:
    """What one definition and its module's loose statements refer to."""
    here = _read(package, module)
    nodes = [node for statement, _ in here.definitions[name] for node in ast.walk(statement)]
    nodes += list(ast.walk(ast.parse(here.rest)))
    used: list[Definition] = []
    for word in {node.id for node in nodes if isinstance(node, ast.Name)}:
        used += _meaning(package, module, word)
    return used


def _meaning(package: Path, module: str, name: str) -> list[Definition]:
    """The definitions that a name means in a module; for an imported module (name "") all of them."""
    here = _read(package, module)
    if name in here.definitions:
        return [(module, name)]
    if name in here.imports:
        return _meaning(package, *here.imports[name])
    return [] if name else [(module, each) for each in here.definitions]
