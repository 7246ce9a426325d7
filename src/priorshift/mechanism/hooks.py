"""Read and change what a model's blocks put out, by forward hooks.

These are forty lines of our own. TransformerLens (2.x) has hooks too, but on architectures that it converts and writes
anew. nnsight traces a model, and scoring here has a forward pass of its own. A change here is the same function at
every position, so that scoring a tree of continuations at once stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from transformers import PreTrainedModel

from priorshift.errors import RunError

Change = Callable[[torch.Tensor], torch.Tensor]


def find_blocks(model: PreTrainedModel) -> list[torch.nn.Module]:
    """Find the blocks of a model's text decoder, in order.

    Raises
    ------
    RunError
        When it has no list of as many modules as layers.
    """
    n_layers = model.config.get_text_config(decoder=True).num_hidden_layers
    for module in model.get_decoder().modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == n_layers:
            return list(module)
    raise RunError(
        f"mechanism.directions: {type(model).__name__} has no list of its {n_layers} blocks, whose output could be "
        "read; remove directions, or take another base model"
    )


@contextmanager
def change_blocks(blocks: Sequence[torch.nn.Module], changes: Mapping[int, Change]) -> Iterator[None]:
    """Change what blocks put out while the context lasts.

    Parameters
    ----------
    blocks : `find_blocks`
    changes : number of a block -> function of its output, [batch, positions, hidden], to the same shape
    """

    def hook(change: Change, module: torch.nn.Module, args: tuple, output: torch.Tensor | tuple) -> object:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handles = [blocks[number].register_forward_hook(partial(hook, change)) for number, change in changes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def read_last_states(
    model: PreTrainedModel, blocks: Sequence[torch.nn.Module], tokens: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Read what each block puts out at the last token of each text, float32 [n_blocks, n_texts, hidden].

    Texts are read one by one: no padding can change what they give.
    """
    seen: list[list[torch.Tensor]] = [[] for _ in blocks]

    def keep(number: int, hidden: torch.Tensor) -> torch.Tensor:
        seen[number].append(hidden[0, -1].float().cpu())
        return hidden

    with torch.no_grad(), change_blocks(blocks, {number: partial(keep, number) for number in range(len(blocks))}):
        for ids in tokens:
            model(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False)
    return torch.stack([torch.stack(states) for states in seen])


def add(vector: torch.Tensor) -> Change:
    """The change that adds a vector, [hidden], at every position."""
    return lambda hidden: hidden + vector.to(hidden)


def project_out(vector: torch.Tensor, centre: float) -> Change:
    """The change that sets the component along a vector, [hidden], to `centre` at every position."""
    unit = vector / vector.norm()

    def change(hidden: torch.Tensor) -> torch.Tensor:
        along = hidden @ unit.to(hidden)
        return hidden - (along - centre)[..., None] * unit.to(hidden)

    return change
