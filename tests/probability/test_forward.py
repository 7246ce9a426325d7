"""Rows through real models: logprobs of plain reading, the same in every batch, and memory that runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.causal_models import VOCABULARY, Counter, SmallDevice, make_causal_model

from priorshift.errors import RunError
from priorshift.probability.forward import Forward, is_out_of_memory, switch_to_evaluation
from priorshift.probability.token_tree import make_plain_rows, make_stem_row, make_tree_rows

STEM = (1, 40, 41, 42)
CONTINUATIONS = [(50, 51), (50, 52, 53), (60,)]
STARTS = np.array([0, 2, 5])


@pytest.fixture
def model():
    return make_causal_model("llama")


@torch.no_grad()
def read(model, tokens):
    """Next-token logprobs after all these tokens."""
    return model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1).numpy()


def expected_of(model):
    return [read(model, STEM + tokens[:i])[tokens[i]] for tokens in CONTINUATIONS for i in range(len(tokens))]


@pytest.mark.parametrize("plain", [True, False])
def test_targets_are_looked_up_as_in_plain_reading(model, plain):
    make = make_plain_rows if plain else make_tree_rows
    rows = make(STEM, CONTINUATIONS, STARTS) if plain else make(STEM, CONTINUATIONS, STARTS, None)
    out = np.full(6, np.nan)
    Forward(model).look_up(rows, out, plain)
    np.testing.assert_allclose(out, expected_of(model), atol=2e-5)


def test_a_padded_batch_gives_each_row_its_own_distribution(model):
    stems = [STEM, (1, 7), (1, *range(30, 60))]
    out = np.empty((3, VOCABULARY), dtype=np.float32)
    forward = Forward(model)
    forward.write_distributions([make_stem_row(stem, 2 - i) for i, stem in enumerate(stems)], out, plain=False)
    for stem, row in zip(stems, out[::-1], strict=True):
        np.testing.assert_allclose(row, read(model, stem), atol=2e-5)
    assert forward.counts == {"forwards": 1, "computed_tokens": 93, "read_tokens": 37}


def test_plain_rows_are_never_padded(model):
    forward = Forward(model)
    out = np.empty((3, VOCABULARY), dtype=np.float32)
    forward.write_distributions([make_stem_row((1,) * n, i) for i, n in enumerate((3, 5, 5))], out, plain=True)
    assert forward.counts == {"forwards": 2, "computed_tokens": 13, "read_tokens": 13}


def test_the_head_writes_wanted_distributions_alone(model):
    rows = make_tree_rows(STEM, CONTINUATIONS, STARTS, None)
    with Counter(model) as count:
        Forward(model).look_up(rows, np.empty(6), plain=False)
    assert count.distributions == sum(row.n_wanted for row in rows) == 3


def test_out_of_memory_halves_the_budget_and_loses_no_work(model):
    rows = [make_stem_row((1, 5 + number, 3, 4), number) for number in range(30)]
    expected, out = (np.empty((30, VOCABULARY), dtype=np.float32) for _ in range(2))
    Forward(model).write_distributions(rows, expected, plain=False)
    tight = Forward(model, token_budget=120)
    with SmallDevice(model, 20) as device:
        tight.write_distributions(rows, out, plain=False)
        np.testing.assert_allclose(out, expected, atol=2e-5)
        assert tight.budget <= 20
        device.tokens = 3
        with pytest.raises(RunError, match="single row of 4 tokens"):
            tight.write_distributions(rows, out, plain=False)


def test_other_errors_of_the_model_are_not_taken_for_memory(model):
    def fail(module, args):
        raise RuntimeError("shapes do not match")

    model.get_input_embeddings().register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes"):
        Forward(model).look_up(make_plain_rows((1,), [(5,)], np.array([0])), np.empty(1), plain=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("memory"), False),
    ],
)
def test_which_errors_say_that_memory_ran_out(error, expected):
    assert is_out_of_memory(error) is expected


def test_each_module_gets_its_own_mode_back():
    parts = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    parts[1].eval()
    with pytest.raises(KeyError), switch_to_evaluation(parts):
        assert not any(module.training for module in parts.modules())
        raise KeyError
    assert [module.training for module in parts] == [True, False]


def test_the_model_s_own_vocabulary_counts(model):
    assert Forward(model).vocabulary == VOCABULARY == model.config.vocab_size
