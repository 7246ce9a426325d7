"""The hash of every file of a study, and the proof that they are all still what they were."""

from __future__ import annotations

from pathlib import Path

from priorshift.base_files import base_hash
from priorshift.params import LoadedStudy
from priorshift.provenance import file_hash, read_record, versions, write_record


def write_manifest(study: LoadedStudy) -> None:
    """Hash every file of the study, next to the hashes of what it was made from."""
    write_record(
        study.paths.manifest,
        {
            "study": study.params.study,
            "params_hash": study.params_hash,
            "materials_hash": study.materials_hash,
            # Of a hub model the commit; of any other the hash of its files.
            "base_models": {model.name: base_hash(model) for model in study.params.models},
            "versions": versions(),
            "files": {path.relative_to(study.paths.root).as_posix(): file_hash(path) for path in _files(study)},
        },
    )


def verify(study: LoadedStudy) -> list[str]:
    """What is missing, changed or extra, one line each; empty when every byte is as the manifest says."""
    manifest = read_record(study.paths.manifest)
    if manifest is None:
        return [f"{'changed' if study.paths.manifest.exists() else 'missing'}: {study.paths.manifest.name}"]
    found = {path.relative_to(study.paths.root).as_posix(): path for path in _files(study)}
    recorded = manifest["files"]
    problems = [f"missing: {name}" for name in recorded if name not in found]
    problems += [f"changed: {name}" for name in recorded if name in found and file_hash(found[name]) != recorded[name]]
    problems += [f"extra: {name}" for name in found if name not in recorded]
    # Marks carry their own hash: they are written around the manifest.
    marks = [path for path in sorted(study.paths.stages.glob("*")) if not path.name.endswith(".lock")]
    problems += [f"changed: stages/{path.name}" for path in marks if read_record(path) is None]
    for key in ("params_hash", "materials_hash"):
        if manifest[key] != getattr(study, key):
            problems.append(f"changed: the study's {key.removesuffix('_hash')} (after the manifest was written)")
    return problems


def _files(study: LoadedStudy) -> list[Path]:
    """Every file of the study but the manifest and the stages' marks and locks."""
    paths = study.paths
    files = [path for path in sorted(paths.root.rglob("*")) if path.is_file() or path.is_symlink()]
    return [path for path in files if path != paths.manifest and paths.stages not in path.parents]
