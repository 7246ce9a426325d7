"""Does prompt-once scoring hold for this model? Asked of its configuration, then of the model itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PretrainedConfig

from priorshift.errors import UserError
from priorshift.probability.forward import Forward
from priorshift.probability.token_tree import Tokens, build_trie, plain_rows, tree_rows

# Largest difference in one token's logprob (nats) that rounding explains. The proof's random tokens are the least
# likely ones, where rounding is largest: up to 2.5e-5 was seen in trained models; a wrong path differs by .01 or more.
TOLERANCE = {torch.float64: 1e-8, torch.float32: 5e-5}
# In 16 bits a large logit's last place alone can be .1: there a model's own rounding, batched against one by one, may
# raise the limit, to so many times its largest difference (and its mean one).
LOW_PRECISION = 0.05
OWN_ROUNDING = 2.0
# A model that sees fewer tokens than this at once is not worth two paths.
SMALLEST_WINDOW = 64
STEM_LENGTHS = (3, 17, 40, 150)


@dataclass(frozen=True)
class Path:
    """The way to score: its name, why, and the longest row for which prompt-once holds (None: any)."""

    name: str
    reason: str
    longest: int | None = None


def choose_path(forward: Forward, longest: int | None) -> Path:
    """Prove prompt-once scoring against one-by-one scoring on this model, or say why plain is used.

    `longest` is the longest input of the model. Weights decide, not names: a model of an unknown
    architecture gets the fast path if, and only if, its numbers agree. A model that reads ahead has no
    logprob of a continuation: UserError.
    """
    config = forward.model.config
    proof = [Proof.of(forward, length, longest) for length in STEM_LENGTHS]
    proof = [item for item in proof if item is not None]
    tolerance, mean = _limits(forward, proof)
    # A token's logprob must not depend on what follows; rounding alone may tell texts apart.
    ahead = max((item.reads_ahead() for item in proof), default=0.0)
    if not ahead <= 10 * tolerance:
        raise UserError(
            f"{type(forward.model).__name__} is no causal language model as loaded: a token's logprob "
            f"moves by {ahead:.2g} nats with the text after it"
        )
    window = smallest_window(config)
    unfit = _unfit(config, window)
    if unfit:
        return Path("plain", unfit)
    row = min((limit for limit in (window, longest) if limit is not None), default=None)
    proof = [item for item in proof if row is None or item.columns <= row]
    if not proof:
        return Path("plain", f"its inputs of at most {row} tokens are too short for prompt-once rows")
    try:
        difference, on_average = _differences(forward, proof, plain=False)
    except Exception as error:  # any architecture may refuse a 4-D mask in its own way
        return Path("plain", f"prompt-once raised {type(error).__name__}: {str(error).strip()[:120]}")
    found = f"largest difference {difference:.1e} nats per token, limit {tolerance:.0e}"
    if not (difference <= tolerance and on_average <= mean):
        return Path("plain", f"prompt-once does not hold ({found})")
    limit = f"; rows over {window} tokens are scored plainly" if window else ""
    return Path("prompt_once", f"proved against one-by-one scoring ({found}){limit}", row)


@dataclass(frozen=True)
class Proof:
    """A stem of random tokens, branches that part in every way, and their one-by-one logprobs."""

    stem: Tokens
    branches: list[Tokens]
    slots: np.ndarray  # [C] where each branch's first token stands in `values`
    values: np.ndarray  # [E] logprobs (nats)

    @classmethod
    def of(cls, forward: Forward, length: int, longest: int | None) -> Proof | None:
        """Score a stem of `length` tokens one by one; None where it exceeds the model's longest input."""
        ids = np.random.default_rng(length).integers(forward.vocabulary, size=length + 16).tolist()
        stem, branches = tuple(ids[16:]), _branches(*ids[:16])
        lengths = np.array([len(tokens) for tokens in branches])
        if longest is not None and length + lengths.max() > longest:
            return None
        proof = cls(stem, branches, np.cumsum(lengths) - lengths, np.full(lengths.sum(), np.nan))
        for row in plain_rows(stem, branches, proof.slots):
            forward.lookup([row], proof.values, plain=True)
        return proof

    @property
    def columns(self) -> int:
        return len(self.stem) + len(build_trie(tuple(self.branches)).ids)

    def reads_ahead(self) -> float:
        """Largest difference (nats) between branches' logprobs of a prefix that they share."""
        shared: dict[Tokens, list[float]] = {}
        for tokens, slot in zip(self.branches, self.slots, strict=True):
            for i in range(len(tokens)):
                shared.setdefault(tokens[: i + 1], []).append(self.values[slot + i])
        return float(max(np.ptp(values) for values in shared.values()))


def smallest_window(config: PretrainedConfig) -> int | None:
    """The shortest stretch of tokens that any layer attends to, by the configuration; None: all of them.

    Examples
    --------
    >>> from transformers import MistralConfig
    >>> smallest_window(MistralConfig(sliding_window=128)), smallest_window(MistralConfig(sliding_window=None))
    (128, None)
    """
    text = config.get_text_config(decoder=True)
    values = text.to_dict()
    if values.get("use_sliding_window") is False:
        values.pop("sliding_window", None)
    windows = [
        value
        for name, value in values.items()
        if ("window" in name or name in ("attention_chunk_size", "local_attention"))
        if "layers" not in name and "pattern" not in name
        if isinstance(value, int) and not isinstance(value, bool) and value > 0
    ]
    return min(windows, default=None)


def _unfit(config: PretrainedConfig, window: int | None) -> str:
    """Why a configuration rules prompt-once scoring out, or an empty string."""
    if window is not None and window < SMALLEST_WINDOW:
        return f"its attention window of {window} tokens is too short for prompt-once rows"
    text = config.get_text_config(decoder=True)
    rope = getattr(text, "rope_parameters", None) or {}
    kinds = {str(part.get("rope_type")) for part in [rope, *rope.values()] if isinstance(part, dict)}
    moving = sorted(kinds & {"dynamic", "longrope"})
    if moving:
        return f"its positions depend on the longest text of a batch ({moving[0]} rotary embedding)"
    return ""


def _limits(forward: Forward, proof: list[Proof]) -> tuple[float, float]:
    """The largest and the mean difference (nats per token) that rounding explains in this model."""
    exact = TOLERANCE.get(forward.model.dtype)
    if exact is not None or not proof:
        limit = LOW_PRECISION if exact is None else exact
        return limit, limit
    largest, mean = _differences(forward, proof, plain=True)
    return max(LOW_PRECISION, OWN_ROUNDING * largest), max(LOW_PRECISION, OWN_ROUNDING * mean)


def _differences(forward: Forward, proof: list[Proof], plain: bool) -> tuple[float, float]:
    """Largest and mean difference (nats) of a token's logprob from one-by-one scoring, all stems scored together."""
    # In one batch where lengths allow, so that padding is put to the proof as well.
    starts = np.cumsum([0] + [len(item.values) for item in proof])
    together = np.full(starts[-1], np.nan)
    rows = []
    for item, start in zip(proof, starts, strict=False):
        slots = item.slots + start
        rows += (
            plain_rows(item.stem, item.branches, slots) if plain else tree_rows(item.stem, item.branches, slots, None)
        )
    forward.lookup(rows, together, plain)
    apart = np.abs(together - np.concatenate([item.values for item in proof]))
    return float(apart.max()), float(apart.mean())


def _branches(a: int, b: int, c: int, d: int, e: int, f: int, g: int, *long: int) -> list[Tokens]:
    """Continuations that part after 0, 1 and 2 tokens, one that goes on from another, one long."""
    return [(a,), (a, b), (a, b, c), (a, b, d), (a, e, c), (f,), (g, a, b), long]
