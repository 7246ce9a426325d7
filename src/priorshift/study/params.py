"""A study's YAML file as one frozen object: the keys at its top, and the sections checked against each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from priorshift.errors import ParamsError
from priorshift.study.conditions import Condition
from priorshift.study.inference import Inference
from priorshift.study.mechanism import Mechanism
from priorshift.study.sections import (
    Analysis,
    BaseModelParams,
    Exclusion,
    Name,
    OneLine,
    Probes,
    Resources,
    Seed,
    Training,
    require_unique,
)
from priorshift.yaml_files import Frozen

# Told apart by type, so that an error in a map speaks of the map.
NameOrMap = Annotated[
    Annotated[Name, Tag("name")] | Annotated[BaseModelParams, Tag("model")],
    Discriminator(lambda entry: "name" if isinstance(entry, str) else "model"),
]
NEAR = "training_domains"
HELD_OUT = "held_out_domains"  # the ring that figures and claims are about
RINGS = (NEAR, HELD_OUT)


class StudyParams(Frozen):
    """The keys of a study's YAML file that its results depend on. `load_study` reads them.

    Attributes
    ----------
    study : the study's name, and that of its folder of outputs
    backend : what fine-tunes. `auto` (the default) is Unsloth where it and a CUDA device are there, else PEFT.
    materials : the path of the materials, from the YAML file's folder
    base_models : names of embedded models, or maps (`BaseModelParams`)
    seeds : one run of each condition and base model per seed
    train_domains, held_out_domains : domains of the training set, and those that only probes use: five or more
    conditions : name -> what is trained (`Condition`)
    training, probes, exclusion, inference : see `Training`, `Probes`, `Exclusion` and `Inference`
    mechanism : what notebook 08 asks (`Mechanism`); by default nothing
    """

    study: Name
    backend: Literal["auto", "unsloth", "peft"] = "auto"
    materials: OneLine
    base_models: list[NameOrMap] = Field(min_length=1)
    seeds: list[Seed] = Field(min_length=1)
    train_domains: list[str] = Field(min_length=1)
    held_out_domains: list[str] = Field(min_length=5)
    conditions: dict[Name, Condition] = Field(min_length=1)
    training: Training
    probes: Probes
    exclusion: Exclusion = Exclusion()
    inference: Inference
    mechanism: Mechanism | None = Field(default=None, exclude_if=lambda section: section is None)  # hashes stay

    _each_once = field_validator("seeds", "train_domains", "held_out_domains", "base_models")(require_unique)

    @model_validator(mode="after")
    def _fit_together(self) -> StudyParams:
        both = sorted(set(self.train_domains) & set(self.held_out_domains))
        if both:
            raise ValueError(f"domains {both} are in train_domains and in held_out_domains; keep each in one")
        self._check_names()
        self._check_contexts()
        self._check_stages()
        self._check_kept_steps()
        if self.backend == "unsloth" and (anchored := self.list_anchored()):
            raise ValueError(f"conditions.{anchored[0]}: only PEFT trains with an anchor_weight; set backend: peft")
        self._check_inference()
        self._check_mechanism()
        return self

    @property
    def models(self) -> list[BaseModelParams]:
        """The base models. A bare name means an embedded one."""
        return [BaseModelParams(name=m, source=f"embedded:{m}") if isinstance(m, str) else m for m in self.base_models]

    @property
    def neutral(self) -> str | None:
        """The first condition trained on preferences. Its runs show what another seed does by itself."""
        trained = (name for name, c in self.conditions.items() if c.task == "preferences" and not c.in_context)
        return next(trained, None)

    def find_start(self, condition: str) -> str | None:
        """The condition from whose adapter a condition starts: that of all its stages but the last.

        None for a condition that starts from a fresh adapter.
        """
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

    def find_last_stage(self, condition: str) -> str:
        """The condition whose examples a condition is trained on last: its last stage, or itself."""
        return (self.conditions[condition].stages or [condition])[-1]

    def resolve_training(self, condition: str) -> Training:
        """The study's training with what the condition changes of it."""
        override = self.conditions[self.find_last_stage(condition)].training
        changes = override.model_dump(exclude_none=True) if override else {}
        if "target" in changes:
            changes = {"target_modules": None} | changes  # the study's own names give way to the condition's target
        return self.training.model_copy(update=changes)

    def list_anchored(self) -> list[str]:
        """List the conditions that are trained with an anchor, which Unsloth does not know."""
        trained = [name for name, condition in self.conditions.items() if not condition.in_context]
        return [name for name in trained if self.resolve_training(name).anchor_weight]

    def find_base_model(self, name: str) -> BaseModelParams:
        """The base model of that name. Raises ParamsError where the study has none."""
        for model in self.models:
            if model.name == name:
                return model
        raise ParamsError(
            f"base_model: found {name!r}; study {self.study!r} has {', '.join(m.name for m in self.models)}"
        )

    def _check_names(self) -> None:
        names = [m.name for m in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"base_models: two have the same name among {names}; names must differ")
        for kind, taken in (("base_models", names), ("conditions", self.conditions)):
            if "all" in taken:
                raise ValueError(f"{kind}: one is named 'all', which selects every one of them; give it another name")
        if column := {"base", "stem"} & set(self.conditions):
            raise ValueError(f"conditions: {column.pop()!r} is a column of completions.csv; give it another name")

    def _check_contexts(self) -> None:
        for name, condition in self.conditions.items():
            if condition.in_context and condition.in_context > self.training.examples:
                raise ValueError(
                    f"conditions.{name}: in_context is {condition.in_context}; at most training.examples "
                    f"({self.training.examples}) decisions can stand before a stem"
                )

    def _check_stages(self) -> None:
        above: list[str] = []
        for name, condition in self.conditions.items():
            for stage in condition.stages or ():
                if stage not in above:
                    raise ValueError(f"conditions.{name}: stage {stage!r} is no condition above it; declare it first")
                if self.conditions[stage].stages or self.conditions[stage].in_context:
                    raise ValueError(f"conditions.{name}: stage {stage!r} is not one training; name one that is")
            if condition.stages:
                self.find_start(name)
            above.append(name)

    def _check_mechanism(self) -> None:
        asked = self.mechanism or Mechanism()
        known, trained = (
            [model.name for model in self.models],
            {n for n, c in self.conditions.items() if not c.in_context},
        )
        for key in ("directions", "algebra", "trajectory", "triggers"):
            for name in ((part := getattr(asked, key)) and part.base_models) or ():
                if name not in known:
                    raise ValueError(f"mechanism.{key}: unknown base model {name!r}; expected some of {known}")
        if asked.directions and (len(self.seeds) < 2 or self.neutral is None):
            raise ValueError(
                "mechanism.directions: a direction is tested on another seed, beside neutral runs; give two seeds or "
                "more, and a condition whose task is preferences"
            )
        if asked.trajectory and not self.training.kept_steps:
            raise ValueError("mechanism.trajectory needs adapters of earlier steps; name them in training.kept_steps")
        for name in asked.algebra.list_conditions() if asked.algebra else ():
            if name not in trained:
                raise ValueError(
                    f"mechanism.algebra: {name!r} is no trained condition; expected some of {sorted(trained)}"
                )
        if asked.algebra:
            asked.algebra.check_doses(self.conditions)
        if asked.triggers:
            asked.triggers.check_conditions(self.conditions)
        if asked.frontier:
            asked.frontier.check_conditions(self.conditions)

    def _check_kept_steps(self) -> None:
        """A condition may train for fewer steps than the study."""
        for name, condition in self.conditions.items():
            training = self.resolve_training(name)
            if not condition.in_context and training.kept_steps and max(training.kept_steps) >= training.steps:
                raise ValueError(
                    f"conditions.{name}: training.kept_steps is {training.kept_steps}, and this condition's training "
                    f"ends after step {training.steps}; keep earlier steps, or train it longer"
                )

    def _check_inference(self) -> None:
        settings = self.inference
        claims = settings.claims
        compared = [*settings.treatments, *settings.controls]
        for name in [*compared, *(c.condition for c in claims), *(c.control for c in claims)]:
            if name not in self.conditions:
                by_default = "treatments" not in settings.model_fields_set and name in settings.treatments
                why = " (treatments is not given, and means depression and paranoia)" if by_default else ""
                known = sorted(self.conditions)
                raise ValueError(f"inference: unknown condition {name!r}{why}; expected one of {known}")
        rings = [*RINGS, *self.probes.rings]
        for claim in claims:
            treated, against = claim.condition in settings.treatments, claim.control in settings.controls
            if not treated or not against or claim.condition == claim.control:
                raise ValueError(
                    f"inference: the claim {claim.condition} minus {claim.control} is not one of treatments "
                    f"{settings.treatments} minus controls {settings.controls}; name both there"
                )
            if claim.family not in self.probes.families:
                raise ValueError(
                    f"inference: family {claim.family!r} is not among probes.families {self.probes.families}; add it"
                )
            if claim.ring not in rings:
                raise ValueError(f"inference: unknown ring {claim.ring!r}; expected one of {rings}")


class StudyFile(StudyParams):
    """All keys of a study's YAML file: also those that no result depends on. They are in no dump and in no hash.

    Attributes
    ----------
    analyses : the notebooks that follow the measurements, in order; default 04_test and 05_report
    shard : what one job of a grid works on: a `run`, or all runs of a `base_model` (the default)
    resources : see `Resources`
    """

    analyses: list[Analysis] = Field(["04_test", "05_report"], min_length=1, exclude=True)
    shard: Literal["run", "base_model"] = Field("base_model", exclude=True)
    resources: Resources = Field(Resources(), exclude=True)

    @model_validator(mode="after")
    def _fit_analyses(self) -> StudyFile:
        if len(set(self.analyses)) < len(self.analyses):
            raise ValueError(f"analyses: found {', '.join(self.analyses)}; name each once")
        if "05_report" in self.analyses and "04_test" not in self.analyses:
            raise ValueError("analyses: 05_report reads the tables of 04_test; name both or neither")
        if "08_mechanism" in self.analyses and self.mechanism is None:
            raise ValueError("analyses: 08_mechanism needs a section mechanism that says what is asked; add it")
        return self
