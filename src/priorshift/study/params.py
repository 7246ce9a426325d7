"""One YAML file -> one frozen, validated study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from priorshift.errors import ParamsError
from priorshift.study.sections import (
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
from priorshift.yaml_files import Frozen

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
