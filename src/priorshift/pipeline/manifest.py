"""The hash of every file of a study, and the proof that they are all still what they were."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from priorshift.files import hash_file, read_record, write_record
from priorshift.models.files import hash_base_model
from priorshift.pipeline.environment import Environment, collect_settings
from priorshift.pipeline.records import is_trained, locate_measurement_record, locate_run_record
from priorshift.study.load import Study
from priorshift.study.other_model import read_other_model

# What a repository leaves out of a committed study (.gitignore): large, or the same figure again.
NOT_SHIPPED = ("data/*", "runs/*", "measurements/*", "stages/*", "figures/*.svg")
# Of a wide study also: notebooks like the reference study's, and the largest tables.
NOT_SHIPPED_OF = {
    "mechanism": (
        "notebooks/0[1235]_*",
        "tables/confusion.csv",
        "tables/contrasts.csv",
        "tables/equivalence.csv",
        "tables/shifts.csv",
    )
}


def write_manifest(study: Study) -> None:
    """Hash every file of the study, next to the hashes of what it was made from."""
    write_record(
        study.paths.manifest,
        {
            "study": study.params.study,
            "params_hash": study.params_hash,
            "materials_hash": study.materials_hash,
            "other_model": _name_other_model(study),
            # Of a hub model the commit. Of any other the hash of its files.
            "base_models": {model.name: hash_base_model(model) for model in study.params.models},
            "made_with": collect_settings(study),
            "files": {path.relative_to(study.paths.root).as_posix(): hash_file(path) for path in _list_files(study)},
        },
    )


def _name_other_model(study: Study) -> str:
    """The model that was set in place of the study's own, if any: its hub id, or a folder's name alone."""
    source = read_other_model()
    return study.params.models[0].name if Path(source).is_dir() and source else source


def read_settings(study: Study) -> Environment:
    """Read with which versions and devices the study's results were made, from its manifest alone."""
    return (read_record(study.paths.manifest) or {}).get("made_with", {})


def list_problems(study: Study) -> list[str]:
    """List what is missing, changed or extra, one line each. Empty when every byte is as the manifest says."""
    manifest = read_record(study.paths.manifest)
    if manifest is None or "files" not in manifest:
        return [f"{'changed' if study.paths.manifest.exists() else 'missing'}: {study.paths.manifest.name}"]
    found = {path.relative_to(study.paths.root).as_posix(): path for path in _list_files(study)}
    recorded = manifest["files"]
    expected = set(recorded) - set(list_not_shipped(study))
    problems = [f"missing: {name}" for name in recorded if name in expected and name not in found]
    problems += [
        f"changed: {name}" for name in recorded if name in found and _hash_or_none(found[name]) != recorded[name]
    ]
    problems += [f"extra: {name}" for name in found if name not in recorded]
    records = list_run_records(study)
    problems += [f"missing: {name} (of a run of these params)" for name in sorted(records - set(recorded))]
    problems += [
        f"extra: {name} (of no run of these params; remove it)"
        for name in _list_recorded_runs(recorded)
        if name not in records
    ]
    for key in ("params_hash", "materials_hash"):
        if manifest[key] != getattr(study, key):
            problems.append(f"changed: the study's {key.removesuffix('_hash')} (after the manifest was written)")
    for model in study.params.models:
        # A hub model that is not at hand has no hash to compare.
        if (now := hash_base_model(model)) and now != manifest["base_models"].get(model.name):
            problems.append(f"changed: the base model {model.name} (after the manifest was written)")
    return problems


def list_run_records(study: Study) -> set[str]:
    """List the records that the runs of the study leave, as the manifest names them."""
    runs = study.select("all", "all", "all")
    paths = [locate_measurement_record(study, run) for run in runs]
    paths += [locate_run_record(study, run) for run in runs if is_trained(study, run)]
    return {path.relative_to(study.paths.root).as_posix() for path in paths}


def _list_recorded_runs(names: Iterable[str]) -> list[str]:
    return [
        name
        for pattern in ("runs/*/run.json", "measurements/*/measured.json")
        for name in fnmatch.filter(names, pattern)
    ]


def list_not_shipped(study: Study) -> list[str]:
    """List the files that a clone of a repository lacks by design: of these kinds only the hashes are shipped.

    A kind is left out as a whole, and no mark of a notebook is shipped either. Where one is, the study was run here and
    what is missing was lost.
    """
    if any(study.paths.marks.rglob("*.json")):
        return []
    recorded = (read_record(study.paths.manifest) or {}).get("files", {})
    patterns = (*NOT_SHIPPED, *NOT_SHIPPED_OF.get(study.params.study, ()))
    kinds = [fnmatch.filter(recorded, pattern) for pattern in patterns]
    return sorted(chain(*(names for names in kinds if not any((study.paths.root / name).exists() for name in names))))


def _hash_or_none(path: Path) -> str | None:
    """The hash of a file. None where it cannot be read: a link to nothing, say."""
    try:
        return hash_file(path)
    except OSError:
        return None


def _list_files(study: Study) -> list[Path]:
    """Every file of the study but the manifest, the locks and the lines of jobs at work."""
    paths = study.paths
    passing = {paths.manifest, *paths.marks.glob(".*.lock"), *paths.progress.glob("*")}
    files = [path for path in sorted(paths.root.rglob("*")) if path.is_file() or path.is_symlink()]
    return [path for path in files if path not in passing]
