"""The choice rates of a base model, measured once and kept: the policy `prior` draws its classes at them."""

from __future__ import annotations

from priorshift.files import write_record
from priorshift.models.base import load_base
from priorshift.pipeline.environment import describe_loaded
from priorshift.pipeline.progress import Progress, follow_reading
from priorshift.pipeline.records import hash_choice_inputs, read_finished
from priorshift.probing.measure import measure_choice_rates
from priorshift.probing.probe import explain_merges, make_scorer
from priorshift.study.load import Study


def find_choice_rates(study: Study, base_model: str, progress: Progress) -> dict[str, float]:
    """Read the base model's choice rates, or measure and keep them. They are a probability for each class of action."""
    path, inputs = study.paths.choice_rates(base_model), hash_choice_inputs(study, base_model)
    if kept := read_finished(path, inputs):
        return kept["rates"]
    base = load_base(study.params.find_base_model(base_model))
    with explain_merges(), follow_reading(progress, f"measuring choice rates of {base_model}", base.model):
        rates = measure_choice_rates(make_scorer(study.params, base), study.params, study.materials)
    record = {"base_model": base_model, "inputs": inputs, "hashes": {}, "rates": rates}
    write_record(path, record | describe_loaded(base))
    return rates
