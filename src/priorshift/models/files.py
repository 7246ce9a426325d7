"""Where a base model's files lie and what they hash to. No torch is needed: a study is planned in a moment."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from priorshift.errors import ParamsError
from priorshift.files import hash_file, hash_text, is_folder
from priorshift.study.paths import EMBEDDED
from priorshift.study.sections import BaseModelParams

CARD = "card.json"


def locate(params: BaseModelParams) -> tuple[Path | str, dict]:
    """Folder (or hub id) of a base model, and its card (empty for any but a calibration model)."""
    embedded = params.source.startswith("embedded:")
    folder = EMBEDDED / params.source.split(":", 1)[1] if embedded else Path(params.source)
    if not is_folder(folder):
        return params.source, {}
    return folder, read_card(folder)


def read_card(folder: Path) -> dict:
    """The card of a calibration model, shipped or rebuilt elsewhere. Empty for any other model."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise ParamsError(
            f"{path}: is damaged (no JSON); get the model again, or remove a card that is not of this package"
        ) from None
    return card if isinstance(card, dict) and "world" in card else {}


def hash_base_model(params: BaseModelParams) -> str:
    """SHA-256 over a base model's weights, configuration and tokenizer. Of a hub model, its commit.

    Empty where a hub model is not in the local cache: its commit is not known then.

    Raises
    ------
    ParamsError
        When a file is not what the card of a calibration model says.
    """
    folder, card = locate(params)
    if isinstance(folder, Path):
        found = hash_files(folder)
        for name, expected in card.get("hashes", {}).items():
            if found.get(name) != expected:
                raise ParamsError(
                    f"{folder / name}: is missing or damaged ({CARD} has another hash); get the model again"
                )
        return hash_text("".join(f"{name} {digest}\n" for name, digest in found.items()))
    from priorshift.models.hub import find_cached_commit  # only hub models pay for this import

    return find_cached_commit(params)


def hash_files(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files that make a model. Its card describes it, and is none of them."""
    kinds = (".json", ".safetensors", ".txt", ".model", ".jinja")
    files = sorted(p for p in folder.iterdir() if p.suffix in kinds and p.name != CARD)
    return _hash_each(folder, tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files))


@cache
def _hash_each(folder: Path, stamps: tuple) -> dict[str, str]:
    """`stamps` (name, size, time) make the cache forget what has changed."""
    return {name: hash_file(folder / name) for name, *_ in stamps}


def check_folder(folder: Path) -> None:
    """Check that a folder has the kinds of file that a model needs.

    Raises
    ------
    ParamsError
        Naming the kinds that are missing.
    """
    needed = {"config.json": "config.json", "tokenizer*": "a tokenizer", "*.safetensors": "weights (*.safetensors)"}
    lacking = [what for pattern, what in needed.items() if not any(folder.glob(pattern))]
    if lacking:
        raise ParamsError(
            f"base_models: {folder} holds no {' and no '.join(lacking)}; give the folder of a whole model"
        )
