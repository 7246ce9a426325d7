"""Does prompt-once scoring hold for this model? Asked of its configuration, then of the model itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PretrainedConfig

from priorshift.forward import Forward
from priorshift.prompt_tree import Tokens, plain_rows, tree_rows

# Largest difference in one token's logprob (nats) that rounding explains.
TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-5}
LOW_PRECISION = 0.05
# A model that sees fewer tokens than this at once is not worth two paths.
SMALLEST_WINDOW = 64
STEM_LENGTHS = (3, 17, 40, 150)
# Columns that the branches of a proof stem take, at most.
ROOM = 24


@dataclass(frozen=True)
class Path:
    """The way to score: its name, why, and the longest row for which prompt-once holds (None: any)."""

    name: str
    reason: str
    longest: int | None = None


def choose_path(forward: Forward, longest: int | None) -> Path:
    """Prove prompt-once scoring against plain scoring on this model, or say why plain is used.

    `longest` is the longest input of the model. Weights decide, not names: a model of an unknown
    architecture gets the fast path if, and only if, its numbers agree.
    """
    config = forward.model.config
    unfit = _unfit(config)
    if unfit:
        return Path("plain", unfit)
    window = smallest_window(config)
    if window is not None and window < SMALLEST_WINDOW:
        return Path("plain", f"its attention window of {window} tokens is too short for prompt-once rows")
    longest = min((limit for limit in (window, longest) if limit is not None), default=None)
    try:
        difference = _largest_difference(forward, longest)
    except Exception as error:  # any architecture may refuse a 4-D mask in its own way
        return Path("plain", f"prompt-once raised {type(error).__name__}: {str(error).splitlines()[0][:120]}")
    tolerance = TOLERANCE.get(forward.model.dtype, LOW_PRECISION)
    found = f"largest difference {difference:.1e} nats per token, limit {tolerance:.0e}"
    if not difference <= tolerance:
        return Path("plain", f"prompt-once does not hold ({found})")
    limit = f"; rows over {window} tokens are scored plainly" if window else ""
    return Path("prompt_once", f"proved against plain scoring ({found}){limit}", longest)


def smallest_window(config: PretrainedConfig) -> int | None:
    """The shortest stretch of tokens that any layer attends to, by the configuration; None: all of them."""
    text = config.get_text_config(decoder=True)
    values = text.to_dict()
    if values.get("use_sliding_window") is False:
        values.pop("sliding_window", None)
    windows = [
        value
        for name, value in values.items()
        if ("window" in name or name in ("attention_chunk_size", "local_attention")) and "layers" not in name
        if isinstance(value, int) and not isinstance(value, bool) and value > 0
    ]
    return min(windows, default=None)


def _unfit(config: PretrainedConfig) -> str:
    """Why a configuration rules prompt-once scoring out, or an empty string."""
    text = config.get_text_config(decoder=True)
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    kinds = {str(part.get("rope_type")) for part in [rope, *rope.values()] if isinstance(part, dict)}
    moving = sorted(kinds & {"dynamic", "longrope"})
    if moving:
        return f"its positions depend on the longest text of a batch ({moving[0]} rotary embedding)"
    return ""


def _largest_difference(forward: Forward, longest: int | None) -> float:
    """Largest difference (nats) of one token's logprob between prompt-once and one-by-one scoring."""
    items = [
        (stem, branches)
        for stem, branches in _proof_items(forward.vocabulary)
        if longest is None or len(stem) + ROOM <= longest
    ]
    lengths = np.array([len(tokens) for _, branches in items for tokens in branches], dtype=np.int64)
    fast, slow = np.full((2, lengths.sum()), np.nan)
    starts = iter((np.cumsum(lengths) - lengths).reshape(len(items), -1))
    rows = []
    for stem, branches in items:
        slots = next(starts)
        rows += tree_rows(stem, branches, slots, None)
        for row in plain_rows(stem, branches, slots):
            forward.lookup([row], slow, plain=True)
    forward.lookup(rows, fast, plain=False)
    return float(np.abs(fast - slow).max(initial=0.0)) if items else float("inf")


def _proof_items(vocabulary: int) -> list[tuple[Tokens, list[Tokens]]]:
    random = np.random.default_rng(0)
    drawn = [random.integers(vocabulary, size=length + 16).tolist() for length in STEM_LENGTHS]
    return [(tuple(ids[16:]), _branches(*ids[:16])) for ids in drawn]


def _branches(a: int, b: int, c: int, d: int, e: int, f: int, g: int, *long: int) -> list[Tokens]:
    """Continuations that part after 0, 1 and 2 tokens, one that goes on from another, one long."""
    return [(a,), (a, b), (a, b, c), (a, b, d), (a, e, c), (f,), (g, a, b), long]
