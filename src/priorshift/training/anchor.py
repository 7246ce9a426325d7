"""A penalty that holds a model to its base where nothing is decided, while it learns decisions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from priorshift.models.chat import Reader
from priorshift.probability.encoder import tokenize_without_end


class Anchor:
    """The Kullback-Leibler divergence of the model from its base on anchor texts, times a weight.

    Each optimizer step has as many texts as examples, in turn of each kind. The divergence is over the whole
    vocabulary, of the base from the model (KL(base || model)), in nats per token. Both computations are of the same
    weights, with the adapter and without it.

    Parameters
    ----------
    kinds : texts of each kind, as `examples.list_anchor_texts` lists them
    weight : nats of loss for each nat of divergence
    batch_size, micro_batch : texts of a step, and of one computation
    seed : of the order of the texts

    Attributes
    ----------
    divergences : one for each step, in nats per token
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        read: Reader,
        kinds: Sequence[Sequence[str]],
        weight: float,
        batch_size: int,
        micro_batch: int,
        seed: int,
    ) -> None:
        self.weight, self.batch_size, self.micro_batch = weight, batch_size, micro_batch
        self.rng = random.Random(f"anchor {seed}")
        self.kinds = [tokenize_without_end(tokenizer, [read(text) for text in texts]) for texts in kinds]
        self.piles: list[list[Sequence[int]]] = [[] for _ in kinds]
        self.divergences: list[float] = []
        self.parts: list[list[Sequence[int]]] = []

    def compute(self, model: PeftModel, step: int) -> torch.Tensor:
        """The penalty of the next part of an optimizer step. The parts' penalties add up to the step's.

        Parameters
        ----------
        step : number of the optimizer step, from 0

        Returns
        -------
        Tensor
            A number with its gradient.
        """
        if step == len(self.divergences):
            texts = self._draw()
            self.tokens = sum(map(len, texts))
            self.parts = [texts[k : k + self.micro_batch] for k in range(0, len(texts), self.micro_batch)]
            self.divergences.append(0.0)
        divergence = sum_divergence(model, self.parts.pop(0)) / self.tokens
        self.divergences[step] += float(divergence.detach())
        return self.weight * divergence

    def _draw(self) -> list[Sequence[int]]:
        """Texts of each kind in turn. Of a kind each comes up equally often."""
        drawn = []
        for number in range(self.batch_size):
            kind = number % len(self.kinds)
            if not self.piles[kind]:
                self.piles[kind] = self.rng.sample(self.kinds[kind], len(self.kinds[kind]))
            drawn.append(self.piles[kind].pop())
        return drawn


def sum_divergence(model: PeftModel, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """KL(base || model) of the next token, summed over every token of some texts (nats), with its gradient.

    Parameters
    ----------
    model : with one adapter, which only the second of two computations leaves out
    texts : token ids
    """
    longest, device = max(map(len, texts)), model.device
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    training = model.training
    model.eval()  # the base model as it is measured, without dropout
    with torch.no_grad(), model.disable_adapter():
        base = _read_logprobs(model, ids, mask)
    model.train(training)
    own = _read_logprobs(model, ids, mask)
    return (base.exp() * (base - own)).sum()


def _read_logprobs(model: PeftModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logprobs of the next token at every token that is no padding, float32 [n, vocabulary]."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits[mask.bool()].float().log_softmax(-1)
