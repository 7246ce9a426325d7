"""One archive with what a reviewer needs, in the RO-Crate layout (researchobject.org/ro-crate), by its library."""

from __future__ import annotations

import io
import json
import platform
from importlib import metadata
from pathlib import Path

from priorshift.errors import RunError
from priorshift.files import hash_file, write_whole
from priorshift.materials.load import list_materials_files
from priorshift.pipeline.manifest import list_problems
from priorshift.pipeline.registration import FOLDER, locate_registration
from priorshift.pipeline.study_worlds import list_worlds_files
from priorshift.study.load import Study

KINDS = {".csv": "text/csv", ".html": "text/html", ".ipynb": "application/x-ipynb+json", ".json": "application/json",
         ".md": "text/markdown", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain",
         ".yaml": "application/yaml", ".yml": "application/yaml"}  # fmt: skip
OTHER = "application/octet-stream"


def write_bundle(study: Study) -> Path:
    """Write `<outputs>/<study>.crate.zip`: params, materials, tables, figures, notebooks, report, environment.

    Training data, adapters and measurements stay out: they are large, and the manifest holds their hashes.
    So does the study's `scales_csv`: published questionnaires may be licensed.

    Raises
    ------
    RunError
        When a file of the study is not as its manifest says, or the library is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise RunError("bundle: the package rocrate is missing; pip install 'priorshift[bundle]'") from None
    problems = list_problems(study)
    if problems:
        raise RunError(f"{study.paths.root}: {problems[0]} (of {len(problems)}); run `make study` before bundling")
    crate = ROCrate()
    crate.name = f"priorshift study {study.params.study}"
    crate.description = "Tables, figures and executed notebooks of a study, with the params and materials behind them."
    for name, path in sorted(_list_files(study).items()):
        properties = {"encodingFormat": KINDS.get(path.suffix, OTHER), "sha256": hash_file(path)}
        crate.add_file(path, dest_path=name, properties=properties)
    target = study.paths.root.with_name(f"{study.params.study}.crate.zip")
    report = io.StringIO(json.dumps(describe_environment(), indent=2) + "\n")
    crate.add_file(report, dest_path="environment.json", properties={"encodingFormat": "application/json"})
    with write_whole(target) as temporary:
        crate.write_zip(temporary)
    return target


def _list_files(study: Study) -> dict[str, Path]:
    """Name in the archive -> file."""
    root = study.paths.root
    parts = [
        *study.paths.tables.glob("*.csv"),
        *study.paths.figures.glob("*.*"),
        *study.paths.notebooks.rglob("*.ipynb"),
    ]
    parts += [path for path in (study.paths.report, study.paths.manifest) if path.is_file()]
    files = {path.relative_to(root).as_posix(): path for path in parts}
    # Where the study finds them, so that it can be loaded from the archive. load_study has seen that all lie inside.
    inside = study.folder.resolve()
    read = [*list_materials_files(study.folder / study.params.materials), *list_worlds_files(study)]
    materials = [path.resolve() for path in read]
    files |= {f"params/{path.relative_to(inside).as_posix()}": path for path in materials}
    files[f"params/{study.file}"] = study.folder / study.file
    if (registration := locate_registration(study)).is_file():
        files[f"params/{FOLDER}/{registration.name}"] = registration
    return files | {name: Path(name) for name in ("constraints.txt", "README.md") if Path(name).is_file()}


def describe_environment() -> dict:
    """Name Python, the operating system, and every installed package with its version."""
    packages = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "packages": dict(sorted(packages.items(), key=lambda pair: pair[0].lower())),
    }
