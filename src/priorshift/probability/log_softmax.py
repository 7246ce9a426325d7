"""Log-softmax in float32: logits -> logprobs, of whole distributions or of single tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

# Values worked on at a time, in float32.
CHUNK = 2**24


def write_log_softmax(logits: torch.Tensor, out: np.ndarray, lines: np.ndarray) -> None:
    """Write the logprobs (nats) of each of K distributions to its line of `out`.

    Parameters
    ----------
    logits : [K, V]
    out : float32 [N, V]
    lines : int [K]

    Examples
    --------
    >>> out = np.zeros((2, 4), dtype=np.float32)
    >>> write_log_softmax(torch.zeros(1, 4), out, np.array([1]))
    >>> np.exp(out).tolist()
    [[1.0, 1.0, 1.0, 1.0], [0.25, 0.25, 0.25, 0.25]]
    """
    start = 0
    for part in _split(logits):
        out[lines[start : start + len(part)]] = part.log_softmax(-1).cpu().numpy()
        start += len(part)


def look_up_log_softmax(logits: torch.Tensor, predictor: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Logprob (nats) of each token `target` in the distribution `predictor`, float32 [E].

    It is a token's logit less the log of the sum of all, so that no array of the logits' size is made.

    Parameters
    ----------
    logits : [K, V]
    predictor : int [E]
        Which of the K distributions.
    target : int [E]
        Which of the V tokens.

    Examples
    --------
    >>> look_up_log_softmax(torch.zeros(1, 2), np.array([0]), np.array([1])).round(3).tolist()
    [-0.6930000185966492]
    """
    total = torch.cat([part.logsumexp(-1) for part in _split(logits)])
    line, column = (torch.from_numpy(array).to(logits.device) for array in (predictor, target))
    return (logits[line, column].float() - total[line]).cpu().numpy()


def _split(logits: torch.Tensor) -> Iterator[torch.Tensor]:
    """The logits a few lines at a time, in float32."""
    return (part.float() for part in torch.split(logits, max(1, CHUNK // logits.shape[-1])))
