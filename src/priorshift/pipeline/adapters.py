"""One adapter: the base model loaded as training needs it, and trained on one training set."""

from __future__ import annotations

from priorshift.models.backends import Backend
from priorshift.models.base import BaseModel, choose_for_training, load_base
from priorshift.pipeline.progress import Progress
from priorshift.pipeline.records import hash_run_inputs, require_adapter
from priorshift.pipeline.training_sets import read_examples
from priorshift.study.load import Study
from priorshift.study.run import Run
from priorshift.training.examples import list_anchor_texts
from priorshift.training.finetune import train_run


def load_for_training(study: Study, base_model: str, backend: Backend) -> BaseModel:
    """Load the base model in the number type that the study's training asks for."""
    return load_base(choose_for_training(study.params.find_base_model(base_model), study.params.training), backend)


def train_adapter(study: Study, base: BaseModel, run: Run, progress: Progress) -> dict:
    """Train a run's adapter and keep it in the run's folder. Returns its record.

    Raises
    ------
    RunError
        Its training set, or the adapter that it starts from, is missing, damaged or outdated.
    """
    examples = read_examples(study, run)
    inputs = hash_run_inputs(study, run, base.backend.name)
    earlier = study.params.find_start(run.condition)
    start = require_adapter(study, run._replace(condition=earlier)) if earlier else None
    training, folder = study.params.resolve_training(run.condition), study.paths.run(*run)
    anchor = list_anchor_texts(study.params, study.materials) if training.anchor_weight else ()
    return train_run(base, examples, training, run.seed, folder, inputs, start, progress.advance, anchor)
