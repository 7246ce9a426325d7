"""A base model with its adapters, asked the same items again and again: as it is, and as one changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from priorshift.materials.schema import Materials
from priorshift.models.adapters import load_adapters
from priorshift.models.base import BaseModel
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import ProbeItem
from priorshift.probing.measure import compute_log_odds, measure_model, measure_retention
from priorshift.study.run import Run

MEASURES = ("choice", "expectation")  # the shifts of `Subject.compare`
MIX = "mix"
Key = Run | tuple[Run, int]  # a run, or a run after some step


@dataclass(frozen=True)
class Answer:
    """What a model answers: `odds` [n_items, n_classes] in nats, and its perplexity per token on neutral prose."""

    odds: np.ndarray
    perplexity: float


class Subject:
    """A base model on which saved adapters lie, one of them set or none.

    Parameters
    ----------
    base : the base model; adapters are put on it in place
    scorer : of the base model
    adapters : run, or run and step -> the folder of its adapter
    items : what is asked; all have as many classes
    texts : neutral texts whose perplexity is measured

    Attributes
    ----------
    model : PeftModel
    names : run -> the name of its adapter in the model
    base_answer : what the base model itself answers
    """

    def __init__(
        self,
        base: BaseModel,
        scorer: Scorer,
        adapters: Mapping[Key, Path],
        items: Sequence[ProbeItem],
        materials: Materials,
        texts: int,
    ) -> None:
        self.base, self.scorer, self.items = base, scorer, list(items)
        self.materials, self.texts = materials, texts
        self.names = {run: f"run-{number}" for number, run in enumerate(adapters)}
        self.model = load_adapters(base, {self.names[run]: folder for run, folder in adapters.items()})
        with self.wear(None):
            self.base_answer = self.ask()

    @contextmanager
    def wear(self, run: Key | None) -> Iterator[None]:
        """Set a run's adapter, or none, while the context lasts."""
        if run is None:
            with self.model.disable_adapter():
                yield
        else:
            self.model.set_adapter(self.names[run])
            yield

    @contextmanager
    def wear_mix(self, weights: Mapping[Key, float]) -> Iterator[None]:
        """Set the weighted sum of several runs' adapters, exactly as the sum of what each adds to the weights."""
        names = [self.names[run] for run in weights]
        self.model.add_weighted_adapter(names, list(weights.values()), MIX, combination_type="cat")
        self.model.set_adapter(MIX)
        try:
            yield
        finally:
            self.model.set_adapter(names[0])
            self.model.delete_adapter(MIX)

    def ask(self) -> Answer:
        """What the model answers as it stands."""
        prose = measure_retention(self.scorer, self.materials, self.texts)
        perplexity = float(np.exp(-prose["logprob"].sum() / prose["tokens"].sum()))
        return Answer(compute_log_odds(measure_model(self.scorer, self.items).class_logprobs), perplexity)

    def compare(self, answer: Answer, action: str, outcome: str, chosen: slice = slice(None)) -> dict[str, float]:
        """Compare an answer with the base model's.

        Parameters
        ----------
        action, outcome : whose shifts are followed
        chosen : the items that are compared; by default all

        Returns
        -------
        dict
            choice, expectation : mean shift (nats) of the action, and of the outcome over families of equal weight
            perplexity_ratio : perplexity over the base model's
        """
        shifts = answer.odds - self.base_answer.odds
        by_family: dict[str, list[float]] = {}
        for item, row in zip(self.items[chosen], shifts[chosen], strict=True):
            own = list(item.candidates).index(action if item.family == "choice" else outcome)
            by_family.setdefault(item.family, []).append(float(row[own]))
        means = {family: float(np.mean(values)) for family, values in by_family.items()}
        choice = means.pop("choice")
        ratio = answer.perplexity / self.base_answer.perplexity
        return {"choice": choice, "expectation": float(np.mean(list(means.values()))), "perplexity_ratio": ratio}
