"""What each section of a study's YAML file may say. Every key is explained once.

Conditions are in `conditions`, claims in `inference`, and what notebook 08 asks in `mechanism`.

A key without a default must be given. `params` has the keys at the top of the file and checks the sections together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from priorshift.yaml_files import Frozen

Count = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's generator takes
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=200)]  # a path, a hub id or a revision
Sentence = Annotated[str, Field(pattern=r"^\S[^\x00-\x1f]*[.!?]$", max_length=200)]
Layers = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Modules = Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]], Field(min_length=1)]
Intensities = Annotated[list[Literal["mild", "moderate", "strong"]], Field(min_length=1)]
Analysis = Literal["04_test", "05_report", "06_placement", "07_calibration", "08_mechanism"]


def require_unique(values: list) -> list:
    """The values as they are. ValueError where one is given twice."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{value!r} is given twice; name each once")
    return values


class BaseModelParams(Frozen):
    """An entry of `base_models`. A bare name in its place means the embedded model of that name.

    Attributes
    ----------
    name : what folders and tables call the model
    source : a hub id, a local directory, or `embedded:` and the name of an embedded model
    revision : a hub model's branch, tag or commit; by default its main branch
    prompt_style : `raw` text (the default), or `chat` turns by the model's own template
    load_in_4bit : whether weights are quantized to 4 bits; default false
    dtype : number type of the weights. `auto` (the default) is float32 on a CPU. On a GPU it is bfloat16 where the
        GPU has it, else float16.
    """

    name: Name
    source: OneLine
    revision: OneLine | None = None
    prompt_style: Literal["raw", "chat"] = "raw"
    load_in_4bit: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    @model_validator(mode="after")
    def _fit_source(self) -> BaseModelParams:
        if not self.source.startswith("embedded:"):
            return self
        if self.revision:
            raise ValueError(f"revision {self.revision!r} is for hub models, and {self.source!r} is none; remove it")
        if self.prompt_style == "chat":
            raise ValueError(f"prompt_style 'chat' needs a chat template, and {self.source!r} has none; use raw")
        if self.load_in_4bit:
            raise ValueError(f"load_in_4bit is for large models, and {self.source!r} is small; remove it")
        return self


class Training(Frozen):
    """The section `training`: LoRA, and AdamW whose rate rises and then falls linearly to zero.

    Attributes
    ----------
    examples : training examples, a multiple of 4
    epochs : how often each example is seen
    batch_size : examples per optimizer step; where memory runs out they are split, and their gradients added up
    learning_rate : the highest rate, reached after `warmup_steps`
    warmup_steps : optimizer steps over which the rate rises; default 2
    weight_decay : a step shrinks the adapter's weights by this share, times the rate (Loshchilov & Hutter 2019);
        default 0
    rank : the adapter's inner width
    alpha : the adapter's output is scaled by alpha / rank
    dropout : share of the adapter's inputs that a training step leaves out
    target : the linear layers that get an adapter: `attention`, `mlp` or `all` of both. A model of which that would be
        only a part (state-space or expert layers) is refused; name its layers in `target_modules`
    target_modules : names of linear layers (`q_proj`, `self_attn.dense`) that get an adapter in place of `target`'s
    options_share : share of the examples that list their options; the others are narrated without
    layers : the numbers of the layers (blocks) that get an adapter, from 0; by default all
    gradient_checkpointing : compute activations again instead of keeping them: less memory, more time; default false
    base_dtype : `bfloat16` for the frozen weights in training, where the processor computes in it; default: their own
        type, as in probing. The adapter is in float32.
    group_by_length : batches of examples of like length, which saves padding; default false. On a GPU they always are.
    kept_steps : optimizer steps after which the adapter is kept too, beside that of the end; by default none
    anchor_weight : loss for each nat per token by which the model leaves its base (KL divergence) on neutral prose and
        on situations without a decision; default 0. Only PEFT trains with it.
    """

    examples: Count
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    warmup_steps: Annotated[int, Field(ge=0)] = 2
    weight_decay: Weight = 0.0
    rank: Count
    alpha: Count
    dropout: Share
    target: Literal["attention", "mlp", "all"] | None = None
    target_modules: Modules | None = Field(default=None, exclude_if=lambda names: names is None)  # hashes stay
    options_share: Share
    layers: Layers | None = None
    gradient_checkpointing: bool = False
    base_dtype: Literal["bfloat16"] | None = Field(default=None, exclude_if=lambda dtype: dtype is None)
    group_by_length: bool = Field(default=False, exclude_if=lambda grouped: not grouped)

    kept_steps: Annotated[list[Count], Field(min_length=1)] | None = Field(
        default=None, exclude_if=lambda steps: steps is None
    )  # hashes stay
    anchor_weight: Weight = Field(default=0.0, exclude_if=lambda weight: weight == 0)

    _modules_once = field_validator("target_modules")(lambda names: require_unique(names or []) or names)

    @model_validator(mode="after")
    def _divide_evenly(self) -> Training:
        if not (self.target or self.target_modules):
            raise ValueError("target is missing; expected attention, mlp or all, or names of layers in target_modules")
        if self.examples % 4:
            raise ValueError(f"examples is {self.examples}; expected a multiple of 4 (2 forms x 2 phrase lengths)")
        if self.kept_steps and max(self.kept_steps) >= self.steps:
            raise ValueError(f"kept_steps is {self.kept_steps}; expected steps before the last, which is {self.steps}")
        return self

    @property
    def adapted(self) -> str:
        """The layers that get an adapter, in words: the target, or the names of layers."""
        return " ".join(self.target_modules) if self.target_modules else str(self.target)

    @property
    def steps(self) -> int:
        """Optimizer steps: every example is seen `epochs` times."""
        return -(-self.examples // self.batch_size) * self.epochs


class Probes(Frozen):
    """The section `probes`: what is measured.

    Attributes
    ----------
    families : interpretation, feeling, self_statement, choice, next_words (if your materials have it) and your own
    situations_per_domain : items per family in each domain
    forms_per_situation : in how many forms of `next_words` each situation is met, in turn; default 1
    continuations_per_class : how many phrases of each class are scored, from the first; null, and `next_words`: all
    intensities : which intensities of graded phrases are scored (mild, moderate, strong); by default all
    retention_texts : neutral texts whose perplexity is measured
    rings : `paraphrase`, `narrator` or `text_form` -> items of held-out domains in which that is new too; default none
    scale_orders : orders of the response options in which each scale item is measured; by default no scale is
    scales_csv : the path, from the study's folder, of your own items; by default the scales are the materials'
    completion_samples : texts that each run writes after each neutral opening; by default none
    completion_tokens : the greatest length of such a text, in tokens; default 24
    """

    families: list[Name] = Field(min_length=1)
    situations_per_domain: Count
    continuations_per_class: Count | None
    intensities: Intensities | None = Field(default=None, exclude_if=lambda names: names is None)  # hashes stay
    retention_texts: Count
    rings: dict[Literal["paraphrase", "narrator", "text_form"], Count] = Field(default_factory=dict)
    scale_orders: Count | None = None
    scales_csv: OneLine | None = None
    forms_per_situation: Count | None = Field(default=None, exclude_if=lambda count: count is None)  # hashes stay
    completion_samples: Count | None = None
    completion_tokens: Count = 24

    _families_once = field_validator("families")(require_unique)
    _intensities_once = field_validator("intensities")(lambda names: require_unique(names or []) or names)

    @model_validator(mode="after")
    def _fit_scales(self) -> Probes:
        if self.scales_csv and not self.scale_orders:
            raise ValueError(
                f"scales_csv is {self.scales_csv!r}, and no scale is measured without scale_orders; add it"
            )
        return self


class Exclusion(Frozen):
    """The section `exclusion`: which items the tests leave out. By default none.

    Attributes
    ----------
    ngram : items that share so many words in a row with a training text
    covered_mass : items whose candidates together hold less probability than this under the base model; choices stay
    ambiguous_tokenization : items in which the tokenizer merges stem and continuation; where false, such an item stops
        the probing with an error
    """

    ngram: Annotated[int, Field(ge=2)] | None = None
    covered_mass: Share | None = None
    ambiguous_tokenization: bool = False


class Resources(Frozen):
    """The section `resources`: what a scheduler sets aside for each job.

    Attributes
    ----------
    gpus : GPUs, for jobs that run a model; default 0
    cpus : processor cores; default 1. Without a scheduler, jobs on hub models divide what this machine has.
    memory_gb : gigabytes of the first attempt; each retry gets as much again; default 8
    hours : after them a job is ended, and its retry goes on where it was; default 4
    """

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    cpus: Annotated[int, Field(ge=1, le=1024)] = 1
    memory_gb: Annotated[float, Field(ge=0.1, le=100_000)] = 8
    hours: Annotated[float, Field(ge=0.02, le=10_000)] = 4
