"""Which of the package's own code a step depends on, read from the code itself.

Hashing the whole package would redo every run after any edit. Here a step is hashed with the definitions
that it can reach by name and nothing else, so that a change in a figure retrains nothing; and of those only what
they do counts: not their module, their layout, their comments or their docstrings.
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
LOOSE = "<loose>"  # stands for the statements of a module that define no name


@dataclass(frozen=True)
class _Module:
    """A module's top level: the statements that define each name, their form, and what internal imports mean."""

    definitions: dict[str, list[ast.stmt]]
    forms: dict[str, str]
    imports: dict[str, Definition]


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
    found = reachable(package, roots)
    digests = {(module, name): _digest(_read(package, module).forms[name]) for module, name in found}
    # A form says which names it uses, not what they mean. Each round adds that, one step further, until no two
    # definitions are told apart that were alike before.
    while True:
        further = {
            each: _digest(digests[each], *sorted(word + digests[used] for word, used in _uses(package, *each)))
            for each in found
        }
        if len(set(further.values())) == len(set(digests.values())):
            return _digest(*sorted(set(further.values())))
        digests = further


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


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
            todo += [used for _, used in _uses(package, *definition)]
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
    tree = ast.parse((package / f"{module}.py").read_text(encoding="utf-8"))
    imports = _imports(tree, package)
    tree = _Bare(package).visit(tree)
    definitions: dict[str, list[ast.stmt]] = {}
    forms: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            # Where a name comes from is part of what it means: each one counts alone.
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                definitions.setdefault(name, []).append(statement)
                forms[name] = forms.get(name, "") + f"{getattr(statement, 'module', '')}.{alias.name}\n"
        else:
            for name in _defined(statement) or [LOOSE]:
                definitions.setdefault(name, []).append(statement)
                forms[name] = forms.get(name, "") + _form(_without_keys(statement)) + "\n"
    return _Module(definitions, forms, imports)


class _Bare(ast.NodeTransformer):
    """Leaves out what does nothing: docstrings, imports from the package itself, what only a type checker reads.

    The checks of a file's keys are left out too: a check refuses or passes, and what passes is hashed for itself.
    """

    def __init__(self, package: Path) -> None:
        self.package = package

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        calls = [part.func for part in node.decorator_list if isinstance(part, ast.Call)]
        checks = any(isinstance(call, ast.Name) and call.id.endswith("_validator") for call in calls)
        return None if checks else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.If | None:
        typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if typing else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        node.names = [alias for alias in node.names if alias.name.partition(".")[0] != self.package.name]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        return None if (node.module or "").partition(".")[0] == self.package.name else node


def _without_keys(statement: ast.stmt) -> ast.stmt:
    """A section of the YAML less its keys: their values are hashed for themselves."""
    if not isinstance(statement, ast.ClassDef) or "Frozen" not in {getattr(base, "id", "") for base in statement.bases}:
        return statement
    rest = [part for part in statement.body if not isinstance(part, ast.AnnAssign)]
    return ast.ClassDef(statement.name, statement.bases, statement.keywords, rest, statement.decorator_list)


def _form(node: object) -> str:
    """A syntax tree as text, without places; what a Python version adds to every node as empty is left out."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        return f"{type(node).__name__}({', '.join(f'{name}={_form(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_form, node))}]"
    return repr(node)


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


@cache
def _uses(package: Path, module: str, name: str) -> list[tuple[str, Definition]]:
    """What one definition refers to, by the word it uses, and its module's loose statements."""
    nodes = [node for statement in _read(package, module).definitions[name] for node in ast.walk(statement)]
    words = {node.id for node in nodes if isinstance(node, ast.Name)} | {LOOSE}
    return [(word, used) for word in sorted(words) for used in _meaning(package, module, word)]


def _meaning(package: Path, module: str, name: str) -> list[Definition]:
    """The definitions that a name means in a module; for an imported module (name "") all of them."""
    here = _read(package, module)
    if not name:
        return [(module, each) for each in here.definitions]
    own = [(module, name)] if name in here.definitions else []
    return own + (_meaning(package, *here.imports[name]) if name in here.imports else [])
