"""How far two next-token distributions are apart, and which tokens carry it: arrays in, arrays out.

Inputs are natural-log probabilities, one distribution on the last axis, any leading shape. Two inputs broadcast against
each other, as in numpy. -inf is an exact zero. Results are in bits unless they say otherwise. Each distribution is
checked and renormalized in float64, so that float32 log-softmax output loses nothing more. Tensors are read too, and
logprobs in 16 bits with a warning. Work goes on in chunks, so that large vocabularies need little memory. No model
code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from priorshift.errors import UserError
from priorshift.probability.distributions import (
    broadcast_distributions,
    compute_class_masses,
    normalize,
    subtract_logs,
    warn_of_rounding,
)

# Values per chunk: each float64 temporary is 4 MB, so that memory does not depend on the input's size.
CHUNK = 2**19
LN2 = np.log(2.0)
# Beyond this log ratio (nats) the smaller probability changes nothing in float64.
FAR = 40.0


class RestrictedJSD(NamedTuple):
    """Result of `restricted_jsd`. Each field has the inputs' leading shape."""

    jsd: np.ndarray
    left_out_p: np.ndarray
    left_out_q: np.ndarray


def jsd(logp: ArrayLike, logq: ArrayLike) -> np.ndarray:
    """Jensen-Shannon divergence in bits: 0 where equal, 1 where no token is possible under both.

    Not its square root, which is what SciPy's ``jensenshannon`` returns.

    Parameters
    ----------
    logp, logq : array_like [..., V]
        Logprobs in nats.

    Returns
    -------
    float64 [...]

    Raises
    ------
    UserError
        A distribution does not sum to 1 (the message gives the sum), has NaN or +inf, or the
        vocabularies differ in size.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37(1), eq. 3.2.

    Examples
    --------
    >>> with np.errstate(divide="ignore"):
    ...     print(jsd(np.log([0.5, 0.5]), np.log([[0.5, 0.5], [1.0, 0.0]])).round(4))
    [0.     0.3113]
    """
    return _apply_to_rows(lambda p, q: np.minimum(_compute_jsd_parts(p, q).sum(axis=-1), 1.0), logp, logq)


def jsd_parts(logp: ArrayLike, logq: ArrayLike) -> np.ndarray:
    """Each token's part of `jsd` in bits: at least 0, and summing to it over the last axis.

    Parameters and errors are those of `jsd`.

    Returns
    -------
    float64 [..., V]

    Examples
    --------
    >>> with np.errstate(divide="ignore"):
    ...     print(jsd_parts(np.log([0.5, 0.5, 0.0]), np.log([0.5, 0.0, 0.5])))
    [0.   0.25 0.25]
    """
    return _apply_to_rows(_compute_jsd_parts, logp, logq, keep_last=True)


def kl(logp: ArrayLike, logq: ArrayLike) -> np.ndarray:
    """Kullback-Leibler divergence of p from q in bits: the expectation under p of log2(p / q).

    Parameters and errors are those of `jsd`.

    Returns
    -------
    float64 [...]
        Infinite where p has a token that q excludes.

    References
    ----------
    Kullback & Leibler (1951), On information and sufficiency, Ann. Math. Statist. 22(1).

    Examples
    --------
    >>> print(kl(np.log([0.5, 0.5]), np.log([0.25, 0.75])).round(4))
    0.2075
    """
    return _apply_to_rows(_compute_kl, logp, logq)


def total_variation(logp: ArrayLike, logq: ArrayLike) -> np.ndarray:
    """Total variation distance: the largest difference in any event's probability, 0 to 1.

    Parameters and errors are those of `jsd`.

    Returns
    -------
    float64 [...]

    References
    ----------
    Levin & Peres (2017), Markov Chains and Mixing Times, proposition 4.2 (half the L1 distance).

    Examples
    --------
    >>> print(total_variation(np.log([0.5, 0.5]), np.log([0.25, 0.75])))
    0.25
    """

    def distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return np.minimum(np.abs(np.exp(p) - np.exp(q)).sum(axis=-1) / 2, 1.0)

    return _apply_to_rows(distance, logp, logq)


def entropy(logp: ArrayLike) -> np.ndarray:
    """Shannon entropy in bits.

    Parameters and errors are those of `jsd`.

    Returns
    -------
    float64 [...]

    References
    ----------
    Shannon (1948), A mathematical theory of communication, section 6.

    Examples
    --------
    >>> print(entropy(np.log([0.5, 0.25, 0.25])))
    1.5
    """
    return _apply_to_rows(lambda p: -(np.exp(p) * np.where(np.isinf(p), 0.0, p)).sum(axis=-1) / LN2 + 0.0, logp)


def rank_token_effects(base: ArrayLike, adapter: ArrayLike, k: int = 10) -> np.ndarray:
    """The tokens that gain and lose most probability, over all stems.

    Parameters
    ----------
    base, adapter : array_like [..., V]
        Logprobs in nats before and after fine-tuning, the same stems in both.
    k : int
        At most this many tokens that gain, and as many that lose.

    Returns
    -------
    structured array [at most 2 k]
        Largest gain first, largest loss last. Fields: ``token`` (int64), ``p_base``, ``p_adapter``,
        ``change`` (their difference) and ``jsd`` (the token's part of the JSD, bits), each averaged over
        the leading axes; all tokens' ``jsd`` sum to the mean of `jsd`. Readable by ``pandas.DataFrame``.

    Raises
    ------
    UserError
        As `jsd`; or `k` is below 1, or there is no distribution.

    Examples
    --------
    >>> effects = rank_token_effects(np.log([0.5, 0.3, 0.2]), np.log([0.1, 0.3, 0.6]))
    >>> effects["token"].tolist(), effects["change"].round(3).tolist()
    ([2, 0], [0.4, -0.4])
    """
    if k < 1:
        raise UserError(f"k={k}: expected at least 1")
    sums, n = np.zeros(()), 0
    for _, (p, q) in _split_chunks(base, adapter):
        sums = sums + np.stack([np.exp(p).sum(0), np.exp(q).sum(0), _compute_jsd_parts(p, q).sum(0)])
        n += len(p)
    if not n:
        raise UserError("base and adapter hold no distribution; expected at least one")
    p_base, p_adapter, part = sums / n
    change = p_adapter - p_base
    order = np.argsort(-change, kind="stable")
    gain, loss = order[:k], order[-k:]
    chosen = np.concatenate([gain[change[gain] > 0], loss[change[loss] < 0]])
    fields = {"token": np.int64, "p_base": float, "p_adapter": float, "change": float, "jsd": float}
    effects = np.empty(len(chosen), dtype=list(fields.items()))
    for name, values in zip(fields, (chosen, *(a[chosen] for a in (p_base, p_adapter, change, part))), strict=True):
        effects[name] = values
    return effects


def restricted_jsd(logp: ArrayLike, logq: ArrayLike, classes: Sequence[Any] | None = None) -> RestrictedJSD:
    """JSD in bits between class masses, renormalized over the classes, and the mass left out.

    Parameters
    ----------
    logp, logq : array_like [..., C]
        Logprobs in nats of C candidates that exclude each other (continuations or tokens); they need
        not sum to 1, and must not sum to more.
    classes : sequence of C labels, optional
        Candidates with one label are summed into one class; None leaves a candidate out. By default
        each candidate is its own class.

    Returns
    -------
    RestrictedJSD
        ``jsd``, ``left_out_p``, ``left_out_q``: float64 [...]. What is left out is 1 minus the classes' sum.

    Raises
    ------
    UserError
        The candidates' probabilities sum to more than 1, or the classes' to 0; or a label is missing.

    Examples
    --------
    >>> p, q = np.log([[0.2, 0.2, 0.4], [0.1, 0.1, 0.2]])
    >>> result = restricted_jsd(p, q, ["loss", "loss", "threat"])
    >>> print(result.jsd.round(6), result.left_out_p.round(6), result.left_out_q.round(6))
    0.0 0.2 0.6
    """
    warn_of_rounding(logp, logq)
    p, q = broadcast_distributions(logp, logq)
    labels = list(range(p.shape[-1])) if classes is None else list(classes)
    if len(labels) != p.shape[-1]:
        raise UserError(f"classes has {len(labels)} labels for {p.shape[-1]} candidates; expected one label each")
    names = [label for label in dict.fromkeys(labels) if label is not None]
    if not names:
        raise UserError("classes leaves every candidate out; expected a label other than None")
    member = np.array([[label == name for name in names] for label in labels])
    (inside_p, left_p), (inside_q, left_q) = (
        compute_class_masses(values, member, name) for values, name in ((p, "logp"), (q, "logq"))
    )
    return RestrictedJSD(jsd(inside_p, inside_q), left_p, left_q)


def _compute_jsd_parts(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Parts in bits, in a form without cancellation where p and q are close.

    With `s = P + Q`, `d = p - q` and `t = tanh(d / 2) = (P - Q) / s`, the part `(P log(2 P / s) + Q log(2 Q / s)) / 2`
    is `s / 4 (t d + log(1 - t^2))`.
    """
    total = np.exp(p) + np.exp(q)
    d = np.clip(subtract_logs(p, q), -FAR, FAR)
    # 1 - t^2 is 1 / cosh(d / 2)^2, and cosh^2 is 1 + sinh^2.
    shape = d * np.tanh(d / 2) - np.log1p(np.sinh(d / 2) ** 2)
    return total * np.clip(shape, 0.0, 2 * LN2) / (4 * LN2)


def _compute_kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    # P d - P + Q sums to P d for normalized inputs, and no term of it is below 0.
    d = subtract_logs(p, q)
    mass = np.exp(p)
    with np.errstate(invalid="ignore", over="ignore"):
        terms = np.where(np.isneginf(p), np.exp(q), mass * (d + np.expm1(-d)))
    # Where exp(-d) overflows, Q is far larger than P: the same sum, written without the ratio.
    terms = np.where(d < -FAR, mass * np.where(np.isinf(d), 0.0, d) - mass + np.exp(q), terms)
    # However unlikely a token is under p (exp may be 0 in float64): where q excludes it, the divergence is infinite.
    terms = np.where(np.isposinf(d), np.inf, terms)
    return np.maximum(terms.sum(axis=-1), 0.0) / LN2


def _apply_to_rows(function: Callable[..., np.ndarray], *arrays: ArrayLike, keep_last: bool = False) -> np.ndarray:
    """Apply `function` (of arrays [n, V], checked and normalized) to all distributions, chunk by chunk."""
    first = broadcast_distributions(*arrays)[0]
    out = np.empty(first.shape if keep_last else first.shape[:-1])
    flat = out.reshape(-1, first.shape[-1]) if keep_last else out.reshape(-1)
    for rows, parts in _split_chunks(*arrays):
        flat[rows] = function(*parts)
    return out if out.ndim else out[()]


def _split_chunks(*arrays: ArrayLike) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """(slice of rows, float64 [n, V] of each array), over the broadcast leading axes in C order."""
    given, rounding = broadcast_distributions(*arrays), warn_of_rounding(*arrays)
    *lead, width = given[0].shape
    n, step = int(np.prod(lead)), max(1, CHUNK // width)
    names = ("logp", "logq") if len(given) > 1 else ("logp",)
    for start in range(0, n, step):
        rows = slice(start, min(n, start + step))
        index = np.unravel_index(np.arange(rows.start, rows.stop), lead) if lead else (None,)
        parts = (a[index].astype(np.float64) for a in given)
        yield rows, [normalize(part, name, start, r) for part, name, r in zip(parts, names, rounding, strict=True)]
