"""The job of proving prompt-once scoring in 16 bits: as near to float32 as plain scoring in 16 bits is."""

from __future__ import annotations

import time

import numpy as np
import torch

from bench.material import load_model, make_items
from bench.scoring import Point
from bench.systems import naive
from bench.worker import Setting
from priorshift.errors import RunError
from priorshift.probability.scorer import Scorer

JOB = "bench.exactness:Exactness"
# How much further from float32 than plain scoring, on average over continuations (their rounding differs).
WORSE = 1.5
FLOOR = 1e-4  # nats; below it both are rounding


class Exactness:
    """One model in the setting's dtype, and then the same weights in float32."""

    def __init__(self, system: str, setting: Setting) -> None:
        start = time.perf_counter()
        self.model, self.tokenizer = load_model(setting)
        self.load_s = time.perf_counter() - start

    def __call__(self, point: Point, seed: int) -> dict:
        """Differences (nats of a continuation's logprob) of our scoring and of one-by-one scoring from float32."""
        items = make_items(self.tokenizer, point.items, point.stem_tokens, point.continuations, seed)
        stored = self.model.dtype
        scorer = Scorer(self.model, self.tokenizer)
        found = {"ours": _flatten(scorer.continuation_logprobs(items.stems, items.continuations))}
        for name, dtype in (("plain", stored), ("exact", torch.float32)):
            score = naive(self.model.to(dtype), self.tokenizer, 1)
            found[name] = _flatten(score(items.stems, items.continuations))
        self.model.to(stored)
        return {"method": scorer.method, "reason": scorer.reason, **compare(**found)}


def _flatten(scores: list) -> np.ndarray:
    return np.concatenate([np.asarray(row) for row in scores])


def compare(ours: np.ndarray, plain: np.ndarray, exact: np.ndarray) -> dict:
    """Mean and largest distance (nats) of ours and of plain scoring from the exact logprobs, and from each other.

    Raises
    ------
    RunError
        When ours is further off than rounding explains.
    """
    apart = {"ours_from_float32": ours - exact, "plain_from_float32": plain - exact, "ours_from_plain": ours - plain}
    means = {name: float(np.abs(difference).mean()) for name, difference in apart.items()}
    most = WORSE * means["plain_from_float32"] + FLOOR
    if not means["ours_from_float32"] <= most:
        raise RunError(
            f"prompt-once scoring is {means['ours_from_float32']:.2g} nats from float32 on average; "
            f"expected at most {most:.2g}, as plain scoring is {means['plain_from_float32']:.2g} off"
        )
    largest = {f"largest_{name}": float(np.abs(difference).max()) for name, difference in apart.items()}
    return {"continuations": len(exact)} | {f"mean_{name}": value for name, value in means.items()} | largest
