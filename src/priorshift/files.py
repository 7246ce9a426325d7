"""Hashes of files, and writing that leaves no half files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from priorshift.errors import RunError

if TYPE_CHECKING:  # planning a study needs no tables, and pandas takes half a second
    import pandas as pd

SEAL = "sha256_of_the_rest"


def is_folder(path: Path) -> bool:
    """Whether a folder is there to be read; a name that no file system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_hash(text: str) -> str:
    """SHA-256 of a text, as hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name for a file or folder; renamed to `path` at the end, so that it is there whole or not at all.

    Raises
    ------
    RunError
        In one line, when it cannot be written: a folder that is read-only, full, or no folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # a file is replaced by the renaming itself
        os.replace(temporary, path)
    except (OSError, SafetensorError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise RunError(f"{path}: cannot be written ({reason}); make the folder writable and free some space") from None
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing where it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: dict) -> None:
    """Write JSON whole or not at all."""
    write_text(path, _json(data))


def write_record(path: Path, data: dict) -> None:
    """Write JSON that carries its own hash: `read_record` finds any byte of it changed."""
    write_text(path, _sealed(data))


def read_record(path: Path) -> dict | None:
    """What `write_record` wrote there; None where it is missing, cut short or changed in any byte."""
    try:
        text = path.read_bytes().decode("utf-8")  # read_text would mend line ends
        data = json.loads(text)
        data.pop(SEAL)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return None
    return data if text == _sealed(data) else None


def _sealed(data: dict) -> str:
    return _json(data | {SEAL: text_hash(_json(data))})


def _json(data: dict) -> str:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all; six significant digits: float32 logprobs have seven at most."""
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all."""
    with whole(path) as temporary:
        table.to_parquet(temporary, index=False)
