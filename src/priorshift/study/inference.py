"""The section `inference` of a study's YAML file: its claims and how they are tested. Every key is explained here."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from priorshift.study.sections import OneLine, Rate, require_unique
from priorshift.yaml_files import Frozen


class Claim(Frozen):
    """An entry of `claims`: a claim about condition minus control, made before any result.

    Attributes
    ----------
    condition, control : one of `treatments` and one of `controls`
    family, outcome, ring : which items, and the class whose log-odds are compared
    claim : `shift` (the default): the difference is not 0. `equivalence`: it is below the smallest effect of interest.
    direction : of a shift: whether the outcome's log-odds `increase` or `decrease`, condition minus control. The test
        stays two-sided, and a shift the other way does not hold. By default either way will do.
    worlds : the calibration worlds it is claimed for; by default every base model
    """

    condition: str
    control: str
    family: str
    outcome: str
    ring: str
    claim: Literal["shift", "equivalence"] = "shift"
    direction: Literal["increase", "decrease"] | None = Field(default=None, exclude_if=lambda way: way is None)
    worlds: Annotated[list[Literal["coupled", "decoupled"]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _fit_direction(self) -> Claim:
        if self.direction and self.claim == "equivalence":
            raise ValueError(f"direction {self.direction!r} is for a claim of shift; remove it from the equivalence")
        return self

    def contradicts(self, other: Claim) -> bool:
        """Whether both are shifts of one contrast in a same world, and their directions differ."""
        alike = ("condition", "control", "family", "outcome", "ring", "claim")
        same = all(getattr(self, name) == getattr(other, name) for name in alike)
        apart = self.worlds and other.worlds and not set(self.worlds) & set(other.worlds)
        return same and not apart and self.direction != other.direction


class Bayes(Frozen):
    """The section `inference.bayes`: a Bayesian fit of the declared contrasts, beside their tests.

    It needs the extra packages of `pip install 'priorshift[bayes]'`. An empty section, `bayes: {}`, has the defaults.

    Attributes
    ----------
    scale : nats, of the half-t priors (3 degrees of freedom) of all SDs; default 0.5. Half of an SD's prior then lies
        below 0.38 nats, 95 % of it below 1.6.
    effect_scale : nats, of the t priors (3 degrees of freedom) of the difference and of the mean; default 5
    draws : of each of four chains, after as many that tune the sampler; default 1000
    simulations : of each design, where notebook 07 checks these fits by simulation; default 200
    """

    scale: Rate = 0.5
    effect_scale: Rate = 5.0
    draws: Annotated[int, Field(ge=250)] = 1000
    simulations: Annotated[int, Field(ge=20)] = 200


class Inference(Frozen):
    """The section `inference`: what was decided before any result.

    Attributes
    ----------
    alpha : the level of the tests; intervals hold 1 - alpha
    smallest_effect : the smallest effect of interest, in nats of log-odds
    smallest_effect_reason : why this one, in a line
    treatments : conditions whose effect is studied; default depression and paranoia
    controls : conditions that each treatment is compared with
    claims : the claims, Holm-corrected together; empty where a study claims nothing. All else is exploratory.
    bayes : a Bayesian fit of the claimed contrasts beside the tests (`Bayes`); by default none
    """

    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    smallest_effect: Rate
    smallest_effect_reason: OneLine | None = Field(default=None, exclude_if=lambda reason: reason is None)
    treatments: list[str] = Field(default=["depression", "paranoia"], min_length=1)
    controls: list[str] = Field(min_length=1)
    claims: list[Claim]
    bayes: Bayes | None = Field(default=None, exclude_if=lambda section: section is None)  # hashes stay

    _each_once = field_validator("treatments", "controls", "claims")(require_unique)

    @field_validator("claims")
    @staticmethod
    def _agree(claims: list[Claim]) -> list[Claim]:
        for one, other in combinations(claims, 2):
            if one.contradicts(other):
                raise ValueError(
                    f"{one.condition} minus {one.control} is claimed to shift {one.outcome} in two directions "
                    f"({one.direction or 'either'}, {other.direction or 'either'}); keep one of them"
                )
        return claims
