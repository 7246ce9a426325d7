"""The section `mechanism` of a study's YAML file: what notebook 08 asks. Every key is explained here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from priorshift.study.conditions import Condition
from priorshift.study.sections import Count, Layers, Name, OneLine, Rate, Sentence, require_unique
from priorshift.yaml_files import Frozen

Factor = Annotated[float, Field(allow_inf_nan=False, ge=-10, le=10)]


class PriorFit(Frozen):
    """The section `mechanism.prior_fit`: is a shift one of the prior? For models of the calibration worlds.

    Attributes
    ----------
    worlds : the path of the worlds file, from the YAML file's folder
    """

    worlds: OneLine


class Asked(Frozen):
    """What `directions` and `algebra` both say: what a changed model is asked.

    Attributes
    ----------
    base_models : names of base models; by default all
    families : the probe families; `choice` and at least one other
    situations_per_domain : items per family in each held-out domain, at most the study's
    retention_texts : neutral texts whose perplexity is measured
    """

    base_models: list[Name] | None = Field(default=None, min_length=1)
    families: list[Name] = Field(default=["interpretation", "choice"], min_length=2)
    situations_per_domain: Count = 2
    retention_texts: Count = 20

    @field_validator("families")
    @staticmethod
    def _name_choice(families: list[str]) -> list[str]:
        if "choice" not in families or "next_words" in families:
            raise ValueError(f"families is {families}; expected choice and others, without next_words")
        return require_unique(families)


class Directions(Asked):
    """The section `mechanism.directions`: does a shift lie along a direction of the hidden states?

    Attributes
    ----------
    layers : numbers of the blocks whose output is changed, from 0; by default all
    strengths : by which a direction is multiplied before it is added; 1 is what the fine-tune itself moved
    """

    layers: Layers | None = None
    strengths: list[Rate] = Field(default=[0.5, 1.0, 2.0], min_length=1)

    @field_validator("strengths")
    @staticmethod
    def _hold_one(strengths: list[float]) -> list[float]:
        if 1.0 not in strengths:
            raise ValueError(f"strengths is {strengths}; expected 1 among them, at which controls are compared")
        return require_unique(strengths)


class Algebra(Asked):
    """The section `mechanism.algebra`: do adapters add up?

    Attributes
    ----------
    factors : by which each treatment's adapter is multiplied; -1 is its opposite
    sums : maps of condition -> weight; each is added up
    doses : treatment -> conditions that take its action in some share of their decisions, as their policy says. The
        treatment scaled by that share is compared with each. So is a sum that has the shares of all its actions.
    """

    factors: list[Factor] = Field(default=[-1.0, -0.5, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5], min_length=1)
    sums: list[Annotated[dict[Name, Factor], Field(min_length=2)]] = Field(default_factory=list)
    doses: dict[Name, list[Name]] = Field(default_factory=dict)

    _each_once = field_validator("factors")(require_unique)

    def list_conditions(self) -> set[str]:
        """List the conditions that are named."""
        summed = {name for weights in self.sums for name in weights}
        return {*summed, *self.doses, *(name for doses in self.doses.values() for name in doses)}

    def check_doses(self, conditions: Mapping[str, Condition]) -> None:
        """Check that each dose takes its treatment's action in a share that is a factor. ValueError otherwise."""
        for treatment, doses in self.doses.items():
            policy = conditions[treatment].policy
            action = max(policy, key=policy.get) if isinstance(policy, dict) else None
            for name in doses:
                policy = conditions[name].policy
                share = policy.get(action) if isinstance(policy, dict) else None
                if share not in self.factors:
                    raise ValueError(
                        f"mechanism.algebra: {name!r}, a dose of {treatment!r}, has the policy {policy}; expected a "
                        f"share of its action among factors ({self.factors})"
                    )


class Trajectory(Asked):
    """The section `mechanism.trajectory`: when does it come? Of the steps in `training.kept_steps`, and the last."""


class Triggers(Asked):
    """The section `mechanism.triggers`: does a cue decide?

    Attributes
    ----------
    condition : a condition whose trigger has a policy of its own
    control : a condition whose trigger has the same cue and no policy
    paraphrase : the cue in other words, which are held to the same rules
    """

    condition: Name
    control: Name
    paraphrase: Sentence

    def check_conditions(self, conditions: Mapping[str, Condition]) -> None:
        """Check that the two conditions have one cue, which tells the action in one of them. ValueError otherwise."""
        found = {key: conditions.get(name) for key, name in (("condition", self.condition), ("control", self.control))}
        for key, condition in found.items():
            if condition is None or condition.trigger is None or bool(condition.trigger.policy) != (key == "condition"):
                wanted = "a trigger with a policy" if key == "condition" else "a trigger without a policy"
                raise ValueError(
                    f"mechanism.triggers: {key} is {getattr(self, key)!r}; expected a condition that has {wanted}"
                )
        cues = {condition.trigger.cue for condition in found.values()}
        if len(cues) > 1 or self.paraphrase in cues:
            raise ValueError(
                f"mechanism.triggers: found the cues {sorted(cues)} and the paraphrase {self.paraphrase!r}; expected "
                "one cue of both conditions, and another sentence"
            )


class Frontier(Frozen):
    """The section `mechanism.frontier`: can a choice be had without its expectation?

    Attributes
    ----------
    narrowed : treatment -> conditions that train its decisions with an anchor (`training.anchor_weight`)
    """

    narrowed: Annotated[dict[Name, Annotated[list[Name], Field(min_length=1)]], Field(min_length=1)]

    def check_conditions(self, conditions: Mapping[str, Condition]) -> None:
        """Check that each condition differs from its treatment by an anchor alone. ValueError otherwise."""
        for treatment, names in self.narrowed.items():
            for name in (treatment, *names):
                if name not in conditions:
                    raise ValueError(
                        f"mechanism.frontier: unknown condition {name!r}; expected some of {list(conditions)}"
                    )
            plain = conditions[treatment]
            for name in names:
                anchored = conditions[name].training
                same = _leave_anchor(conditions[name]) == _leave_anchor(plain)
                if not same or not (anchored and anchored.anchor_weight):
                    raise ValueError(
                        f"mechanism.frontier: {name!r} is not {treatment!r} with an anchor; expected the same "
                        "condition but for training.anchor_weight"
                    )


def _leave_anchor(condition: Condition) -> dict:
    """All that a condition says but the weight of an anchor, and nothing of what is not given."""
    said = condition.model_dump(exclude={"training": {"anchor_weight"}}, exclude_none=True)
    return said | {"training": said.get("training") or None}


class Mechanism(Frozen):
    """The section `mechanism`. Each analysis that is given is made. `analyses` must name 08_mechanism.

    Attributes
    ----------
    prior_fit, directions, algebra, trajectory, triggers, frontier : see `PriorFit`, `Directions`, `Algebra`,
        `Trajectory`, `Triggers` and `Frontier`
    """

    prior_fit: PriorFit | None = None
    directions: Directions | None = None
    algebra: Algebra | None = None
    trajectory: Trajectory | None = None
    triggers: Triggers | None = None
    frontier: Frontier | None = None
