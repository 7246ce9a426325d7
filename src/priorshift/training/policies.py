"""Which class of action each slot of a training set takes: the shares of a policy, and where a cue stands."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from priorshift.materials.schema import Materials
from priorshift.study.conditions import Condition

Policy = Mapping[str, float] | str | None


def draw_cues(forms: Sequence[str], seed: int) -> list[bool]:
    """Draw the slots before which a cue stands: half of each form, the same in every condition of the seed.

    Parameters
    ----------
    forms : the form of each slot
    """
    rng, cued = random.Random(f"cues {seed}"), [False] * len(forms)
    for form in sorted(set(forms)):
        slots = [i for i, name in enumerate(forms) if name == form]
        for i in rng.sample(slots, len(slots) // 2):
            cued[i] = True
    return cued


def draw_classes(
    condition: Condition,
    materials: Materials,
    forms: Sequence[str],
    cued: Sequence[bool],
    prior: Mapping[str, float] | None,
    rng: random.Random,
) -> list[str]:
    """Draw a class for each slot: the policy's shares, met within each form as exactly as counts can.

    Parameters
    ----------
    forms : the form of each slot
    cued : whether a cue stands before the slot. There the policy is the trigger's, if it has one
    prior : class of action -> probability, needed where the policy is `prior`
    """
    there = condition.trigger.policy if condition.trigger else None
    policies = {False: condition.policy, True: there or condition.policy}
    classes, groups = [""] * len(forms), list(zip(forms, cued, strict=True))
    for form, cue in sorted(set(groups)):
        indices = [i for i, group in enumerate(groups) if group == (form, cue)]
        deck = _deal_deck(_compute_shares(policies[cue], materials, prior), len(indices))
        rng.shuffle(deck)
        for i, c in zip(indices, deck, strict=True):
            classes[i] = c
    return classes


def _compute_shares(policy: Policy, materials: Materials, prior: Mapping[str, float] | None) -> dict[str, float]:
    """Class of action -> probability with which the policy chooses it."""
    if policy == "uniform":
        return {c: 1 / len(materials.classes) for c in materials.classes}
    if policy == "prior":
        if prior is None:
            raise ValueError("policy 'prior' needs the base model's choice rates; give them as `prior`")
        # In the materials' order: the order of the dictionary must not decide what is drawn.
        return {c: prior[c] for c in materials.classes}
    return {c: policy.get(c, 0.0) for c in materials.classes}


def _deal_deck(shares: Mapping[str, float], n: int) -> list[str]:
    exact = {c: share * n for c, share in shares.items()}
    counts = {c: int(x) for c, x in exact.items()}
    rest = sorted(exact, key=lambda c: (counts[c] - exact[c], c))
    for c in rest[: n - sum(counts.values())]:
        counts[c] += 1
    return [c for c, count in counts.items() for _ in range(count)]
