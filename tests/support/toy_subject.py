"""A linear toy network with planted directions, which can be asked like a real base model with adapters."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import torch

from priorshift.mechanism.directions import States
from priorshift.mechanism.hooks import find_blocks, read_last_states
from priorshift.mechanism.subject import Answer, Subject
from priorshift.study.run import Run

HIDDEN, WORDS, BLOCKS = 32, 40, 3
CHOICE, EXPECTATION = 0, 1  # the axis that a choice's odds are read from, and an expectation's
TRAINING, HELD_OUT = range(20), range(20, WORDS)


class Block(torch.nn.Module):
    """Adds a planted vector to what comes in, as an adapter does that is exactly linear."""

    def __init__(self):
        super().__init__()
        self.shift = torch.zeros(HIDDEN)

    def forward(self, hidden):
        return hidden + self.shift


class Toy(torch.nn.Module):
    """Embeddings, blocks that add vectors, and odds that are read from two axes."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = torch.randn(WORDS, HIDDEN, generator=generator)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(BLOCKS))
        text = SimpleNamespace(num_hidden_layers=BLOCKS)
        self.config = SimpleNamespace(get_text_config=lambda decoder: text)

    def get_decoder(self):
        return self

    def forward(self, input_ids, use_cache=False):
        hidden = self.embedding[input_ids]
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


class ToySubject(Subject):
    """Runs are vectors that are planted in the first block; `bend` is what the odds are read through.

    Parameters
    ----------
    planted : run -> float [HIDDEN]
    """

    def __init__(self, planted, bend=lambda odds: odds):
        self.planted, self.bend = planted, bend
        self.base = SimpleNamespace(model=Toy(), name="toy", group="toy", world="coupled")
        self.names = {run: str(run) for run in planted}
        family = [("choice", ("engage", "withdraw")), ("interpretation", ("benign", "loss"))]
        self.items = [SimpleNamespace(family=name, candidates=dict.fromkeys(classes)) for name, classes in family]
        self.base_answer = self.ask()

    @contextmanager
    def wear_mix(self, weights):
        block = self.base.model.blocks[0]
        block.shift = sum((weight * self.planted[run] for run, weight in weights.items()), torch.zeros(HIDDEN))
        try:
            yield
        finally:
            block.shift = torch.zeros(HIDDEN)

    @contextmanager
    def wear(self, run):
        with self.wear_mix({run: 1.0} if run else {}):
            yield

    def ask(self):
        with torch.no_grad():
            hidden = self.base.model(torch.tensor(HELD_OUT)[:, None])[:, -1].mean(0)
        odds = self.bend(hidden[[CHOICE, EXPECTATION]].numpy())
        return Answer(np.stack([-odds, odds], axis=1), perplexity=float(np.exp(hidden.norm() / 100)))


def read_toy_states(subject):
    """The hidden states of the base and of every run on the training words."""
    model, found = subject.base.model, {}
    for run in (None, *subject.names):
        with subject.wear(run):
            found[run] = read_last_states(model, find_blocks(model), [[word] for word in TRAINING])
    return States(found.pop(None), found)


def plant(condition, seed, choice=0.0, expectation=0.0, noise=0.02):
    """A run, and its vector: so many nats of odds along the two axes, and noise of the run's own."""
    generator = torch.Generator().manual_seed(seed + 100 * len(condition))
    vector = noise * torch.randn(HIDDEN, generator=generator)
    vector[CHOICE] += choice
    vector[EXPECTATION] += expectation
    return Run("toy", condition, seed), vector
