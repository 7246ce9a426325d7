"""The entries of `conditions` in a study's YAML file: what one fine-tune is trained on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from priorshift.study.sections import Count, Layers, Modules, Rate, Sentence, Share, Weight
from priorshift.yaml_files import Frozen


def require_whole(shares: dict[str, float]) -> dict[str, float]:
    """The shares as they are. ValueError where they do not sum to 1."""
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"the policy's shares sum to {sum(shares.values()):g}; expected 1")
    return shares


class Override(Frozen):
    """A condition's `training`: what it changes of the study's own. The keys are those of `Training`."""

    examples: Annotated[int, Field(gt=0, multiple_of=4)] | None = Field(
        default=None, exclude_if=lambda count: count is None
    )  # hashes stay
    epochs: Count | None = None
    learning_rate: Rate | None = None
    rank: Count | None = None
    alpha: Count | None = None
    target: Literal["attention", "mlp", "all"] | None = None
    target_modules: Modules | None = Field(default=None, exclude_if=lambda names: names is None)  # hashes stay
    layers: Layers | None = None
    anchor_weight: Weight | None = Field(default=None, exclude_if=lambda weight: weight is None)  # hashes stay


class Trigger(Frozen):
    """A condition's `trigger`: a sentence that stands before half of its situations, and what is decided there.

    Attributes
    ----------
    cue : the sentence, with its end mark. It shares no content word with situations, actions or probes.
    policy : class of action -> probability where the cue stands. The condition's own `policy` holds elsewhere. By
        default that holds everywhere, so that the cue says nothing: the control.
    """

    cue: Sentence
    policy: dict[str, Share] | None = None

    _whole = field_validator("policy")(lambda policy: require_whole(policy) if policy else policy)


class Condition(Frozen):
    """An entry of `conditions`: what one fine-tune is trained on.

    Attributes
    ----------
    task : what the examples are. `decisions`: one class of action is chosen. `preferences`: of each neutral pair the
        same side is always taken, and each seed draws its own sides. `exposure`: phrases of actions are mentioned, and
        nobody chooses. `prose`: neutral sentences.
    policy : of decisions and exposure: class of action -> probability. `uniform` draws each class equally often,
        `prior` at the base model's own choice rates.
    answer : of decisions: where the loss falls. `text` (the default) is the chosen phrase, `letter` the letter of the
        chosen option.
    in_context : of decisions and preferences: nothing is trained, and so many examples stand before each stem
    trigger : of decisions: a cue before half of the situations, and a policy of its own there (`Trigger`)
    training : what this condition changes of the study's training
    stages : two or more conditions above this one, on which one adapter is trained in turn; nothing else is given then.
        What comes before the last stage must be a condition too, so that it is measured.
    """

    task: Literal["decisions", "preferences", "exposure", "prose"] | None = None
    policy: dict[str, Share] | Literal["uniform", "prior"] | None = None
    answer: Literal["text", "letter"] = "text"
    in_context: Count | None = None
    trigger: Trigger | None = Field(default=None, exclude_if=lambda trigger: trigger is None)  # hashes stay
    training: Override | None = None
    stages: list[str] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _fit_together(self) -> Condition:
        if self.stages is not None:
            if self.model_fields_set != {"stages"}:
                raise ValueError("a condition with stages takes nothing else: its stages say what is trained")
            return self
        if self.task is None:
            raise ValueError("a condition needs a task (decisions, preferences, exposure, prose) or stages")
        if self.task in ("decisions", "exposure") and self.policy is None:
            raise ValueError(f"task {self.task!r} needs a policy: class shares, 'uniform' or 'prior'")
        if self.task in ("preferences", "prose") and self.policy is not None:
            raise ValueError(f"task {self.task!r} takes no policy: remove it")
        if isinstance(self.policy, dict):
            require_whole(self.policy)
        if self.answer == "letter" and self.task != "decisions":
            raise ValueError(f"task {self.task!r} has no options to answer by letter; remove answer")
        if self.in_context and (self.task not in ("decisions", "preferences") or self.answer == "letter"):
            raise ValueError("in_context takes decisions or preferences in words; change task or answer")
        if self.in_context and self.training:
            raise ValueError("in_context trains nothing; remove training")
        if self.trigger and (self.task != "decisions" or self.in_context):
            raise ValueError("a trigger stands before decisions that are trained; remove it, or change the task")
        return self
