"""A worlds file, validated: what the calibration worlds are and how their base models are pretrained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from priorshift.errors import ParamsError
from priorshift.materials.load import load_materials
from priorshift.materials.schema import Materials
from priorshift.yaml_files import Frozen, read_yaml, validate

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Kind = Literal["llama-coupled", "llama-decoupled", "gpt_neox-coupled", "gpt_neox-decoupled"]


class Pretraining(Frozen):
    """Shape and budget of the embedded base models."""

    architectures: list[Literal["llama", "gpt_neox"]] = Field(min_length=1)
    worlds: list[Literal["coupled", "decoupled"]] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
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
    def _every_kind(self) -> Pretraining:
        kinds = {f"{architecture}-{world}" for architecture in self.architectures for world in self.worlds}
        for name in ("tokens", "weight_decay"):
            if missing := sorted(kinds - set(getattr(self, name))):
                raise ValueError(
                    f"{name}: found no number for {', '.join(missing)}; expected one for each kind of model"
                )
        return self


class WorldParams(Frozen):
    """What `params/worlds.yaml` sets; the comments there say what each means."""

    materials: str
    own_class: Annotated[float, Field(gt=0, lt=1)]  # a class of probability 0 has no log-odds
    domain_sd: Annotated[float, Field(ge=0)]
    tint_seed: int
    scale_levels: list[Annotated[float, Field(gt=0, lt=1)]]
    episodes: list[Positive] = Field(min_length=2, max_length=2)
    prose_share: Probability
    opening: Probability
    texts: dict[Literal["story_named", "story_first", "story_stranger", "letter", "diary", "dialogue"], Probability]
    episode_kinds: dict[Literal["situation", "self_statement", "scale", "preference"], Probability]
    follow_ups: dict[str, Probability]  # of choice and of probe families
    second_follow_up: Probability
    canonical_stem: Probability
    choice_forms: dict[Literal["narrated", "options", "lettered"], Probability]
    held_out_texts: Positive
    pretraining: Pretraining


def load_world_params(path: Path | str) -> WorldParams:
    """Read a worlds file; raises ParamsError in one line."""
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
    """A worlds file and the materials that it names, each held to what the other says.

    Raises
    ------
    ParamsError, MaterialsError
        In one line that names the file and the key.
    """
    path = Path(path)
    params = load_world_params(path)
    materials = load_materials(path.parent / params.materials)
    known = ["choice", "interpretation", "feeling", *materials.families]
    for family in params.follow_ups:
        if family not in known:
            raise ParamsError(f"{path}: follow_ups: unknown {family!r}; expected {', '.join(known)}")
    if untold := [family for family in materials.families if family not in params.follow_ups]:
        raise ParamsError(f"{path}: follow_ups: no share for the materials' family {untold[0]!r}; give it one, or 0")
    if sum(share > 0 for share in params.follow_ups.values()) < 2:
        raise ParamsError(f"{path}: follow_ups: a situation may be followed by two; give at least two a share")
    labels = [s for scale in materials.scales.values() for s in scale.label_sets(materials.forms.scale).values()]
    if other := {len(each) for each in labels} - {len(params.scale_levels)}:
        raise ParamsError(
            f"{path}: scale_levels: found {len(params.scale_levels)} shares; the materials have scales "
            f"with {other.pop()} response options; give as many"
        )
    return params, materials
