"""Where a base model's files lie and what they hash to; needs no torch, so that a study is planned in a moment."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from priorshift.errors import ParamsError
from priorshift.paths import EMBEDDED
from priorshift.provenance import file_hash, text_hash
from priorshift.sections import BaseModelParams

CARD = "card.json"


def locate(params: BaseModelParams) -> tuple[Path | str, dict]:
    """Folder (or hub id) and card of a base model."""
    embedded = params.source.startswith("embedded:")
    folder = EMBEDDED / params.source.split(":", 1)[1] if embedded else Path(params.source)
    if not folder.is_dir():
        return params.source, {}
    return folder, read_card(folder)


def read_card(folder: Path) -> dict:
    """The card of a calibration model, shipped or rebuilt elsewhere; empty for any other model."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise ParamsError(
            f"{path}: is damaged (no JSON); get the model again, or remove the card of another's"
        ) from None
    return card if isinstance(card, dict) and "world" in card else {}


def base_hash(params: BaseModelParams) -> str:
    """SHA-256 over a base model's weights, configuration and tokenizer; of a hub model its commit.

    Empty where a hub model is not in the local cache: its commit is not known then.
    """
    folder, _ = locate(params)
    if isinstance(folder, Path):
        return _folder_hash(folder, tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in _files(folder)))
    from priorshift.hub import cached_commit  # only hub models pay for this import

    return cached_commit(params)


def _files(folder: Path) -> list[Path]:
    """The card is not among them: it describes the model and is not read by it."""
    kinds = (".json", ".safetensors", ".txt", ".model", ".jinja")
    return sorted(p for p in folder.iterdir() if p.suffix in kinds and p.name != CARD)


@cache
def _folder_hash(folder: Path, stamps: tuple) -> str:
    """`stamps` (name, size, time) make the cache forget what has changed."""
    return text_hash("".join(f"{name} {file_hash(folder / name)}\n" for name, *_ in stamps))
