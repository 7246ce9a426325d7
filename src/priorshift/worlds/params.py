"""What a worlds file may say: the calibration worlds, and how their base models are pretrained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from priorshift.errors import ParamsError
from priorshift.materials.load import load_materials
from priorshift.materials.schema import Materials
from priorshift.study.sections import OneLine, require_unique
from priorshift.yaml_files import Frozen, read_yaml, validate

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Kind = Literal["llama-coupled", "llama-decoupled", "gpt_neox-coupled", "gpt_neox-decoupled"]


class Pretraining(Frozen):
    """The section `pretraining`: shape and budget of the base models, one per architecture, world and seed.

    Attributes
    ----------
    architectures, worlds : every architecture is trained on every world
    seeds : world -> seeds of first weights and texts. Each makes one model of every architecture
    hidden, layers, heads : a model's width, blocks and attention heads
    tokens : architecture-world -> tokens of fresh text
    tokens_per_batch : tokens of an optimizer step, padding included
    learning_rate : AdamW's highest rate, for embeddings, norms and biases
    muon_learning_rate : Muon's, for the matrices inside the blocks
    weight_decay : architecture-world -> decay, times the rate
    warmup : share of the tokens over which the rates rise; then they fall linearly to zero
    compile : whether torch compiles the loss: faster, but it needs a C++ compiler
    """

    architectures: list[Literal["llama", "gpt_neox"]] = Field(min_length=1)
    worlds: list[Literal["coupled", "decoupled"]] = Field(min_length=1)
    seeds: dict[Literal["coupled", "decoupled"], Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]]
    hidden: Positive
    layers: Positive
    heads: Positive
    tokens: dict[Kind, Positive]
    tokens_per_batch: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    muon_learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: dict[Kind, Annotated[float, Field(ge=0)]]
    warmup: Probability
    compile: bool

    @model_validator(mode="after")
    def _cover_kinds(self) -> Pretraining:
        if lacking := sorted(set(self.worlds) - set(self.seeds)):
            raise ValueError(f"seeds: found none for {', '.join(lacking)}; expected a list for each world")
        for seeds in self.seeds.values():
            require_unique(seeds)
        kinds = {f"{architecture}-{world}" for architecture in self.architectures for world in self.worlds}
        for name in ("tokens", "weight_decay"):
            if missing := sorted(kinds - set(getattr(self, name))):
                raise ValueError(
                    f"{name}: found no number for {', '.join(missing)}; expected one for each kind of model"
                )
        return self

    def list_models(self) -> list[tuple[str, str, int]]:
        """(architecture, world, seed) of every model."""
        return [(a, w, s) for w in self.worlds for s in self.seeds[w] for a in self.architectures]


class WorldParams(Frozen):
    """The keys of a worlds file. All shares and probabilities lie in 0..1.

    Attributes
    ----------
    materials : the path of the materials, from the file's folder
    own_class : probability of a disposition's own class; the others share the rest evenly
    domain_sd : standard deviation of the domains' tints of expectations (nats of log-odds)
    tint_seed : of the tints
    scale_levels : P(response level), from least to most, where scale item and disposition agree; else turned round
    episodes : the least and the most in a text, drawn uniformly
    prose_share : texts of neutral prose and mentioned phrases
    opening : stories that begin with a neutral opening
    texts, episode_kinds, choice_forms : shares of each kind
    follow_ups : shares of choices and of each probe family, after a situation
    second_follow_up : probability that a situation has two follow-ups
    canonical_stem : probability of a family's first stem; its paraphrases share the rest
    held_out_texts : texts on which the loss is compared with the entropy
    pretraining : see `Pretraining`
    """

    materials: OneLine
    own_class: Annotated[float, Field(gt=0, lt=1)]  # a class of probability 0 has no log-odds
    domain_sd: Annotated[float, Field(ge=0)]
    tint_seed: int
    scale_levels: list[Annotated[float, Field(gt=0, lt=1)]]
    episodes: list[Positive] = Field(min_length=2, max_length=2)
    prose_share: Probability
    opening: Probability
    texts: dict[Literal["story_named", "story_first", "story_stranger", "letter", "diary", "dialogue"], Probability]
    episode_kinds: dict[Literal["situation", "self_statement", "scale", "preference"], Probability]
    follow_ups: dict[str, Probability]
    second_follow_up: Probability
    canonical_stem: Probability
    choice_forms: dict[Literal["narrated", "options", "lettered"], Probability]
    held_out_texts: Positive
    pretraining: Pretraining


def load_world_params(path: Path | str) -> WorldParams:
    """Read and check a worlds file.

    Raises
    ------
    ParamsError
        In one line that names the file and the key.
    """
    path = Path(path)
    params = validate(WorldParams, read_yaml(path, ParamsError), str(path), ParamsError)
    shares = {key: getattr(params, key).values() for key in ("texts", "episode_kinds", "follow_ups", "choice_forms")}
    for key, values in (shares | {"scale_levels": params.scale_levels}).items():
        total = sum(values)
        if abs(total - 1) > 1e-9:
            raise ParamsError(f"{path}: {key}: the shares sum to {total:g}; expected 1")
    if params.episodes[0] > params.episodes[1]:
        raise ParamsError(f"{path}: episodes: found {params.episodes}; expected the least and then the most in a text")
    return params


def load_worlds(path: Path | str) -> tuple[WorldParams, Materials]:
    """Read a worlds file and the materials that it names, and check that they fit together.

    Raises
    ------
    ParamsError, MaterialsError
        In one line that names the file and the key.
    """
    path = Path(path)
    params = load_world_params(path)
    materials = load_materials(path.parent / params.materials)
    _check_follow_ups(path, params, materials)
    _check_scale_levels(path, params, materials)
    return params, materials


def _check_follow_ups(path: Path, params: WorldParams, materials: Materials) -> None:
    known = ["choice", "interpretation", "feeling", *materials.families]
    for family in params.follow_ups:
        if family not in known:
            raise ParamsError(f"{path}: follow_ups: unknown {family!r}; expected one of {', '.join(known)}")
    if lacking := [family for family in materials.families if family not in params.follow_ups]:
        raise ParamsError(f"{path}: follow_ups: no share for the materials' family {lacking[0]!r}; give it one, or 0")
    if sum(share > 0 for share in params.follow_ups.values()) < 2:
        raise ParamsError(f"{path}: follow_ups: a situation may be followed by two; give at least two a share")


def _check_scale_levels(path: Path, params: WorldParams, materials: Materials) -> None:
    form = materials.forms.scale
    labels = [labels for scale in materials.scales.values() for labels in scale.get_label_sets(form).values()]
    if other := {len(each) for each in labels} - {len(params.scale_levels)}:
        raise ParamsError(
            f"{path}: scale_levels: found {len(params.scale_levels)} shares, where the materials have scales "
            f"with {other.pop()} response options; give as many"
        )
