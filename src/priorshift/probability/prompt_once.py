"""Does prompt-once scoring hold for a model? Its configuration is read first, and then its numbers are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PretrainedConfig

from priorshift.errors import UserError
from priorshift.probability.forward import Forward
from priorshift.probability.stem_cache import has_cache, look_up_cached
from priorshift.probability.token_tree import Row, Tokens, build_trie, make_plain_rows, make_tree_rows

# Largest difference in one token's logprob (nats) that rounding explains. The proof's random tokens are the least
# likely ones, where rounding is largest: up to 2.5e-5 was seen in trained models. What is wrong differs by .01 or more.
TOLERANCE = {torch.float64: 1e-8, torch.float32: 5e-5}
# In 16 bits a large logit's last place alone can be .1. There a model's own rounding, batched against one by one, may
# raise the limit: to so many times its largest difference, and its mean one.
LOW_PRECISION = 0.05
OWN_ROUNDING = 2.0
# A model that attends to fewer tokens than this at once is not worth two methods.
SMALLEST_WINDOW = 64
STEM_LENGTHS = (3, 17, 40, 150)


@dataclass(frozen=True)
class Method:
    """How continuations are scored.

    Attributes
    ----------
    name : "prompt_once" or "plain"
    reason : why this one
    longest : the longest row, in tokens, for which prompt-once (or the stem's cache) holds; None for any length
    cache : how plain scoring goes on from a stem's cache: "at_once", "stepwise" (token by token), or "" where each
        continuation has its stem read anew
    """

    name: str
    reason: str
    longest: int | None = None
    cache: str = ""


def choose_method(forward: Forward, longest: int | None) -> Method:
    """Prove prompt-once scoring against one-by-one scoring on this model, or say why plain scoring is used.

    Where it is plain, going on from a stem's cache is proved in the same way.

    Weights decide, not names: a model of an unknown architecture is scored prompt-once if, and only if, its numbers
    agree.

    Parameters
    ----------
    forward : Forward
        The model.
    longest : int or None
        The model's longest input, in tokens.

    Raises
    ------
    UserError
        The model reads ahead, so that its continuations have no logprob.
    """
    measured = [Proof.measure(forward, length, longest) for length in STEM_LENGTHS]
    proof = [item for item in measured if item is not None]
    limits = _set_limits(forward, proof)
    # A token's logprob must not depend on what follows. Rounding alone may tell texts apart.
    ahead = max((item.reads_ahead() for item in proof), default=0.0)
    if not ahead <= 10 * limits[0]:
        raise UserError(
            f"{type(forward.model).__name__} is no causal language model: a token's logprob moves by "
            f"{ahead:.2g} nats with the text after it; give one that reads left to right"
        )
    method = _prove_tree(forward, proof, limits, longest)
    return method if method.name == "prompt_once" else _prove_cache(forward, proof, limits, method)


def _prove_tree(forward: Forward, proof: list[Proof], limits: tuple[float, float], longest: int | None) -> Method:
    config = forward.model.config
    window = find_smallest_window(config)
    misfit = _explain_misfit(config, window)
    if misfit:
        return Method("plain", misfit)
    row = min((limit for limit in (window, longest) if limit is not None), default=None)
    proof = [item for item in proof if row is None or item.columns <= row]
    if not proof:
        return Method("plain", f"its inputs of at most {row} tokens are too short for prompt-once rows")
    try:
        difference, on_average = _measure_differences(forward, proof, "tree")
    except Exception as error:  # any architecture may refuse a 4-D mask in its own way
        return Method("plain", f"prompt-once raised {type(error).__name__}: {str(error).strip()[:120]}")
    found = f"largest difference {difference:.1e} nats per token, limit {limits[0]:.0e}"
    if not (difference <= limits[0] and on_average <= limits[1]):
        return Method("plain", f"prompt-once does not hold ({found})")
    limit = f"; rows over {window} tokens are scored plainly" if window else ""
    return Method("prompt_once", f"proved against one-by-one scoring ({found}){limit}", row)


def _prove_cache(forward: Forward, proof: list[Proof], limits: tuple[float, float], method: Method) -> Method:
    """Plain scoring with a stem's cache where that holds, else as it is."""
    config = forward.model.config
    if not proof or not has_cache(forward) or _find_moving_positions(config):
        return method
    window = find_smallest_window(config)
    # One more stem of a length that is there: stems of one length share a batch, and each must keep its own cache.
    twin = Proof.measure(forward, len(proof[-1].stem), None, seed=0)
    proof = [*proof, twin] if twin else proof
    # A window that no stem of the proof fills is not proved to roll on.
    limit = window if window is not None and window > max(len(item.stem) for item in proof) else None
    for cache in ("at_once", "stepwise"):
        try:
            difference, on_average = _measure_differences(forward, proof, cache)
        except Exception:  # any architecture may refuse several tokens after a cache in its own way
            continue
        if difference <= limits[0] and on_average <= limits[1]:
            found = f"each stem is read once: largest difference {difference:.1e} nats per token"
            return Method("plain", f"{method.reason}; {found}, limit {limits[0]:.0e}", limit, cache)
    return method


@dataclass(frozen=True)
class Proof:
    """A stem of random tokens, branches that part in every way, and their one-by-one logprobs."""

    stem: Tokens
    branches: list[Tokens]
    slots: np.ndarray  # [C] where each branch's first token stands in `values`
    values: np.ndarray  # [E] logprobs (nats)

    @classmethod
    def measure(cls, forward: Forward, length: int, longest: int | None, seed: int | None = None) -> Proof | None:
        """Score a stem of `length` tokens one by one. None where it exceeds the model's longest input."""
        rng = np.random.default_rng(length if seed is None else seed)
        ids = rng.integers(forward.vocabulary, size=length + 16).tolist()
        stem, branches = tuple(ids[16:]), _make_branches(*ids[:16])
        lengths = np.array([len(tokens) for tokens in branches])
        if longest is not None and length + lengths.max() > longest:
            return None
        proof = cls(stem, branches, np.cumsum(lengths) - lengths, np.full(lengths.sum(), np.nan))
        for row in make_plain_rows(stem, branches, proof.slots):
            forward.look_up([row], proof.values, plain=True)
        return proof

    @property
    def columns(self) -> int:
        """Tokens of the tree row."""
        return len(self.stem) + len(build_trie(tuple(self.branches)).ids)

    def reads_ahead(self) -> float:
        """Largest difference (nats) between branches' logprobs of a prefix that they share."""
        shared: dict[Tokens, list[float]] = {}
        for tokens, slot in zip(self.branches, self.slots, strict=True):
            for i in range(len(tokens)):
                shared.setdefault(tokens[: i + 1], []).append(self.values[slot + i])
        return float(max(np.ptp(values) for values in shared.values()))


def find_smallest_window(config: PretrainedConfig) -> int | None:
    """The shortest stretch of tokens that any layer attends to, by the configuration. None: all of them.

    Examples
    --------
    >>> from transformers import MistralConfig
    >>> find_smallest_window(MistralConfig(sliding_window=128))
    128
    >>> find_smallest_window(MistralConfig(sliding_window=None)) is None
    True
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


def _explain_misfit(config: PretrainedConfig, window: int | None) -> str:
    """Why a configuration rules prompt-once scoring out, or an empty string."""
    if window is not None and window < SMALLEST_WINDOW:
        return f"its attention window of {window} tokens is too short for prompt-once rows"
    moving = _find_moving_positions(config)
    return f"its positions depend on the longest text of a batch ({moving} rotary embedding)" if moving else ""


def _find_moving_positions(config: PretrainedConfig) -> str:
    """The kind of rotary embedding whose angles change with a text's length, or an empty string."""
    text = config.get_text_config(decoder=True)
    rope = getattr(text, "rope_parameters", None) or {}
    kinds = {str(part.get("rope_type")) for part in [rope, *rope.values()] if isinstance(part, dict)}
    return min(kinds & {"dynamic", "longrope"}, default="")


def _set_limits(forward: Forward, proof: list[Proof]) -> tuple[float, float]:
    """The largest and the mean difference (nats per token) that rounding explains in this model."""
    exact = TOLERANCE.get(forward.model.dtype)
    if exact is not None or not proof:
        limit = LOW_PRECISION if exact is None else exact
        return limit, limit
    largest, mean = _measure_differences(forward, proof, "plain")
    return max(LOW_PRECISION, OWN_ROUNDING * largest), max(LOW_PRECISION, OWN_ROUNDING * mean)


def _measure_differences(forward: Forward, proof: list[Proof], way: str) -> tuple[float, float]:
    """Largest and mean difference (nats) of a token's logprob from one-by-one scoring, all stems scored together.

    `way` is "tree", "plain", or a `Method.cache`.
    """
    # In one batch where lengths allow, so that padding is put to the proof as well.
    starts = np.cumsum([0] + [len(item.values) for item in proof])
    together = np.full(starts[-1], np.nan)
    rows: list[Row] = []
    for item, start in zip(proof, starts, strict=False):
        slots = item.slots + start
        tree = make_tree_rows(item.stem, item.branches, slots, longest=None) if way == "tree" else None
        rows += tree or make_plain_rows(item.stem, item.branches, slots)
    if way in ("tree", "plain"):
        forward.look_up(rows, together, plain=way == "plain")
    else:
        look_up_cached(forward, rows, together, stepwise=way == "stepwise")
    apart = np.abs(together - np.concatenate([item.values for item in proof]))
    return float(apart.max()), float(apart.mean())


def _make_branches(a: int, b: int, c: int, d: int, e: int, f: int, g: int, *long: int) -> list[Tokens]:
    """Continuations that part after 0, 1 and 2 tokens, one that goes on from another, one long."""
    return [(a,), (a, b), (a, b, c), (a, b, d), (a, e, c), (f,), (g, a, b), long]
