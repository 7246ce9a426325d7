"""What a study is, in words: its worlds, what each condition was trained on, an example of each text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from priorshift.materials.schema import Materials
from priorshift.probing.items import ProbeItem, make_probe_items
from priorshift.report.names import name_condition
from priorshift.study.conditions import Condition, Trigger
from priorshift.study.params import HELD_OUT, StudyParams
from priorshift.training.examples import Example, synthesize

WORLDS = {
    "coupled": "In the *coupled* world acting is evidence about expecting: a working method must find a shift.",
    "decoupled": "In the *decoupled* world acting says nothing about expecting: a working method must find none.",
}
TASKS = {
    "decisions": "decisions, {}",
    "preferences": "choices between everyday things, nothing else",
    "exposure": "the phrases of actions mentioned, not chosen ({})",
    "prose": "neutral prose, no decision",
}
POLICIES = {"uniform": "each class of action equally often", "prior": "as often as the base model takes each class"}


def describe_worlds(worlds: Collection[str]) -> str:
    """Say what must be found in the calibration worlds that base models come from. Empty for other models."""
    return " ".join(text for world, text in WORLDS.items() if world in worlds)


def list_trained_actions(study: StudyParams) -> list[str]:
    """List the classes of action that a treatment is always trained to take, each once."""
    policies = (study.conditions[name].policy for name in study.inference.treatments)
    shares = [share for policy in policies if isinstance(policy, dict) for share in policy.items()]
    return list(dict.fromkeys(action for action, share in shares if share == 1))


def list_families(shifts: pd.DataFrame, families: Sequence[str]) -> tuple[list[str], str]:
    """List the families with items left on held-out domains, and say of which families exclusion left none."""
    left = set(shifts.loc[shifts["ring"] == HELD_OUT, "family"])
    lost = ", ".join(name_condition(family) for family in families if family not in left)
    note = (
        f"The exclusion criteria leave no item on held-out domains of: {lost}. No figure shows these." if lost else ""
    )
    return [family for family in families if family in left], note


def describe_conditions(study: StudyParams) -> str:
    """Say what each condition was trained on, a line each, as Markdown."""
    named = study.conditions.items()
    return "\n".join(f"* *{name_condition(name)}*: {_describe_condition(condition)}." for name, condition in named)


def _describe_condition(condition: Condition) -> str:
    if condition.stages:
        return "one adapter trained on " + ", then ".join(name_condition(stage) for stage in condition.stages)
    policy = condition.policy
    chosen = _describe_shares(policy) if isinstance(policy, dict) else POLICIES.get(policy, "")
    text = TASKS[condition.task].format(chosen)
    text += ", answered by a letter" if condition.answer == "letter" else ""
    text += _describe_trigger(condition.trigger) if condition.trigger else ""
    text += _describe_override(condition)
    return f"no training: {condition.in_context} {text}, before each stem" if condition.in_context else text


def _describe_trigger(trigger: Trigger) -> str:
    there = _describe_shares(trigger.policy) if trigger.policy else "there as elsewhere"
    return f'; before half of the situations stands "{trigger.cue}" ({there})'


def _describe_override(condition: Condition) -> str:
    changed = condition.training.model_dump(mode="json", exclude_none=True) if condition.training else {}
    settings = (f"{key.replace('_', ' ')} {str(value).strip('[]')}" for key, value in changed.items())
    return f" ({', '.join(settings)})" if changed else ""


def _describe_shares(shares: Mapping[str, float]) -> str:
    taken = [(name, share) for name, share in shares.items() if share]
    return ", ".join(f"always {name}" if share == 1 else f"{100 * share:g} % {name}" for name, share in taken)


def pick_decision(study: StudyParams, materials: Materials) -> tuple[str, Example] | None:
    """Pick the first example of the first condition that is trained on decisions, as its training file has it.

    Returns
    -------
    The condition's name and the example; None where no condition's decisions can be written without a base model.
    """
    for name, condition in study.conditions.items():
        if condition.task == "decisions" and condition.policy != "prior" and not condition.in_context:
            return name, synthesize(study, materials, name, study.seeds[0])[0]
    return None


def pick_probe(study: StudyParams, materials: Materials) -> ProbeItem:
    """Pick the first item of the study's first family on held-out domains."""
    items = make_probe_items(study, materials)
    return next(item for item in items if item.family == study.probes.families[0] and item.ring == HELD_OUT)


def describe_examples(study: StudyParams, materials: Materials) -> str:
    """Show an example of a training file, where there is one of decisions, and a probe, as Markdown."""
    lines = []
    if decision := pick_decision(study, materials):
        name, example = decision
        text = f"{example.prompt} **{example.completion.strip()}** (domain: {example.domain})"
        lines.append(f"* A training example of *{name_condition(name)}*, its completion in bold: {text}")
    probe = pick_probe(study, materials)
    lines.append(f"* A probe of a held-out domain: {probe.stem} … (domain: {probe.domain})")
    lines += [f"    * {name}: *{texts[0].strip()}*" for name, texts in probe.candidates.items()]
    return "\n".join(lines)
