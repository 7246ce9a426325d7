"""One base model, with or without an adapter or decisions before the stem -> its measurement tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from priorshift.materials.rules import texts_of
from priorshift.models.base import BaseModel
from priorshift.probability.scorer import Scorer
from priorshift.probing.completions import completion_stems, sample_completions
from priorshift.probing.items import probe_items
from priorshift.probing.measure import (
    Measured,
    item_table,
    measure_model,
    next_token_table,
    retention_table,
    token_table,
)
from priorshift.probing.questionnaire import scale_table
from priorshift.study.load import LoadedStudy
from priorshift.study.params import Study
from priorshift.training.examples import Example


def make_scorer(study: Study, base: BaseModel) -> Scorer:
    """The scorer of a base model; what to do with merged tokens is the study's to say."""
    on_merge = "report" if study.exclusion.ambiguous_tokenization else "error"
    return Scorer(base.model, base.tokenizer, read=base.read, on_merge=on_merge)


def texts_read(study: LoadedStudy) -> list[str]:
    """What a base model must be able to read: every phrase, and every stem that it goes on from."""
    return [*texts_of(study.materials), *(item.stem for item in probe_items(study.params, study.materials))]


@dataclass(frozen=True)
class State:
    """What the model, as it stands, expects at every item and on neutral prose, answers to scales and writes."""

    items: Measured
    prose: pd.DataFrame
    scales: pd.DataFrame | None
    completions: pd.DataFrame | None


class Probing:
    """Measures states of one base model against the base model itself.

    Parameters
    ----------
    scorer : of the base model; an adapter that is put into the model in place is scored by it too
    """

    def __init__(self, study: LoadedStudy, base: BaseModel, scorer: Scorer) -> None:
        self.study, self.base, self.scorer = study, base, scorer
        self.items = probe_items(study.params, study.materials)
        self.before = self.state()
        # What the base model writes with each run's random numbers; the base must be measured before any adapter.
        self.written = {seed: self._write(completion_stems(study.materials), seed) for seed in study.params.seeds}

    def state(self, seed: int | None = None, told: Sequence[Example] = (), n_told: int = 0) -> State:
        """Measure the model as it stands, `n_told` decisions of `told` before each stem; `seed` draws texts."""
        study = self.study
        items = probe_items(study.params, study.materials, told, n_told) if n_told else self.items
        prose = retention_table(self.scorer, study.materials, study.params.probes.retention_texts)
        orders = study.params.probes.scale_orders
        scales = scale_table(self.scorer, study.materials, orders, told, n_told) if orders else None
        stems = completion_stems(study.materials, told, n_told)
        return State(measure_model(self.scorer, items), prose, scales, self._write(stems, seed))

    def _write(self, stems: Sequence[str], seed: int | None) -> pd.DataFrame | None:
        probes = self.study.params.probes
        if seed is None or not probes.completion_samples:
            return None
        samples = (probes.completion_samples, probes.completion_tokens, seed)
        read = [self.base.read(stem) for stem in stems]
        return sample_completions(self.base.model, self.base.tokenizer, read, *samples)

    def tables(self, after: State, seed: int, reference: Measured | None = None) -> dict[str, pd.DataFrame]:
        """The tables of one run of that seed; `reference` is what the first neutral run expects."""
        before = self.before
        tables = {
            "items": item_table(self.items, after.items, before.items),
            "next_token": next_token_table(self.items, after.items, before.items, reference),
            "tokens": token_table(self.items, after.items, before.items),
            "retention": after.prose.assign(base_logprob=before.prose["logprob"]),
        }
        if after.scales is not None:
            tables["scales"] = after.scales.assign(base_logprob=before.scales["logprob"])
        if after.completions is not None:
            tables["completions"] = after.completions.assign(base_text=self.written[seed]["text"])
        return tables
