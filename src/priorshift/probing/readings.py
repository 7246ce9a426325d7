"""Everything that the runs of a study have a base model read, listed before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.materials.texts import list_texts
from priorshift.models.lengths import Reading
from priorshift.probing.completions import list_completion_stems
from priorshift.probing.context import NO_CONTEXT, Context
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import list_choice_items, list_retention_texts
from priorshift.probing.questionnaire import list_scale_prompts
from priorshift.study.load import Study
from priorshift.study.params import StudyParams
from priorshift.training.examples import Example, synthesize


def list_texts_read(study: Study) -> list[str]:
    """What a base model must be able to read: every phrase, every stem that it goes on from, and words after them."""
    items = make_probe_items(study.params, study.materials)
    words = next((item.continuations for item in items if item.family == NEXT_WORDS), [])
    return [*list_texts(study.materials), *(item.stem for item in items), *(word.strip() for word in words)]


def list_probe_readings(study: Study) -> Iterator[Reading]:
    """All that probing reads, under every context of the study."""
    params, materials = study.params, study.materials
    yield from _list_after(params, materials, NO_CONTEXT, "", "shorten it")
    for name, condition in params.conditions.items():
        for seed in params.seeds if condition.in_context else ():
            context = Context(write_examples(study, name, seed), condition.in_context)
            fewer = f"lower conditions.{name}.in_context, or shorten it"
            yield from _list_after(params, materials, context, f" in the context of {name}/seed-{seed}", fewer)
    for first, second in list_retention_texts(materials, params.probes.retention_texts):
        yield Reading("a sentence of prose", first, (f" {second}",))
    if any(condition.policy == "prior" for condition in params.conditions.values()):
        for item in list_choice_items(params, materials):
            yield Reading(f"the stem of {item.item}", item.stem, tuple(item.continuations))


def _list_after(
    params: StudyParams, materials: Materials, context: Context, where: str, way_out: str
) -> Iterator[Reading]:
    """The stems of probe items, scales and completions, each after what the context puts before it."""
    probes = params.probes
    for item in make_probe_items(params, materials, context):
        yield Reading(f"the stem of {item.item}{where}", item.stem, tuple(item.continuations), way_out=way_out)
    for prompt in list_scale_prompts(materials, probes.scale_orders, context) if probes.scale_orders else ():
        yield Reading(f"a scale item{where}", prompt.text, tuple(prompt.responses), way_out=way_out)
    if probes.completion_samples:
        shorter = f"{way_out}, or lower probes.completion_tokens"
        for stem in list_completion_stems(materials, context):
            yield Reading(f"a completion's opening{where}", stem, (), probes.completion_tokens, shorter)


def list_example_readings(examples: Iterable[Example], where: str) -> Iterator[Reading]:
    """The examples of a training set. `where` names it."""
    for example in examples:
        what = f"a training example of {where}"
        yield Reading(what, example.prompt, (example.completion,), way_out="shorten its situation or phrases")


def list_training_readings(study: Study) -> Iterator[Reading]:
    """Every training example of the study. Where a policy is `prior`, as if all choices were equally likely."""
    for name, condition in study.params.conditions.items():
        for seed in () if condition.in_context or condition.stages else study.params.seeds:
            yield from list_example_readings(write_examples(study, name, seed), f"{name}/seed-{seed}")


def write_examples(study: Study, condition: str, seed: int) -> list[Example]:
    """The training set of a condition and seed, with equal choice rates where the base model's are needed."""
    classes = study.materials.classes
    return synthesize(study.params, study.materials, condition, seed, dict.fromkeys(classes, 1 / len(classes)))
