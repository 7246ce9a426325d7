"""What all runs of a base model are set beside, measured once however the grid is cut: the base, and a neutral run.

They lie in `measurements/<base model>/.base` and `.reference`. They are measured again where an input, a library or the
device is another one. No run is redone for that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from priorshift.files import hash_file, read_record, write_record, write_whole
from priorshift.models.base import BaseModel
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.locks import lock_file
from priorshift.pipeline.progress import Progress, follow_reading
from priorshift.pipeline.records import explain_unfinished, hash_kept_inputs
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import ProbeItem
from priorshift.probing.kept import read_base, read_kept_items, write_base, write_kept_items
from priorshift.probing.measure import ItemMeasurements, measure_model
from priorshift.probing.probe import BaseMeasurements
from priorshift.study.load import Study
from priorshift.study.run import Run

RECORD = "kept.json"
Measured = TypeVar("Measured")


class Kept:
    """The kept measurements of a base model. The first job that needs them makes them, and the others wait and read.

    Attributes
    ----------
    tokens : how many a model reads, with padding, in all its measurements; None before the base is measured
    """

    def __init__(self, study: Study, base: BaseModel, scorer: Scorer, progress: Progress) -> None:
        self.study, self.base, self.scorer, self.progress = study, base, scorer, progress
        self.tokens: int | None = None

    def measure_base(self, measure: Callable[[], BaseMeasurements]) -> BaseMeasurements:
        """Measure the base model, or read what was kept of it."""
        read = partial(read_base, seeds=self.study.params.seeds)
        found, self.tokens = self._measure_once("base", None, measure, write_base, read)
        return found

    def measure_reference(self, reference: Run, items: list[ProbeItem]) -> ItemMeasurements:
        """Measure the reference run, whose adapter is set in the model, or read what was kept of it."""
        measure = partial(measure_model, self.scorer, items)
        return self._measure_once("reference", reference, measure, write_kept_items, read_kept_items)[0]

    def _measure_once(
        self,
        name: str,
        reference: Run | None,
        measure: Callable[[], Measured],
        write: Callable[[Path, Measured], None],
        read: Callable[[Path], Measured],
    ) -> tuple[Measured, int]:
        """The measurements, and how many tokens were read for them."""
        paths, base = self.study.paths, self.base
        folder = paths.kept(base.name, name)
        gpu = torch.cuda.get_device_name() if base.device == "cuda" else ""
        made_with = [describe_loaded(base), self.scorer.method, gpu]
        inputs = hash_kept_inputs(self.study, base.name, reference, made_with)
        self.progress.begin(f"waiting for measurements of {base.name} ({name})")
        with lock_file(paths.lock(f"{name}-{base.name}")):
            if explain_unfinished(folder / RECORD, inputs):
                with follow_reading(
                    self.progress, f"measuring {reference or base.name} ({name})", base.model
                ) as read_tokens:
                    measured = measure()
                with write_whole(folder) as temporary:
                    temporary.mkdir()
                    write(temporary, measured)
                    hashes = {path.name: hash_file(path) for path in sorted(temporary.iterdir())}
                    made = {"inputs": inputs, "hashes": hashes, "tokens": read_tokens[0]}
                    write_record(temporary / RECORD, made | describe_loaded(base))
            return read(folder), (read_record(folder / RECORD) or {})["tokens"]
