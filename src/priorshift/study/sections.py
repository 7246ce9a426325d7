"""The sections of a study's YAML file, each checked by itself; `params` checks them against each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from priorshift.yaml_files import Frozen

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Count = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=200)]
Name = Annotated[str, Field(pattern=NAME, max_length=80)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Layers = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Analysis = Literal["04_test", "05_report", "06_placement", "07_calibration"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's generator takes


def each_once(values: list) -> list:
    """The values as they are; ValueError where one is given twice."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{value!r} is given twice; name each once")
    return values


class BaseModelParams(Frozen):
    """A base model: an embedded one by its name, or a hub id or local directory as `source`.

    revision : a hub model's branch, tag or commit
    prompt_style : `raw` text, or `chat` turns by the model's own template
    dtype : of the weights; `auto` is float32 on a CPU, and bfloat16 on a GPU that has it, else float16
    """

    name: Name
    source: Place
    revision: Place | None = None
    prompt_style: Literal["raw", "chat"] = "raw"
    load_in_4bit: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    @model_validator(mode="after")
    def _fits_its_source(self) -> BaseModelParams:
        if not self.source.startswith("embedded:"):
            return self
        if self.revision:
            raise ValueError(f"revision {self.revision!r} is for hub models, and {self.source!r} is none; remove it")
        if self.prompt_style == "chat":
            raise ValueError(f"prompt_style 'chat' needs a chat template, and {self.source!r} has none; use raw")
        if self.load_in_4bit:
            raise ValueError(f"load_in_4bit is for large models, and {self.source!r} is small; remove it")
        return self


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
    always taken, drawn anew for each seed), `exposure` (phrases drawn by the policy are
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
    """LoRA and its optimizer: AdamW, the rate rising over `warmup_steps` and then falling linearly to zero.

    weight_decay : what a step takes off the adapter, a share of it over the rate (Loshchilov & Hutter 2019)
    layers : the blocks that get an adapter, counted from 0; all, if not given
    gradient_checkpointing : compute activations again instead of keeping them: less memory, more time
    """

    examples: Count
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    warmup_steps: Annotated[int, Field(ge=0)] = 2
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    rank: Count
    alpha: Count
    dropout: Share
    target: Literal["attention", "mlp", "all"]
    options_share: Share
    layers: Layers | None = None
    gradient_checkpointing: bool = False

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

    families: list[Name] = Field(min_length=1)
    situations_per_domain: Count
    continuations_per_class: Count | None
    retention_texts: Count
    rings: dict[Literal["paraphrase", "narrator", "text_form"], Count] = Field(default_factory=dict)
    scale_orders: Count | None = None
    scales_csv: Place | None = None
    completion_samples: Count | None = None
    completion_tokens: Count = 24

    _families_once = field_validator("families")(each_once)

    @model_validator(mode="after")
    def _asked_scales(self) -> Probes:
        if self.scales_csv and not self.scale_orders:
            raise ValueError(f"scales_csv is {self.scales_csv!r}, and no scale is asked without scale_orders; add it")
        return self


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

    _each_once = field_validator("treatments", "controls", "confirmatory")(each_once)


class Resources(Frozen):
    """What a scheduler sets aside for each job; of GPUs only the jobs that run a model get any.

    memory_gb : that of the first attempt; each retry gets as much again
    hours : after them a scheduler ends the job, and its retry goes on where it was
    """

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    cpus: Annotated[int, Field(ge=1, le=1024)] = 1
    memory_gb: Annotated[float, Field(ge=0.1, le=100_000)] = 8
    hours: Annotated[float, Field(ge=0.02, le=10_000)] = 4
