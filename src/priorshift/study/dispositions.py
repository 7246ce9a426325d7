"""Which outcome and which action belong together, in a study's materials and its treatments."""

from __future__ import annotations

from priorshift.materials.schema import Materials
from priorshift.study.params import Study


def adaptive_classes(materials: Materials) -> tuple[str, str]:
    """Outcome and class of action of the adaptive disposition, the first of the materials."""
    first = next(iter(materials.dispositions.values()))
    return first.outcome, first.action


def maladaptive_outcomes(materials: Materials) -> list[str]:
    """The outcomes of all dispositions but the adaptive one."""
    adaptive, _ = adaptive_classes(materials)
    return [d.outcome for d in materials.dispositions.values() if d.outcome != adaptive]


def own_outcomes(study: Study, materials: Materials) -> dict[str, str]:
    """Treatment -> the outcome that goes with the action it always takes; the first treatment for each outcome.

    The adaptive disposition's outcome does not count.
    """
    adaptive, _ = adaptive_classes(materials)
    found: dict[str, str] = {}
    for name in study.inference.treatments:
        policy = study.conditions[name].policy
        if isinstance(policy, dict) and max(policy.values()) == 1.0:
            outcome = materials.outcome_of(max(policy, key=policy.get))
            if outcome != adaptive and outcome not in found.values():
                found[name] = outcome
    return found
