"""YAML files -> validated pydantic models, or one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from priorshift.errors import UserError


class Frozen(BaseModel):
    """Base of every validated object: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=BaseModel)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's own rule, which PyYAML does not enforce: keys of a map are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, (str, int, float, bool)):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        # Aliases make "YAML bombs", and no file here needs one.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.constructor.ConstructorError(
                None, None, f"aliases (*{event.anchor}) are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)


def read_yaml(path: Path, error: type[UserError]) -> Any:
    """Read one YAML file.

    Parameters
    ----------
    error : type of the error that is raised, in one line, where the file cannot be read
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file; give the path of a YAML file that exists") from None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise error(f"{path}: cannot be read ({reason}); give a UTF-8 text file that can be") from None
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as problem:
        # PyYAML's own constructors of tags (!!bool, !!timestamp) stumble over what they were not made for.
        mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        what = getattr(problem, "problem", None) or getattr(problem, "reason", None)
        what = str(what or problem or type(problem).__name__).splitlines()[0]
        raise error(f"{path}:{where} not valid YAML: {what}; correct the file's syntax") from None


def validate(model: type[Model], data: Any, where: str, error: type[UserError]) -> Model:
    """Build `model` from `data`. The first problem found becomes one line that names the key.

    Parameters
    ----------
    model : type of the result
    data : what a file holds
    where : the file's name, for the error
    error : type of the error that is raised

    Examples
    --------
    >>> class Point(Frozen):
    ...     x: int
    >>> validate(Point, {"x": 1}, "point.yaml", UserError).x
    1
    >>> validate(Point, {"y": 1}, "point.yaml", UserError)
    Traceback (most recent call last):
    priorshift.errors.UserError: point.yaml: unknown key 'y'; remove it or use one of: x
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        raise error(f"{where}: {describe_problem(problem, model)}") from None


def _shorten(value: Any) -> str:
    try:
        found = repr(value)
    except ValueError:  # Python prints no whole number of thousands of digits
        return f"{type(value).__name__} that is too large to show"
    return found if len(found) <= 80 else found[:77] + "..."


def describe_problem(problem: ValidationError, model: type[BaseModel]) -> str:
    """Say the first problem in words: the key, the value found, and what was expected."""
    errors = problem.errors(include_url=False)
    # An unknown key explains a missing one: it may be that one, misspelled.
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    key = ".".join(_keys(first))
    found = _shorten(first["input"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_model_at(model, _keys(first)[:-1]).model_fields)
        return f"unknown key {key!r}; remove it or use one of: {known}"
    if first["type"] == "missing":
        return f"key {key!r} is missing; add it"
    # What may be of several types has an error for each.
    same = (error["msg"].removeprefix("Value error, ") for error in errors if _keys(error) == _keys(first))
    if not first["loc"]:
        return " ".join(next(same).split())  # keys that don't go together: the message names them
    reason = " ".join(", or ".join(text[0].lower() + text[1:] for text in dict.fromkeys(same)).split())
    return f"{key}: found {found}; {reason}"


def _keys(error: Any) -> list[str]:
    """Where an error lies, without the parts that pydantic adds for the types that a value may have."""
    return [str(part) for part in error["loc"] if "[" not in str(part)]


def _model_at(model: type[BaseModel], keys: list[str]) -> type[BaseModel]:
    """The model that describes what lies under these keys. Of maps and lists, what they hold."""
    for key in keys:
        if key in model.model_fields:
            model = _model_in(model.model_fields[key].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
