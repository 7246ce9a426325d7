"""Only the positions with loss reach the head: over a large vocabulary the others would cost most of a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

IGNORED = -100  # the label that the cross-entropy passes over


@contextmanager
def keep_loss_positions(head: torch.nn.Module, labels: torch.Tensor) -> Iterator[torch.Tensor]:
    """Let only the positions whose next label counts reach `head`.

    The model itself scales and caps the logits and computes the loss. It gets the labels that this yields as
    `shift_labels`.

    Parameters
    ----------
    head : its input is [batch, positions, hidden]; within the context it reads [1, n, hidden]
    labels : int [batch, positions], `IGNORED` where there is no loss

    Yields
    ------
    Tensor
        int [1, n]: the token that each of the n positions predicts.
    """
    # Position i predicts token i + 1, and the last position predicts nothing.
    following = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
    counts = following != IGNORED
    handle = head.register_forward_pre_hook(lambda module, args: (args[0][counts][None], *args[1:]))
    try:
        yield following[counts][None]
    finally:
        handle.remove()
