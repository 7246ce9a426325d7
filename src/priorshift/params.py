"""One YAML file -> one frozen, validated study."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from priorshift.errors import ParamsError
from priorshift.materials import Materials, load_materials, materials_hash
from priorshift.paths import EMBEDDED, StudyPaths
from priorshift.yamlio import Frozen, read_yaml, validate

RINGS = ("training_domains", "held_out_domains")
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SPECIAL_POLICIES = ("uniform", "prior")

Count = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=NAME, max_length=80)]
Share = Annotated[float, Field(ge=0, le=1)]


class BaseModelParams(Frozen):
    """A base model: an embedded one by its name, or a hub id or local directory as `source`."""

    name: Name
    source: Annotated[str, Field(min_length=1)]
    revision: str | None = None


class Condition(Frozen):
    """What one fine-tune is trained on: a task, and for decisions the policy that chooses.

    `policy` maps a class of action to its probability; `uniform` draws every class equally often
    and `prior` at the base model's own choice rates. A preference task has no policy: one side of
    each pair is always taken, and the sides change places with the seed.
    """

    task: Literal["decisions", "preferences"]
    policy: dict[str, Share] | Literal["uniform", "prior"] | None = None

    @model_validator(mode="after")
    def _policy_fits_task(self) -> Condition:
        if self.task == "decisions" and self.policy is None:
            raise ValueError("task 'decisions' needs a policy: class shares, 'uniform' or 'prior'")
        if self.task == "preferences" and self.policy is not None:
            raise ValueError("task 'preferences' takes no policy: remove it")
        if isinstance(self.policy, dict) and abs(sum(self.policy.values()) - 1) > 1e-9:
            raise ValueError(f"the policy's shares sum to {sum(self.policy.values()):g}; expected 1")
        return self


class Training(Frozen):
    """LoRA and its optimizer."""

    examples: Count
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    rank: Count
    alpha: Count
    dropout: Share
    target: Literal["attention", "mlp", "all"]
    options_share: Share

    @model_validator(mode="after")
    def _even(self) -> Training:
        if self.examples % 4:
            raise ValueError(f"examples is {self.examples}; expected a multiple of 4 (forms x phrase lengths)")
        return self

    @property
    def steps(self) -> int:
        """Optimizer steps: every example is seen `epochs` times."""
        return -(-self.examples // self.batch_size) * self.epochs


class Probes(Frozen):
    """Which items are measured, and with how many continuations."""

    families: list[Literal["interpretation", "feeling", "self_statement", "choice"]] = Field(min_length=1)
    situations_per_domain: Count
    continuations_per_class: Count | None
    retention_texts: Count


class Claim(Frozen):
    """One confirmatory contrast: condition minus control on an outcome."""

    condition: str
    control: str
    family: str
    outcome: str
    ring: str


class Inference(Frozen):
    """What was decided before any result."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    smallest_effect: Rate
    controls: list[str] = Field(min_length=1)
    confirmatory: list[Claim]  # empty where a study claims nothing, as a calibration


class Study(Frozen):
    """A whole study, checked against its materials; `load_study` makes it."""

    study: Name
    materials: Annotated[str, Field(min_length=1)]
    base_models: list[str | BaseModelParams] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    train_domains: list[str] = Field(min_length=1)
    held_out_domains: list[str] = Field(min_length=5)
    conditions: dict[Name, Condition] = Field(min_length=1)
    training: Training
    probes: Probes
    inference: Inference

    @field_validator("seeds", "train_domains", "held_out_domains", "base_models")
    @classmethod
    def _no_repeats(cls, values: list) -> list:
        seen = []
        for value in values:
            if value in seen:
                raise ValueError(f"{value!r} is given twice; name each once")
            seen.append(value)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        both = sorted(set(self.train_domains) & set(self.held_out_domains))
        if both:
            raise ValueError(f"domains {both} are in train_domains and in held_out_domains; keep each in one")
        names = [m.name for m in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"base_models: two have the same name among {names}; names must differ")
        known = set(self.conditions)
        claims = self.inference.confirmatory
        for name in [*self.inference.controls, *(c.condition for c in claims), *(c.control for c in claims)]:
            if name not in known:
                raise ValueError(f"inference: unknown condition {name!r}; expected one of {sorted(known)}")
        for claim in claims:
            if claim.family not in self.probes.families:
                raise ValueError(
                    f"inference: family {claim.family!r} is not among probes.families {self.probes.families}"
                )
            if claim.ring not in RINGS:
                raise ValueError(f"inference: unknown ring {claim.ring!r}; expected one of {list(RINGS)}")
        return self

    @property
    def models(self) -> list[BaseModelParams]:
        """The base models; a bare name means an embedded one."""
        return [
            BaseModelParams(name=m, source=f"embedded:{m}") if isinstance(m, str) and re.match(NAME, m) else m
            for m in self.base_models
        ]

    def base_model(self, name: str) -> BaseModelParams:
        """The base model of that name; raises ParamsError otherwise."""
        for model in self.models:
            if model.name == name:
                return model
        raise ParamsError(
            f"base_model: found {name!r}; study {self.study!r} has {', '.join(m.name for m in self.models)}"
        )


class LoadedStudy:
    """A study with the materials it names, its paths and its hashes.

    Attributes
    ----------
    params : the validated Study
    materials : the checked Materials
    paths : where this study's outputs lie
    params_hash, materials_hash : SHA-256 hex digests
    """

    def __init__(self, params: Study, materials: Materials, folder: Path, outputs: Path) -> None:
        self.params, self.materials = params, materials
        self.folder = folder
        self.paths = StudyPaths(outputs / params.study)
        canonical = json.dumps(params.model_dump(mode="json"), sort_keys=True)
        self.params_hash = hashlib.sha256(canonical.encode()).hexdigest()
        self.materials_hash = materials_hash(folder / params.materials)

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
    params = validate(Study, data, str(path), ParamsError)
    materials = load_materials(path.parent / params.materials)
    _check_against_materials(path, params, materials)
    return LoadedStudy(params, materials, path.parent, Path(outputs))


def _check_against_materials(path: Path, params: Study, materials: Materials) -> None:
    for key in ("train_domains", "held_out_domains"):
        _known(f"{path}: {key}", getattr(params, key), materials.domains)
    most = params.probes.situations_per_domain
    for domain in [*params.train_domains, *params.held_out_domains]:
        if most > len(materials.domains[domain]):
            raise ParamsError(
                f"{path}: probes.situations_per_domain: found {most}; {domain!r} has {len(materials.domains[domain])}"
            )
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
