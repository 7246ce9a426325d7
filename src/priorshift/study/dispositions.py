"""Which outcome and which action belong together, in a study's materials and its treatments."""

from __future__ import annotations

from priorshift.materials.schema import Materials
from priorshift.study.params import StudyParams


def find_adaptive(materials: Materials) -> tuple[str, str]:
    """Outcome and class of action of the adaptive disposition, the first of the materials."""
    first = next(iter(materials.dispositions.values()))
    return first.outcome, first.action


def list_maladaptive_outcomes(materials: Materials) -> list[str]:
    """The outcomes of all dispositions but the adaptive one."""
    adaptive, _ = find_adaptive(materials)
    return [outcome for outcome in materials.outcomes if outcome != adaptive]


def match_outcomes(params: StudyParams, materials: Materials) -> dict[str, str]:
    """Treatment -> the outcome that goes with the action it always takes.

    Of several treatments with one outcome the first counts. The adaptive disposition's outcome does not count.
    """
    adaptive, _ = find_adaptive(materials)
    found: dict[str, str] = {}
    for name in params.inference.treatments:
        policy = params.conditions[name].policy
        if isinstance(policy, dict) and max(policy.values()) == 1.0:
            outcome = materials.find_outcome(max(policy, key=policy.get))
            if outcome != adaptive and outcome not in found.values():
                found[name] = outcome
    return found


def list_even_controls(params: StudyParams) -> list[str]:
    """The controls that favour no class of action: neither one-sided nor trained in stages."""
    conditions = {name: params.conditions[name] for name in params.inference.controls}
    one_sided = {name for name, c in conditions.items() if isinstance(c.policy, dict) and max(c.policy.values()) == 1.0}
    return [name for name, condition in conditions.items() if name not in one_sided and not condition.stages]
