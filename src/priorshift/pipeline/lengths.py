"""Whether a study's base models can read all its texts, known before any weight is loaded."""

from __future__ import annotations

from priorshift.models.base import load_reader, read_longest_input
from priorshift.models.lengths import check_lengths
from priorshift.probing.readings import list_probe_readings, list_training_readings
from priorshift.study.load import Study


def check_study_lengths(study: Study) -> None:
    """Refuse a study of which a base model cannot read a text, for its tokenizer and configuration.

    A hub model's are fetched where they are not in the cache.

    Raises
    ------
    RunError
        Naming the base model and the text (see `check_lengths`).
    ParamsError
        When a tokenizer cannot be loaded.
    """
    readings, checked = None, set()
    for params in study.params.models:
        (tokenizer, read), longest = load_reader(params), read_longest_input(params)
        backend = getattr(tokenizer, "backend_tokenizer", None)
        # Embedded models of the same words are one question.
        key = (backend.to_str() if backend and params.source.startswith("embedded:") else params.name, longest)
        if longest is None or key in checked:
            continue
        checked.add(key)
        readings = readings or [*list_probe_readings(study), *list_training_readings(study)]
        check_lengths(params.name, tokenizer, read, longest, readings)
