"""A folder of YAML files -> checked materials, and the hash that stands for them."""

from __future__ import annotations

import hashlib
import re
from itertools import chain
from pathlib import Path

from priorshift.errors import MaterialsError
from priorshift.files import is_folder
from priorshift.materials.rules import check_materials
from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.materials.texts import BY_OUTCOME, list_texts_by_file
from priorshift.yaml_files import read_yaml, validate

EXTENDS = "extends.yaml"
OPTIONAL = ("actions", "families", "exceptions", NEXT_WORDS)  # files that a folder may lack
EXCEPTIONS = "exceptions.yaml"  # what people decided of the words: no model reads it


def load_materials(folder: Path | str) -> Materials:
    """Load and check every YAML file of a materials folder.

    Raises
    ------
    MaterialsError
        When a file is missing, malformed or breaks a rule. The message names the file and the phrase.
    """
    folder = Path(folder)
    if not is_folder(folder):
        raise MaterialsError(f"{folder}: no such folder; `materials` must name a folder of YAML files")
    folders = list_materials_folders(folder)
    _check_file_names(folders)
    fields = set(Materials.model_fields) - {"grades"}
    fields -= {field for field in OPTIONAL if not any((part / f"{field}.yaml").exists() for part in folders)}
    data = {field: _freeze(_read_merged(folders, f"{field}.yaml")) for field in sorted(fields)}
    data["grades"] = {}
    for field in BY_OUTCOME:
        data[field], grades = _split_grades(data[field])
        if twice := [phrase for phrase in grades if data["grades"].get(phrase, grades[phrase]) != grades[phrase]]:
            raise MaterialsError(
                f"{folder / field}.yaml: {twice[0]!r} is {grades[twice[0]]} here and {data['grades'][twice[0]]} in an "
                "earlier file; give a phrase one intensity, or reword one"
            )
        data["grades"] |= grades
    if isinstance(data["function_words"], tuple):
        words = (str(line).split() for line in data["function_words"])
        data["function_words"] = tuple(chain.from_iterable(words))
    materials = validate(Materials, data, str(folder), MaterialsError)
    if len(folders) > 1:
        materials = _drop_absent_exceptions(materials)
    check_materials(materials, folder)
    return materials


def list_materials_files(folder: Path | str) -> list[Path]:
    """The YAML files that a folder's materials are made of: those of the folder it extends, then its own."""
    return [path for part in list_materials_folders(Path(folder)) for path in sorted(part.glob("*.yaml"))]


def list_materials_folders(folder: Path) -> list[Path]:
    """The folder that `extends.yaml` names, if any, and the folder itself.

    Raises
    ------
    MaterialsError
        When `extends.yaml` names no folder, or one that itself extends another.
    """
    path = folder / EXTENDS
    if not path.exists():
        return [folder]
    name = read_yaml(path, MaterialsError)
    base = folder / name if isinstance(name, str) else None
    if base is None or not is_folder(base) or (base / EXTENDS).exists():
        raise MaterialsError(
            f"{path}: found {name!r}; expected the path, from here, of a folder of materials that extends no other"
        )
    return [base, folder]


def hash_materials(folder: Path | str, next_words: bool = False) -> str:
    """SHA-256 over the YAML files that a model reads something of (names and bytes).

    Parameters
    ----------
    next_words : whether next_words.yaml counts, as it does for a study that measures them. Nothing else reads it.
    """
    digest, unread = hashlib.sha256(), {EXCEPTIONS} if next_words else {EXCEPTIONS, f"{NEXT_WORDS}.yaml"}
    for path in [path for path in list_materials_files(folder) if path.name not in unread]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _drop_absent_exceptions(materials: Materials) -> Materials:
    """Materials that extend others inherit their exceptions. Those of words that stand in no text are left out."""
    text = " ".join(chain.from_iterable(list_texts_by_file(materials).values())).lower()
    kept = {
        word: why for word, why in materials.exceptions.items() if re.search(rf"\b{re.escape(word.lower())}\b", text)
    }
    return materials.model_copy(update={"exceptions": kept})


def _check_file_names(folders: list[Path]) -> None:
    known = {f"{field}.yaml" for field in Materials.model_fields if field != "grades"} | {EXTENDS}
    for path in sorted(path for folder in folders for path in folder.glob("*.y*ml")):
        if path.name not in known:
            raise MaterialsError(f"{path}: unknown materials file; expected one of {', '.join(sorted(known))}")


def _read_merged(folders: list[Path], name: str) -> object:
    """One file of the materials. Maps of a later folder join those before them. Anything else replaces it."""
    paths = [folder / name for folder in folders if (folder / name).exists()] or [folders[-1] / name]
    merged: object = None
    for path in paths:
        own = read_yaml(path, MaterialsError)
        if not own:
            raise MaterialsError(f"{path}: the file is empty; it must hold the {path.stem}")
        merged = _merge(merged, own)
    return merged


def _merge(before: object, own: object) -> object:
    if not (isinstance(before, dict) and isinstance(own, dict)):
        return own
    return before | {key: _merge(before.get(key), value) for key, value in own.items()}


def _freeze(data: object) -> object:
    """Lists become tuples, all the way down: strict validation takes no list for a tuple."""
    if isinstance(data, list):
        return tuple(_freeze(item) for item in data)
    if isinstance(data, dict):
        return {key: _freeze(value) for key, value in data.items()}
    return data


def _split_grades(data: object) -> tuple[object, dict[str, str]]:
    """Graded phrases of a file as plain lists, and phrase -> grade. What has another shape stays as it is."""
    if not isinstance(data, dict):
        return data, {}
    plain, grades = {}, {}
    for outcome, phrases in data.items():
        if not isinstance(phrases, dict):
            plain[outcome] = phrases
            continue
        groups = {grade: group if isinstance(group, tuple) else (group,) for grade, group in phrases.items()}
        grades |= {phrase: grade for grade, group in groups.items() for phrase in group if isinstance(phrase, str)}
        plain[outcome] = tuple(phrase for group in groups.values() for phrase in group)
    return plain, grades
