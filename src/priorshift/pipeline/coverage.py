"""How much of a base model's probability the candidates of each family hold, asked before anything is trained."""

from __future__ import annotations

import numpy as np

from priorshift.models.base import load_base
from priorshift.models.checks import check_texts
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import measure_model
from priorshift.probing.probe import explain_merges, make_scorer
from priorshift.probing.readings import list_texts_read
from priorshift.report.coverage_text import name_share
from priorshift.report.names import name_probes
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT
from priorshift.study.sections import BaseModelParams

ITEMS = 24  # of each family


def measure_coverage(study: Study, params: BaseModelParams) -> dict[str, float]:
    """Family -> covered mass under the base model, averaged over held-out items spread over domains and forms.

    Raises
    ------
    ParamsError, RunError
        When the model cannot be loaded, or cannot read a text.
    """
    base = load_base(params)
    check_texts(base, list_texts_read(study))
    near = [item for item in make_probe_items(study.params, study.materials) if item.ring == HELD_OUT]
    found = {}
    with explain_merges():
        scorer = make_scorer(study.params, base)
        for family in study.params.probes.families:
            own = [item for item in near if item.family == family]
            chosen = [own[k] for k in np.unique(np.linspace(0, len(own) - 1, ITEMS).round().astype(int))]
            found[family] = float(np.exp(measure_model(scorer, chosen).class_logprobs).sum(axis=1).mean())
    return found


def describe_base_coverage(study: Study, params: BaseModelParams) -> str:
    """Say a base model's coverage in one line, and which family lies below the study's `exclusion.covered_mass`."""
    least = study.params.exclusion.covered_mass or 0.0
    parts = [
        f"{name_probes(family)} {name_share(share)}{' (below exclusion.covered_mass)' if share < least else ''}"
        for family, share in measure_coverage(study, params).items()
    ]
    return f"{params.name}: candidates hold of its probability: {', '.join(parts)}"
