"""The systems compared, each as a function of stems and continuations -> summed logprobs (nats).

All read the same tokens: BOS as the tokenizer puts it, and a continuation's own leading space.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.probability.scorer import Scorer

Score = Callable[[list[str], list[list[str]]], list[list[float]]]


def naive(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Score:
    """Transformers alone: one text, one forward pass; there is no batch."""

    @torch.no_grad()
    def one(stem: str, continuation: str) -> float:
        own = len(tokenizer(stem)["input_ids"])
        ids = tokenizer(stem + continuation, return_tensors="pt")["input_ids"].to(model.device)
        logprobs = model(ids).logits[0, own - 1 : -1].float().log_softmax(-1)
        return logprobs.gather(1, ids[0, own:, None]).sum().item()

    return lambda stems, continuations: [
        [one(stem, text) for text in texts] for stem, texts in zip(stems, continuations, strict=True)
    ]


def minicons(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Score:
    """minicons' conditional_score, in batches (it makes none by itself)."""
    from minicons.scorer import IncrementalLMScorer

    scorer = IncrementalLMScorer(model, device=str(model.device), tokenizer=tokenizer)

    def score(stems: list[str], continuations: list[list[str]]) -> list[list[float]]:
        pairs = _pair(stems, continuations)
        values: list[float] = []
        for start in range(0, len(pairs), batch_size):
            prefixes, texts = map(list, zip(*pairs[start : start + batch_size], strict=True))
            values += scorer.conditional_score(prefixes, texts, separator="", reduction=lambda x: x.sum().item())
        return _group_by_stem(values, continuations)

    return score


def lm_eval(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Score:
    """lm-evaluation-harness: HFLM.loglikelihood, which sorts by length and shares what differs in one last token."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

    def score(stems: list[str], continuations: list[list[str]]) -> list[list[float]]:
        requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(_pair(stems, continuations))]
        return _group_by_stem([value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)], continuations)

    return score


def priorshift(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Score:
    """Our Scorer, which finds its batches by itself."""
    scorer = Scorer(model, tokenizer)
    return lambda stems, continuations: [row.tolist() for row in scorer.continuation_logprobs(stems, continuations)]


def _pair(stems: list[str], continuations: list[list[str]]) -> list[tuple[str, str]]:
    return [(stem, text) for stem, texts in zip(stems, continuations, strict=True) for text in texts]


def _group_by_stem(values: list[float], continuations: list[list[str]]) -> list[list[float]]:
    rest = iter(values)
    return [[next(rest) for _ in texts] for texts in continuations]


SYSTEMS = {"naive": naive, "minicons": minicons, "lm-eval": lm_eval, "priorshift": priorshift}
# What each system needs besides Transformers, by its import name.
PEERS = {"minicons": "minicons", "lm-eval": "lm_eval"}
# Batch sizes tried for the systems that are given one; each keeps its quickest at every point of the grid.
BATCH_SIZES = {
    "cpu": {"minicons": (1, 8, 32), "lm-eval": (1, 8, 32)},
    "cuda": {"minicons": (32, 128), "lm-eval": (32, 128, 512)},
}
