"""A base model, with or without an adapter or a context -> its measurement tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from priorshift.errors import RunError
from priorshift.materials.schema import NEXT_WORDS
from priorshift.models.base import BaseModel
from priorshift.models.vocabulary import write_token
from priorshift.probability.encoder import MergeError
from priorshift.probability.scorer import Scorer
from priorshift.probing.completions import list_completion_stems, sample_completions
from priorshift.probing.context import NO_CONTEXT, Context
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import (
    ItemMeasurements,
    measure_model,
    measure_retention,
    tabulate_items,
    tabulate_next_tokens,
)
from priorshift.probing.next_words import tabulate_next_words
from priorshift.probing.questionnaire import measure_questionnaire
from priorshift.probing.token_parts import tabulate_tokens
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT, StudyParams


def make_scorer(params: StudyParams, base: BaseModel) -> Scorer:
    """The scorer of a base model. The study says what becomes of merged tokens."""
    on_merge = "report" if params.exclusion.ambiguous_tokenization else "error"
    return Scorer(base.model, base.tokenizer, read=base.read, on_merge=on_merge)


@contextmanager
def explain_merges() -> Iterator[None]:
    """Let an error about merged tokens name the study's setting for them.

    Raises
    ------
    RunError
        In place of the scorer's MergeError.
    """
    try:
        yield
    except MergeError as problem:
        raise RunError(f"{problem}; in a study: exclusion.ambiguous_tokenization: true") from None


@dataclass(frozen=True)
class Measurements:
    """All measurements of one model.

    Attributes
    ----------
    items : what it expects at every probe item
    prose : its logprobs of neutral texts
    scales : its logprobs of response options; None where the study measures no scale
    completions : what it writes; None where the study samples none
    """

    items: ItemMeasurements
    prose: pd.DataFrame
    scales: pd.DataFrame | None
    completions: pd.DataFrame | None


@dataclass(frozen=True)
class BaseMeasurements:
    """All measurements of a base model, beside which those of its adapters are set.

    Attributes
    ----------
    measurements : all but what it writes
    completions : seed -> what it writes with that seed's random numbers; None where the study samples none
    """

    measurements: Measurements
    completions: dict[int, pd.DataFrame | None]


class Prober:
    """Measures a base model, and then what adapters and contexts make of it.

    The base must be measured before any adapter is put into it: make the prober first.

    Parameters
    ----------
    scorer : of the base model; it scores whichever adapter is set in the model
    keep : is given the function that measures the base model, and returns its result, or what was kept of an earlier
        call. By default nothing is kept.

    Attributes
    ----------
    items : the study's probe items
    base_measurements : of the base model alone
    base_completions : seed -> what the base model writes with that seed's random numbers
    """

    def __init__(
        self,
        study: Study,
        base: BaseModel,
        scorer: Scorer,
        keep: Callable[[Callable[[], BaseMeasurements]], BaseMeasurements] = lambda measure: measure(),
    ) -> None:
        self.study, self.base, self.scorer = study, base, scorer
        self.items = make_probe_items(study.params, study.materials)
        before = keep(self.measure_base)
        self.base_measurements, self.base_completions = before.measurements, before.completions

    def measure_base(self) -> BaseMeasurements:
        """Measure the model as it stands, and write completions for each seed of the study."""
        stems = list_completion_stems(self.study.materials)
        return BaseMeasurements(self.measure(), {seed: self._sample(stems, seed) for seed in self.study.params.seeds})

    def measure(
        self, seed: int | None = None, context: Context = NO_CONTEXT, items: ItemMeasurements | None = None
    ) -> Measurements:
        """Measure the model as it stands.

        Parameters
        ----------
        seed : of the completions; None samples none
        context : decisions that stand before each stem
        items : what it expects at every item, where that was measured already
        """
        params, materials = self.study.params, self.study.materials
        asked = make_probe_items(params, materials, context) if context.per_stem else self.items
        prose = measure_retention(self.scorer, materials, params.probes.retention_texts)
        orders = params.probes.scale_orders
        scales = measure_questionnaire(self.scorer, materials, orders, context) if orders else None
        completions = self._sample(list_completion_stems(materials, context), seed)
        return Measurements(items or measure_model(self.scorer, asked), prose, scales, completions)

    def tabulate(
        self, run: Measurements, seed: int, reference: ItemMeasurements | None = None
    ) -> dict[str, pd.DataFrame]:
        """The tables of a run with that seed, each beside the base model's.

        Parameters
        ----------
        reference : the items of the first neutral run; None for that run itself, and for what was not trained
        """
        base, write = self.base_measurements, partial(write_token, self.base.tokenizer)
        firsts, words = run.items.first_tokens, (run.items.next_token, base.items.next_token)
        tables = {
            "items": tabulate_items(self.items, run.items, base.items),
            "next_token": tabulate_next_tokens(self.items, run.items, base.items, reference),
            "tokens": tabulate_tokens(self.items, firsts, *words, write),
            "retention": run.prose.assign(base_logprob=base.prose["logprob"]),
        }
        if NEXT_WORDS in self.study.params.probes.families:
            tables["next_words"] = self._tabulate_next_words(*words, write)
        if run.scales is not None:
            tables["scales"] = run.scales.assign(base_logprob=base.scales["logprob"])
        if run.completions is not None:
            tables["completions"] = run.completions.assign(base_text=self.base_completions[seed]["text"])
        return tables

    def _tabulate_next_words(self, run: np.ndarray, base: np.ndarray, write: Callable[[int], str]) -> pd.DataFrame:
        own = [i for i, item in enumerate(self.items) if (item.family, item.ring) == (NEXT_WORDS, HELD_OUT)]
        return tabulate_next_words([self.items[i].form for i in own], run[own], base[own], write)

    def _sample(self, stems: Sequence[str], seed: int | None) -> pd.DataFrame | None:
        probes = self.study.params.probes
        if seed is None or not probes.completion_samples:
            return None
        read = [self.base.read(stem) for stem in stems]
        model, tokenizer = self.base.model, self.base.tokenizer
        return sample_completions(model, tokenizer, read, probes.completion_samples, probes.completion_tokens, seed)
