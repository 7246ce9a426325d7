"""Python source -> its running text: docstrings, comments and messages, without tables, examples and formulas."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise

from support.prose import sentences_of

# Sections of numpydoc that are tables: names, types and short notes.
TABLES = {"Attributes", "Other Parameters", "Parameters", "Raises", "References", "Returns", "See Also", "Yields"}
# A line of such a table without a heading: `name, other : what it is`, in a docstring of data.
ENTRY = re.compile(r"\s*[\w*]+(, [\w*]+)* : ")
# Comments that speak to tools.
TO_TOOLS = re.compile(r"#\s*(noqa|type:|fmt:|ruff:|pragma|!|-\*-)")


def docstrings_of(source: str) -> Iterator[tuple[int, str]]:
    """The line of each docstring, and its prose."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield node.body[0].lineno, _prose_of_docstring(inspect.cleandoc(text))


def comments_of(source: str) -> Iterator[tuple[int, str]]:
    """The first line of each comment, and its text; neighbouring lines that stand alone are one."""
    block: list[str] = []
    first, last = 0, (-1, -1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or TO_TOOLS.match(token.string):
            continue
        alone = not token.line[: token.start[1]].strip()
        if not (alone and block and token.start == (last[0] + 1, last[1])):
            if block:
                yield first, "\n".join(block)
            block, first = [], token.start[0]
        block.append(token.string.lstrip("#").strip())
        last = token.start if alone else (-1, -1)
    if block:
        yield first, "\n".join(block)


def messages_of(source: str) -> Iterator[tuple[int, str]]:
    """The line of each error or warning, and its text with a word for each value."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and re.search(r"(Error|Exit|^warn|^warning)$", _name_of(node.func)):
            text = " ".join(_text_of(argument) for argument in node.args[:1])
            if " " in text:
                yield node.lineno, text


def sentences_in(text: str) -> list[str]:
    """Sentences of prose whose paragraphs are parted by empty lines."""
    return [sentence for sentence in sentences_of(text) if re.search(r"\w", sentence)]


def _prose_of_docstring(text: str) -> str:
    lines = re.sub(r"``[^`]+``", "code", text).splitlines()
    kept, skip_deeper_than, table, example, grid = [], None, False, False, False
    for line, following in pairwise([*lines, "", ""]):
        if re.fullmatch(r"-{3,}", line.strip()):
            continue
        if re.fullmatch(r"-{3,}", following.strip()) and line.strip():
            table, skip_deeper_than = line.strip() in TABLES, None
            kept.append("")
            continue
        indent = len(line) - len(line.lstrip())
        grid = bool(line.strip()) and (grid or bool(re.fullmatch(r"[= ]{5,}", line)))
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>> "))
        if skip_deeper_than is not None and line.strip() and indent <= skip_deeper_than:
            skip_deeper_than = None
        if table or example or grid or skip_deeper_than is not None:
            kept.append("")
            continue
        if line.rstrip().endswith("::"):
            skip_deeper_than = indent
        elif ENTRY.match(line):
            skip_deeper_than = indent
            continue
        kept.append(line)
    return "\n".join(kept)


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text_of(node: ast.expr) -> str:
    """The text of an expression of strings, with `VALUE` for what is not one."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text_of(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text_of(left) + _text_of(right)
        case ast.IfExp(body=body, orelse=other):
            return max(_text_of(body), _text_of(other), key=len)
    return "VALUE"
