"""A study's YAML file -> a study with its materials, paths and hashes. Every mistake is one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from math import factorial, lcm
from pathlib import Path
from typing import TypeVar

from priorshift.errors import ParamsError
from priorshift.files import is_folder
from priorshift.materials.cues import find_leak
from priorshift.materials.load import (
    EXTENDS,
    hash_materials,
    list_materials_files,
    list_materials_folders,
    load_materials,
)
from priorshift.materials.questionnaires import read_scales
from priorshift.materials.rules import check_scales
from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.study.other_model import leave_out_source, replace_base_model
from priorshift.study.params import StudyFile, StudyParams
from priorshift.study.paths import EMBEDDED, StudyPaths
from priorshift.study.run import Run
from priorshift.yaml_files import read_yaml, validate

T = TypeVar("T")


class Study:
    """A study: what its YAML file says, the materials it names, its paths and its hashes.

    Attributes
    ----------
    params : what the YAML file says, checked
    materials : the checked materials
    folder, file : where the YAML file lies, and its name there
    paths : where the outputs lie
    params_hash, materials_hash : SHA-256 hex digests
    """

    def __init__(self, params: StudyParams, materials: Materials, folder: Path, outputs: Path, file: str = "") -> None:
        self.params, self.materials = params, materials
        self.folder, self.file = folder, file
        self.paths = StudyPaths(outputs / params.study)
        canonical = json.dumps(leave_out_source(params.model_dump(mode="json")), sort_keys=True)
        self.params_hash = hashlib.sha256(canonical.encode()).hexdigest()
        self.materials_hash = hash_materials(folder / params.materials, NEXT_WORDS in params.probes.families)
        if params.probes.scales_csv:
            # The same name with other items is another study.
            scales = "".join(scale.model_dump_json() for scale in materials.scales.values())
            self.materials_hash = hashlib.sha256((self.materials_hash + scales).encode()).hexdigest()

    def select(self, base_model: str, condition: str, seed: int | str) -> list[Run]:
        """The runs that a notebook's parameters name: base model x condition x seed.

        Each argument is one name (or seed) or `all`.

        Raises
        ------
        ParamsError
            When an argument is neither.
        """
        names = [m.name for m in self.params.models]
        models = _choose("base_model", base_model, names)
        conditions = _choose("condition", condition, list(self.params.conditions))
        seeds = _choose("seed", seed, self.params.seeds)
        return [Run(m, c, s) for m in models for c in conditions for s in seeds]


def load_study(path: Path | str, outputs: Path | str = "outputs") -> Study:
    """Read and check a study's YAML file and the materials that it names.

    Raises
    ------
    ParamsError, MaterialsError
        At the first mistake, in one line that names the file and the key.
    """
    if not isinstance(path, (str, Path)) or not str(path):
        raise ParamsError(f"study: found {path!r}; expected the path of a study's YAML file")
    path = Path(path)
    data = read_yaml(path, ParamsError)
    if not isinstance(data, dict):
        raise ParamsError(f"{path}: found {type(data).__name__}; expected a map of keys")
    params = validate(StudyFile, replace_base_model(path, data), str(path), ParamsError)
    materials = load_materials(locate_inside(path, params.materials))
    if params.probes.scales_csv:
        materials = _replace_scales(materials, locate_inside(path, params.probes.scales_csv))
    if params.mechanism and params.mechanism.prior_fit:
        locate_inside(path, params.mechanism.prior_fit.worlds)
    for check in (
        _check_domains,
        _check_scale_orders,
        _check_rings,
        _check_next_words,
        _check_classes,
        _check_cues,
        _check_intensities,
        _check_base_models,
    ):
        check(path, params, materials)
    return Study(params, materials, path.parent, Path(outputs), path.name)


def locate_inside(path: Path, name: str) -> Path:
    """What a study names must lie, with all its files, in the study's folder: a study may come from anyone.

    Parameters
    ----------
    path : the study's YAML file
    name : a path from its folder

    Raises
    ------
    ParamsError
        Naming the file that leads out.
    """
    named = path.parent / name
    # Checked before it is read: an error must not show what a link leads to.
    _refuse_outside(path, name, [named, named / EXTENDS])
    if is_folder(named):
        _refuse_outside(path, name, [*list_materials_folders(named), *list_materials_files(named)])
    return named


def _refuse_outside(path: Path, name: str, found: list[Path]) -> None:
    allowed = path.parent.resolve()
    for each in found:
        if not each.resolve().is_relative_to(allowed):
            raise ParamsError(
                f"{path}: found {name!r}, and {each} leads out of the study's folder; copy the files into it"
            )


def _replace_scales(materials: Materials, path: Path) -> Materials:
    """The materials with a user's scales in place of their own."""
    scales = read_scales(path)
    check_scales(scales, materials.outcomes, str(path), both_keys=False)
    return materials.model_copy(update={"scales": scales})


def _check_domains(path: Path, params: StudyParams, materials: Materials) -> None:
    for key in ("train_domains", "held_out_domains"):
        _check_known(f"{path}: {key}", getattr(params, key), materials.domains)
    _check_known(f"{path}: probes.families", params.probes.families, materials.list_families())
    wanted = params.probes.situations_per_domain
    for domain in [*params.train_domains, *params.held_out_domains]:
        if wanted > (most := len(materials.domains[domain])):
            raise ParamsError(
                f"{path}: probes.situations_per_domain: found {wanted}; {domain!r} has {most}, give at most that"
            )


def _check_scale_orders(path: Path, params: StudyParams, materials: Materials) -> None:
    orders = params.probes.scale_orders
    if not orders:
        return
    form = materials.forms.scale
    lengths = [len(labels) for scale in materials.scales.values() for labels in scale.get_label_sets(form).values()]
    step = lcm(*lengths)  # each scale's options stand equally often in each place
    # A scale of fewer options is measured in all its orders. That of most options bounds the number.
    most = max(map(factorial, lengths))
    if orders % step or orders > most:
        counts = " or ".join(map(str, sorted(set(lengths))))
        raise ParamsError(
            f"{path}: probes.scale_orders: found {orders}; expected a multiple of {step} and at most {most}"
            f" (scales with {counts} response options)"
        )


def _check_rings(path: Path, params: StudyParams, materials: Materials) -> None:
    most = params.probes.situations_per_domain * len(params.held_out_domains)
    for ring, count in params.probes.rings.items():
        if count > most:
            raise ParamsError(f"{path}: probes.rings.{ring}: found {count}; at most {most} (held-out situations)")


def _check_next_words(path: Path, params: StudyParams, materials: Materials) -> None:
    wanted = params.probes.forms_per_situation
    if NEXT_WORDS not in params.probes.families:
        if wanted:
            raise ParamsError(f"{path}: probes.forms_per_situation: found {wanted}; it is for the family {NEXT_WORDS}")
        return
    if wanted and wanted > (most := len(materials.next_words.forms)):
        raise ParamsError(f"{path}: probes.forms_per_situation: found {wanted}; at most {most} (forms)")
    if lacking := [outcome for outcome in materials.outcomes if outcome not in materials.next_words.words]:
        raise ParamsError(
            f"{path}: probes.families: {NEXT_WORDS} has no words for {', '.join(lacking)}; "
            f"add them to {NEXT_WORDS}.yaml"
        )


def _check_classes(path: Path, params: StudyParams, materials: Materials) -> None:
    for name, condition in params.conditions.items():
        policies = {"policy": condition.policy, "trigger.policy": condition.trigger and condition.trigger.policy}
        for key, policy in policies.items():
            if isinstance(policy, dict):
                _check_known(f"{path}: conditions.{name}.{key}", policy, materials.classes)
    for claim in params.inference.claims:
        known = materials.get_continuations(claim.family)
        _check_known(f"{path}: inference.claims outcome", [claim.outcome], known)


def _check_cues(path: Path, params: StudyParams, materials: Materials) -> None:
    cues = {f"conditions.{name}.trigger": c.trigger.cue for name, c in params.conditions.items() if c.trigger}
    if params.mechanism and params.mechanism.triggers:
        cues["mechanism.triggers.paraphrase"] = params.mechanism.triggers.paraphrase
    for where, cue in cues.items():
        if leak := find_leak(cue, materials):
            raise ParamsError(f"{path}: {where}: {cue!r} is read beside its own words: {leak}; reword the cue")


def _check_intensities(path: Path, params: StudyParams, materials: Materials) -> None:
    if (wanted := params.probes.intensities) and not materials.grades:
        raise ParamsError(
            f"{path}: probes.intensities: found {', '.join(wanted)}, and {params.materials} grades no phrase; remove "
            "it, or grade the phrases as params/materials/feelings.yaml does"
        )


def _check_base_models(path: Path, params: StudyParams, materials: Materials) -> None:
    shipped = sorted(p.name for p in EMBEDDED.glob("*-*-*") if p.is_dir())
    for model in params.models:
        if model.source.startswith("embedded:") and model.source.split(":", 1)[1] not in shipped:
            raise ParamsError(
                f"{path}: base_models: no embedded model {model.name!r}; expected one of {', '.join(shipped)},"
                " or a map with `name` and `source` (hub id or directory)"
            )


def _check_known(where: str, found: Iterable[str], known: Collection[str]) -> None:
    for name in found:
        if name not in known:
            raise ParamsError(f"{where}: unknown {name!r}; expected one of {', '.join(known)}")


def _choose(parameter: str, value: object, options: list[T]) -> list[T]:
    """`all`, or the one option that `value` names (papermill passes numbers as text too)."""
    if value == "all":
        return options
    for option in options:
        if str(option) == str(value) and not isinstance(value, bool):
            return [option]
    raise ParamsError(f"{parameter}: found {value!r}; expected one of {', '.join(map(str, options))}, or all")
