"""The unit of inference: one fine-tune of one base model."""

from __future__ import annotations

from typing import NamedTuple


class Run(NamedTuple):
    """Base model x condition x seed.

    Examples
    --------
    >>> str(Run("llama-coupled-0", "depression", 3))
    'llama-coupled-0/depression/seed-3'
    """

    base_model: str
    condition: str
    seed: int

    def __str__(self) -> str:
        """As the folders of its results are named."""
        return f"{self.base_model}/{self.condition}/seed-{self.seed}"
