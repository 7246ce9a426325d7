"""Blocks are read and changed as said, and are left as they were."""

from __future__ import annotations

import pytest
import torch
from support.toy_subject import BLOCKS, HIDDEN, Toy

from priorshift.errors import RunError
from priorshift.mechanism.hooks import add, change_blocks, find_blocks, project_out, read_last_states


def test_a_change_holds_while_its_context_lasts():
    toy, vector = Toy(), torch.arange(HIDDEN, dtype=torch.float32)
    before = toy(torch.tensor([[1, 2]]))
    with change_blocks(find_blocks(toy), {1: add(vector)}):
        assert torch.allclose(toy(torch.tensor([[1, 2]])), before + vector)
    assert torch.equal(toy(torch.tensor([[1, 2]])), before)


def test_a_block_that_gives_a_tuple_keeps_what_comes_after():
    class Pair(torch.nn.Module):
        def forward(self, hidden):
            return hidden, "cache"

    block = Pair()
    with change_blocks([block], {0: add(torch.ones(3))}):
        hidden, rest = block(torch.zeros(1, 1, 3))
    assert hidden.tolist() == [[[1, 1, 1]]] and rest == "cache"


def test_projected_out_only_the_component_along_the_vector_changes():
    vector, hidden = torch.tensor([0.0, 2.0, 0.0]), torch.tensor([[[1.0, 5.0, -3.0]]])
    assert project_out(vector, 0.5)(hidden).tolist() == [[[1.0, 0.5, -3.0]]]


def test_the_state_of_the_last_token_is_read_after_each_block():
    toy = Toy()
    toy.blocks[1].shift = torch.ones(HIDDEN)
    states = read_last_states(toy, find_blocks(toy), [[3], [1, 2, 5]])
    assert states.shape == (BLOCKS, 2, HIDDEN)
    assert torch.allclose(states[0], toy.embedding[[3, 5]])
    assert torch.allclose(states[1], toy.embedding[[3, 5]] + 1) and torch.equal(states[1], states[2])


def test_a_model_without_its_blocks_is_refused():
    toy = Toy()
    toy.blocks = torch.nn.ModuleList(toy.blocks[:2])
    with pytest.raises(RunError, match=r"Toy has no list of its 3 blocks"):
        find_blocks(toy)
