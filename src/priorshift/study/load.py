"""A study's YAML file -> a study with its materials, paths and hashes; one line for every mistake."""

from __future__ import annotations

import hashlib
import json
from math import factorial, lcm
from pathlib import Path

from priorshift.errors import ParamsError
from priorshift.files import is_folder
from priorshift.materials.load import EXTENDS, load_materials, materials_files, materials_folders, materials_hash
from priorshift.materials.questionnaires import read_scales
from priorshift.materials.rules import check_scales
from priorshift.materials.schema import FAMILIES, Materials
from priorshift.study.params import Study, StudyFile
from priorshift.study.paths import EMBEDDED, StudyPaths
from priorshift.study.run import Run
from priorshift.yaml_files import read_yaml, validate


class LoadedStudy:
    """A study with the materials it names, its paths and its hashes.

    Attributes
    ----------
    params : the validated Study
    materials : the checked Materials
    folder, file : where the study's YAML file lies, and its name there
    paths : where this study's outputs lie
    params_hash, materials_hash : SHA-256 hex digests
    """

    def __init__(self, params: Study, materials: Materials, folder: Path, outputs: Path, file: str = "") -> None:
        self.params, self.materials = params, materials
        self.folder, self.file = folder, file
        self.paths = StudyPaths(outputs / params.study)
        canonical = json.dumps(params.model_dump(mode="json"), sort_keys=True)
        self.params_hash = hashlib.sha256(canonical.encode()).hexdigest()
        self.materials_hash = materials_hash(folder / params.materials)
        if params.probes.scales_csv:
            # The same name with other items is another study.
            scales = "".join(scale.model_dump_json() for scale in materials.scales.values())
            self.materials_hash = hashlib.sha256((self.materials_hash + scales).encode()).hexdigest()

    def select(self, base_model: str, condition: str, seed: int | str) -> list[Run]:
        """The runs that a notebook was asked for: base model x condition x seed.

        Each argument is one name (or seed) or `all`; anything else raises ParamsError.
        """
        names = [m.name for m in self.params.models]
        chosen = _choose("base_model", base_model, names)
        conditions = _choose("condition", condition, list(self.params.conditions))
        seeds = _choose("seed", seed, self.params.seeds)
        return [Run(m, c, s) for m in chosen for c in conditions for s in seeds]


def load_study(path: Path | str, outputs: Path | str = "outputs") -> LoadedStudy:
    """Read, validate and complete a study; every mistake is a ParamsError or MaterialsError in one line."""
    if not isinstance(path, (str, Path)) or not str(path):
        raise ParamsError(f"study: found {path!r}; expected the path of a study's YAML file")
    path = Path(path)
    data = read_yaml(path, ParamsError)
    if not isinstance(data, dict):
        raise ParamsError(f"{path}: found {type(data).__name__}; expected a map of keys")
    params = validate(StudyFile, data, str(path), ParamsError)
    folder = _inside(path, params.materials)
    materials = load_materials(folder)
    if params.probes.scales_csv:
        materials = _with_scales(materials, _inside(path, params.probes.scales_csv))
    _check_against_materials(path, params, materials)
    return LoadedStudy(params, materials, path.parent, Path(outputs), path.name)


def _inside(path: Path, name: str) -> Path:
    """What a study names lies, with all its files, beside the study or below: a study may come from anyone."""
    named = path.parent / name
    # Looked at before it is read: a link's target must not come to light in an error.
    _refuse_outside(path, name, [named, named / EXTENDS])
    if is_folder(named):
        _refuse_outside(path, name, [*materials_folders(named), *materials_files(named)])
    return named


def _refuse_outside(path: Path, name: str, found: list[Path]) -> None:
    allowed = path.parent.resolve()
    for each in found:
        if not each.resolve().is_relative_to(allowed):
            raise ParamsError(
                f"{path}: found {name!r}, and {each} leads out of the study's folder; copy the files into it"
            )


def _with_scales(materials: Materials, path: Path) -> Materials:
    """The materials with a user's scales in place of their own."""
    scales = read_scales(path)
    check_scales(scales, [d.outcome for d in materials.dispositions.values()], str(path), both_keys=False)
    return materials.model_copy(update={"scales": scales})


def _check_against_materials(path: Path, params: Study, materials: Materials) -> None:
    for key in ("train_domains", "held_out_domains"):
        _known(f"{path}: {key}", getattr(params, key), materials.domains)
    _known(f"{path}: probes.families", params.probes.families, [*FAMILIES, *materials.families])
    most = params.probes.situations_per_domain
    for domain in [*params.train_domains, *params.held_out_domains]:
        if most > len(materials.domains[domain]):
            raise ParamsError(
                f"{path}: probes.situations_per_domain: found {most}; {domain!r} has {len(materials.domains[domain])}"
            )
    held_out = most * len(params.held_out_domains)
    if orders := params.probes.scale_orders:
        sets = [s for scale in materials.scales.values() for s in scale.label_sets(materials.forms.scale).values()]
        step = lcm(*map(len, sets))  # each scale's options stand equally often in each place
        # A scale of fewer options is asked in all its orders; that of most options must not be asked for more.
        most_orders = max(factorial(len(labels)) for labels in sets)
        if orders % step or orders > most_orders:
            counts = " or ".join(map(str, sorted(set(map(len, sets)))))
            raise ParamsError(
                f"{path}: probes.scale_orders: found {orders}; expected a multiple of {step} and at most {most_orders}"
                f" (scales with {counts} response options)"
            )
    for ring, count in params.probes.rings.items():
        if count > held_out:
            raise ParamsError(f"{path}: probes.rings.{ring}: found {count}; at most {held_out} (held-out situations)")
    for name, condition in params.conditions.items():
        if isinstance(condition.policy, dict):
            _known(f"{path}: conditions.{name}.policy", condition.policy, materials.actions)
    for claim in params.inference.confirmatory:
        _known(f"{path}: inference.confirmatory outcome", [claim.outcome], materials.continuations(claim.family))
    shipped = sorted(p.name for p in EMBEDDED.glob("*-*-*") if p.is_dir())
    for model in params.models:
        if model.source.startswith("embedded:") and model.source.split(":", 1)[1] not in shipped:
            raise ParamsError(
                f"{path}: base_models: no embedded model {model.name!r}; expected one of {', '.join(shipped)},"
                " or a map with `name` and `source` (hub id or directory)"
            )


def _known(where: str, found: object, known: object) -> None:
    for name in found:
        if name not in known:
            raise ParamsError(f"{where}: unknown {name!r}; expected one of {', '.join(known)}")


def _choose(parameter: str, value: object, options: list) -> list:
    """`all`, or the one option that `value` names (papermill passes numbers as text too)."""
    if value == "all":
        return options
    for option in options:
        if str(option) == str(value) and not isinstance(value, bool):
            return [option]
    shown = ", ".join(map(str, options))
    raise ParamsError(f"{parameter}: found {value!r}; expected one of {shown}, or all")
