"""Hashes of files and texts, and writing that never leaves half a file."""

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
    """Whether there is a folder of this name. False for a name that no file system allows.

    Examples
    --------
    >>> is_folder(Path(".")), is_folder(Path("a" * 1000))
    (True, False)
    """
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, as hex digits.

    Examples
    --------
    >>> hash_text("abc")[:8]
    'ba7816bf'
    """
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Write a file or folder whole or not at all.

    Yields
    ------
    Path
        The temporary name to write to. It becomes `path` when the block ends without an error.

    Raises
    ------
    RunError
        When it cannot be written: the disk is full, or the folder is read-only or no folder.
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
    """Remove a file, or a folder with all that is in it. What is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: dict) -> None:
    """Write JSON whole or not at all."""
    write_text(path, _format_json(data))


def write_record(path: Path, data: dict) -> None:
    """Write JSON that holds its own hash, so that `read_record` finds any change."""
    write_text(path, _seal(data))


def read_record(path: Path) -> dict | None:
    """Read what `write_record` wrote. None where it is missing, cut short or changed in any byte."""
    try:
        text = path.read_bytes().decode("utf-8")  # read_text would translate line ends
        data = json.loads(text)
        data.pop(SEAL)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return None
    return data if text == _seal(data) else None


def _seal(data: dict) -> str:
    return _format_json(data | {SEAL: hash_text(_format_json(data))})


def _format_json(data: dict) -> str:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all.

    Numbers have six significant digits: float32 logprobs have seven at most.
    """
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, whole or not at all."""
    with write_whole(path) as temporary:
        table.to_parquet(temporary, index=False)
