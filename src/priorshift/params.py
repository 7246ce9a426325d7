"""One YAML file -> one frozen, validated study."""

from __future__ import annotations

import hashlib
import json
from math import factorial, lcm
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from priorshift.errors import ParamsError
from priorshift.material_files import EXTENDS, load_materials, materials_files, materials_folders, materials_hash
from priorshift.material_rules import check_scales
from priorshift.materials import FAMILIES, Materials
from priorshift.paths import EMBEDDED, StudyPaths, is_folder
from priorshift.scale_items import read_scales
from priorshift.sections import (
    Analysis,
    BaseModelParams,
    Condition,
    Exclusion,
    Inference,
    Name,
    Place,
    Probes,
    Resources,
    Seed,
    Training,
    each_once,
)
from priorshift.yamlio import Frozen, read_yaml, validate

# Told apart by type, so that a mistake in a map is told of the map.
Named = Annotated[
    Annotated[Name, Tag("name")] | Annotated[BaseModelParams, Tag("model")],
    Discriminator(lambda entry: "name" if isinstance(entry, str) else "model"),
]
RINGS = ("training_domains", "held_out_domains")


class Study(Frozen):
    """A whole study, checked against its materials; `load_study` makes it.

    backend : who fine-tunes; `auto` is Unsloth where it and a CUDA device are there, else peft
    """

    study: Name
    backend: Literal["auto", "unsloth", "peft"] = "auto"
    materials: Place
    base_models: list[Named] = Field(min_length=1)
    seeds: list[Seed] = Field(min_length=1)
    train_domains: list[str] = Field(min_length=1)
    held_out_domains: list[str] = Field(min_length=5)
    conditions: dict[Name, Condition] = Field(min_length=1)
    training: Training
    probes: Probes
    exclusion: Exclusion = Exclusion()
    inference: Inference

    _each_once = field_validator("seeds", "train_domains", "held_out_domains", "base_models")(each_once)

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        both = sorted(set(self.train_domains) & set(self.held_out_domains))
        if both:
            raise ValueError(f"domains {both} are in train_domains and in held_out_domains; keep each in one")
        names = [m.name for m in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"base_models: two have the same name among {names}; names must differ")
        for kind, taken in (("base_models", names), ("conditions", self.conditions)):
            if "all" in taken:
                raise ValueError(f"{kind}: one is named 'all', which asks for every one of them; give it another name")
        if column := {"base", "stem"} & set(self.conditions):
            raise ValueError(f"conditions: {column.pop()!r} is a column of completions.csv; give it another name")
        for name, condition in self.conditions.items():
            if condition.in_context and condition.in_context > self.training.examples:
                raise ValueError(
                    f"conditions.{name}: in_context is {condition.in_context}; at most training.examples "
                    f"({self.training.examples}) decisions can stand before a stem"
                )
        self._check_stages()
        known = set(self.conditions)
        claims = self.inference.confirmatory
        compared = [*self.inference.treatments, *self.inference.controls]
        for name in [*compared, *(c.condition for c in claims), *(c.control for c in claims)]:
            if name not in known:
                ungiven = "treatments" not in self.inference.model_fields_set and name in self.inference.treatments
                why = " (treatments is not given, and means depression and paranoia)" if ungiven else ""
                raise ValueError(f"inference: unknown condition {name!r}{why}; expected one of {sorted(known)}")
        for claim in claims:
            treated, against = claim.condition in self.inference.treatments, claim.control in self.inference.controls
            if not treated or not against or claim.condition == claim.control:
                raise ValueError(
                    f"inference: the claim {claim.condition} minus {claim.control} is not one of treatments "
                    f"{self.inference.treatments} minus controls {self.inference.controls}; name both there"
                )
            if claim.family not in self.probes.families:
                raise ValueError(
                    f"inference: family {claim.family!r} is not among probes.families {self.probes.families}"
                )
            rings = [*RINGS, *self.probes.rings]
            if claim.ring not in rings:
                raise ValueError(f"inference: unknown ring {claim.ring!r}; expected one of {rings}")
        return self

    @property
    def models(self) -> list[BaseModelParams]:
        """The base models; a bare name means an embedded one."""
        return [BaseModelParams(name=m, source=f"embedded:{m}") if isinstance(m, str) else m for m in self.base_models]

    @property
    def neutral(self) -> str | None:
        """The first condition that is trained on preferences: whose seeds show what another seed does by itself."""
        trained = (name for name, c in self.conditions.items() if c.task == "preferences" and not c.in_context)
        return next(trained, None)

    def _check_stages(self) -> None:
        above: list[str] = []
        for name, condition in self.conditions.items():
            for stage in condition.stages or ():
                if stage not in above:
                    raise ValueError(f"conditions.{name}: stage {stage!r} is no condition above it; declare it first")
                if self.conditions[stage].stages or self.conditions[stage].in_context:
                    raise ValueError(f"conditions.{name}: stage {stage!r} is not one training; name one that is")
            if condition.stages:
                self.predecessor(name)
            above.append(name)

    def predecessor(self, condition: str) -> str | None:
        """The condition whose adapter this one goes on from: that of all its stages but the last."""
        stages = self.conditions[condition].stages
        if stages is None:
            return None
        if len(stages) == 2:
            return stages[0]
        for name, other in self.conditions.items():
            if other.stages == stages[:-1]:
                return name
        raise ValueError(
            f"conditions.{condition}: no condition has the stages {stages[:-1]}; declare one, so that it is measured"
        )

    def lesson(self, condition: str) -> str:
        """The condition whose examples this one is trained on last: itself, or its last stage."""
        return (self.conditions[condition].stages or [condition])[-1]

    def training_of(self, condition: str) -> Training:
        """The study's training with what the condition changes of it."""
        override = self.conditions[self.lesson(condition)].training
        changes = override.model_dump(exclude_none=True) if override else {}
        return self.training.model_copy(update=changes)

    def base_model(self, name: str) -> BaseModelParams:
        """The base model of that name; raises ParamsError otherwise."""
        for model in self.models:
            if model.name == name:
                return model
        raise ParamsError(
            f"base_model: found {name!r}; study {self.study!r} has {', '.join(m.name for m in self.models)}"
        )


class StudyFile(Study):
    """A study with what follows its measurements and how it is cut into jobs.

    No result depends on either, so they are in no dump and in no hash.
    """

    analyses: list[Analysis] = Field(["04_test", "05_report"], min_length=1, exclude=True)

    shard: Literal["run", "base_model"] = Field("base_model", exclude=True)
    resources: Resources = Field(Resources(), exclude=True)

    @model_validator(mode="after")
    def _analyses_fit(self) -> StudyFile:
        if len(set(self.analyses)) < len(self.analyses):
            raise ValueError(f"analyses: found {', '.join(self.analyses)}; name each once")
        if "05_report" in self.analyses and "04_test" not in self.analyses:
            raise ValueError("analyses: 05_report reads the tables of 04_test; name both or neither")
        return self


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

    def select(self, base_model: str, condition: str, seed: int | str) -> list[tuple[str, str, int]]:
        """The runs that a notebook was asked for: base model x condition x seed.

        Each argument is one name (or seed) or `all`; anything else raises ParamsError.
        """
        names = [m.name for m in self.params.models]
        chosen = _choose("base_model", base_model, names)
        conditions = _choose("condition", condition, list(self.params.conditions))
        seeds = _choose("seed", seed, self.params.seeds)
        return [(m, c, s) for m in chosen for c in conditions for s in seeds]


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
