"""The sections of a study's YAML file, each checked by itself; `params` checks them against each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from priorshift.yamlio import Frozen

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Count = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=200)]
Name = Annotated[str, Field(pattern=NAME, max_length=80)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Layers = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's generator takes


class BaseModelParams(Frozen):
    """A base model: an embedded one by its name, or a hub id or local directory as `source`."""

    name: Name
    source: Place
    revision: str | None = None


class Override(Frozen):
    """What one condition's training changes of the study's: where the adapter sits and how hard it is trained."""

    epochs: Count | None = None
    learning_rate: Rate | None = None
    rank: Count | None = None
    alpha: Count | None = None
    target: Literal["attention", "mlp", "all"] | None = None
    layers: Layers | None = None


class Condition(Frozen):
    """What one fine-tune is trained on.

    `policy` maps a class of action to its probability; `uniform` draws every class equally often
    and `prior` at the base model's own choice rates. Other tasks: `preferences` (one side of each pair is
    always taken, and the sides change places with the seed), `exposure` (phrases drawn by the policy are
    mentioned, nobody chooses them) and `prose` (neutral sentences). `answer: letter` puts the loss on the
    letter of the chosen option alone. `in_context: n` trains nothing: n of the decisions stand before each stem.
    `stages` names conditions that one adapter is trained on in turn; each earlier stage is a condition of
    the study, so that the adapter is measured after every stage.
    """

    task: Literal["decisions", "preferences", "exposure", "prose"] | None = None
    policy: dict[str, Share] | Literal["uniform", "prior"] | None = None
    answer: Literal["text", "letter"] = "text"
    in_context: Count | None = None
    training: Override | None = None
    stages: list[str] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _parts_fit(self) -> Condition:
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
        if isinstance(self.policy, dict) and abs(sum(self.policy.values()) - 1) > 1e-9:
            raise ValueError(f"the policy's shares sum to {sum(self.policy.values()):g}; expected 1")
        if self.answer == "letter" and self.task != "decisions":
            raise ValueError(f"task {self.task!r} has no options to answer by letter; remove answer")
        if self.in_context and (self.task not in ("decisions", "preferences") or self.answer == "letter"):
            raise ValueError("in_context takes decisions or preferences in words; change task or answer")
        if self.in_context and self.training:
            raise ValueError("in_context trains nothing; remove training")
        return self


class Training(Frozen):
    """LoRA and its optimizer. `layers`: the blocks that get an adapter, counted from 0; all, if not given."""

    examples: Count
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    rank: Count
    alpha: Count
    dropout: Share
    target: Literal["attention", "mlp", "all"]
    options_share: Share
    layers: Layers | None = None

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
    """Which items are measured, and with how many continuations.

    rings : items per family on the held-out domains in which one thing more is new, by ring
    scale_orders : option orders in which each scale item is asked; without it no scale is measured
    scales_csv : your own items (columns scale, outcome, text, key), beside the study, instead of the materials'
    completion_samples, completion_tokens : texts that each run writes after each neutral opening, and their
        greatest length; without the former it writes none
    """

    families: list[str] = Field(min_length=1)
    situations_per_domain: Count
    continuations_per_class: Count | None
    retention_texts: Count
    rings: dict[Literal["paraphrase", "narrator", "text_form"], Count] = Field(default_factory=dict)
    scale_orders: Count | None = None
    scales_csv: Annotated[str, Field(min_length=1)] | None = None
    completion_samples: Count | None = None
    completion_tokens: Count = 24


class Exclusion(Frozen):
    """Which items the tests leave out; null or false: no such criterion.

    ngram : items that share so many words in a row with a training text
    covered_mass : items whose candidates hold less probability than this under the base model
    ambiguous_tokenization : items in which the tokenizer merges stem and continuation (an error otherwise)
    """

    ngram: Annotated[int, Field(ge=2)] | None = None
    covered_mass: Share | None = None
    ambiguous_tokenization: bool = False


class Claim(Frozen):
    """One confirmatory claim about a contrast: condition minus control on an outcome.

    claim : `shift` (it differs from 0) or `equivalence` (it lies within the smallest effect of interest)
    worlds : the calibration worlds it is claimed for; every base model, if not given
    """

    condition: str
    control: str
    family: str
    outcome: str
    ring: str
    claim: Literal["shift", "equivalence"] = "shift"
    worlds: Annotated[list[Literal["coupled", "decoupled"]], Field(min_length=1)] | None = None


class Inference(Frozen):
    """What was decided before any result."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    smallest_effect: Rate
    treatments: list[str] = Field(default=["depression", "paranoia"], min_length=1)
    controls: list[str] = Field(min_length=1)
    confirmatory: list[Claim]  # empty where a study claims nothing, as a calibration
