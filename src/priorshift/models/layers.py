"""Which linear layers of a model belong to attention and which to the MLP, by the structure of its blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from priorshift.errors import ParamsError

KINDS = {"attention": ("attention",), "mlp": ("MLP",), "all": ("attention", "MLP")}
# What the children of a block are called, in their own name or in their class's. The first that fits decides.
MLP = ("mlp", "ffn", "feed_forward", "feedforward", "moe", "intermediate", "output")
SIGNS = (
    ("state-space", ("mamba", "ssm", "recurrent", "deltanet", "rwkv", "lstm")),
    ("attention", ("attn", "attention")),
    ("MLP", MLP),
)
# A leaf's name that says too little alone: `dense`, `linear`, `0`.
PLAIN = re.compile(r"[a-z]+|\d+")


class Part(NamedTuple):
    """A child of a block: its block's number, kind, name, class, and the full names of its linear layers."""

    block: int
    kind: str
    name: str
    type: str
    linear: list[str]


def find_target_modules(model: PreTrainedModel, target: str, layers: Sequence[int] | None = None) -> list[str]:
    """Find the linear layers that an adapter sits on, by the children of the model's blocks.

    Parameters
    ----------
    target : {"attention", "mlp", "all"}
    layers : the blocks that get an adapter; by default all

    Returns
    -------
    list of str
        Names as PEFT takes them: ends of full names, as short as they can be.

    Raises
    ------
    ParamsError
        When a block lacks what is asked for, or it has state-space or expert layers in its place.
    """
    parts = [part for part in list_parts(model) if layers is None or part.block in layers]
    wanted = KINDS[target]
    problem = _explain_lack(parts, wanted)
    if problem:
        raise ParamsError(
            f"training.target: found {target!r}, and {type(model).__name__} {problem}; name the layers to adapt, as "
            "target_modules: [...], or take another target or base model"
        )
    return _shorten_names(model, {name for part in parts if part.kind in wanted for name in part.linear})


def find_named_modules(model: PreTrainedModel, names: Sequence[str]) -> list[str]:
    """Find the linear layers that a study names by the ends of their full names.

    Raises
    ------
    ParamsError
        When a name fits no linear layer.
    """
    linear = [name for name, module in model.named_modules() if _is_linear(module)]
    found = {name: {full for full in linear if f".{full}".endswith(f".{name}")} for name in names}
    for name, fits in found.items():
        if not fits:
            there = sorted({re.sub(r"^.*\.\d+\.", "", full) for full in linear})
            raise ParamsError(
                f"training.target_modules: found {name!r}, and {type(model).__name__} has no linear layer of that "
                f"name; it has {', '.join(there)[:400]}"
            )
    return _shorten_names(model, set().union(*found.values()))


def count_by_name(names: Sequence[str]) -> dict[str, int]:
    """Count layers by their names within a block.

    Examples
    --------
    >>> count_by_name(["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"])
    {'mlp.up_proj': 2}
    """
    return dict(sorted(Counter(re.sub(r"^.*\.\d+\.(?!\d)", "", name) for name in names).items()))


def list_parts(model: PreTrainedModel) -> list[Part]:
    """List the children of the text decoder's blocks that hold weights."""
    decoder = model.get_decoder()
    names = {id(module): name for name, module in model.named_modules()}
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList):
            parts = [part for number, block in enumerate(module) for part in _list_children(number, block, names)]
            if any(part.kind != "other" for part in parts):
                return parts
    return []


def _list_children(number: int, block: torch.nn.Module, names: dict[int, str]) -> Iterator[Part]:
    # Only children with a matrix: a norm has none.
    children = [(name, child) for name, child in block.named_children() if any(p.ndim > 1 for p in child.parameters())]
    has_mlp = any(_tell_kind(name, child) in ("MLP", "expert") for name, child in children)
    for name, child in children:
        kind = _tell_kind(name, child)
        if kind == "other" and _is_linear(child) and not has_mlp:
            kind = "MLP"  # OPT's `fc1` and `fc2` are the block's own
        linear = [names[id(module)] for module in child.modules() if _is_linear(module)]
        yield Part(number, kind, name, type(child).__name__, linear)


def _tell_kind(name: str, child: torch.nn.Module) -> str:
    """attention, MLP, expert, state-space or other."""
    if any(isinstance(module, torch.nn.Conv1d) for module in child.modules()):
        return "state-space"  # or a convolution over the text: neither attention nor MLP
    called = (type(child).__name__.lower(), name.lower())
    kind = next((kind for kind, signs in SIGNS if any(sign in text for text in called for sign in signs)), "other")
    if any(sign in called[1] for sign in MLP):
        kind = "MLP"  # RWKV's `feed_forward` is one, whatever its class is called
    routed = "moe" in called[0] or any("expert" in part for part, _ in child.named_modules())
    return "expert" if kind == "MLP" and routed else kind


def _is_linear(module: torch.nn.Module) -> bool:
    """A linear layer, also quantized, also GPT-2's `Conv1D`."""
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D" or hasattr(module, "in_features")


def _explain_lack(parts: list[Part], wanted: tuple[str, ...]) -> str:
    """What of the wanted kinds some blocks lack, or hold in layers of another kind. Empty where they have it all."""
    if not parts:
        return "has no list of blocks that hold attention or MLP layers"
    for kind in wanted:
        having = {part.block for part in parts if part.kind == kind and part.linear}
        lacking = sorted({part.block for part in parts} - having)
        if lacking:
            where = f"{len(lacking)} of its blocks, the first of them {lacking[0]}" if having else "any block"
            return f"has no {kind} of linear layers in {where}{_describe_others(parts, lacking)}"
    if len(wanted) > 1 and any(part.kind in ("state-space", "expert") for part in parts):
        return f"has other layers besides attention and MLP{_describe_others(parts)}"
    return ""


def _describe_others(parts: list[Part], blocks: Sequence[int] | None = None) -> str:
    """Name the parts of other kinds with their linear layers, in brackets."""
    found = {}
    for part in parts:
        if part.kind not in KINDS["all"] and (blocks is None or part.block in blocks):
            own = [name[name.rindex(f".{part.name}") + 1 :] for name in part.linear]
            found[f"{part.kind} layers, {part.type}: {', '.join(own[:8]) or 'none of them linear'}"] = None
    return f" ({'; '.join(found)})" if found else ""


def _shorten_names(model: PreTrainedModel, chosen: set[str]) -> list[str]:
    """The shortest ends of names that fit these modules and no other."""
    every = [f".{name}" for name, _ in model.named_modules()]
    short: set[str] = set()
    for name in sorted(chosen):
        pieces = name.split(".")
        ends = [".".join(pieces[-n:]) for n in range(1, len(pieces) + 1)]
        if PLAIN.fullmatch(ends[0]) and len(ends) > 1:
            ends = ends[1:]
        fits = (end for end in ends if all(full[1:] in chosen for full in every if full.endswith(f".{end}")))
        short.add(next(fits, name))
    return sorted(short)
