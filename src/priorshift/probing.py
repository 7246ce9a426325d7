"""One base model, with or without an adapter or decisions before the stem -> its measurement tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from priorshift.extraction import Scorer
from priorshift.items import probe_items
from priorshift.measure import Measured, item_table, measure_model, next_token_table, retention_table
from priorshift.models import BaseModel
from priorshift.params import LoadedStudy
from priorshift.scales import scale_table
from priorshift.synthesis import Example


@dataclass(frozen=True)
class State:
    """What the model, as it stands, expects at every item and on neutral prose, and answers to scales."""

    items: Measured
    prose: pd.DataFrame
    scales: pd.DataFrame | None


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

    def state(self, told: Sequence[Example] = (), n_told: int = 0) -> State:
        """Measure the model as it stands, `n_told` decisions of `told` before each stem."""
        study = self.study
        items = probe_items(study.params, study.materials, told, n_told) if n_told else self.items
        prose = retention_table(self.scorer, study.materials, study.params.probes.retention_texts)
        orders = study.params.probes.scale_orders
        scales = scale_table(self.scorer, study.materials, orders, told, n_told) if orders else None
        return State(measure_model(self.scorer, items), prose, scales)

    def tables(self, after: State, floor: State | None = None) -> dict[str, pd.DataFrame]:
        """The tables of one run; `floor` is the state of the run that the seed-to-seed floor is measured from."""
        before, reference = self.before, floor.items if floor else None
        tables = {
            "items": item_table(self.items, after.items, before.items),
            "next_token": next_token_table(self.items, after.items, before.items, reference),
            "retention": after.prose.assign(base_logprob=before.prose["logprob"]),
        }
        if after.scales is not None:
            tables["scales"] = after.scales.assign(base_logprob=before.scales["logprob"])
        return tables
