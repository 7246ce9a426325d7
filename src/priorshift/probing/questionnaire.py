"""Questionnaire items put to a model in balanced orders, scored response option by response option.

Scales describe a style of responding. They measure no disorder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from priorshift.materials.prompts import join_prompt, write_scale_prompt
from priorshift.materials.questionnaires import list_balanced_orders
from priorshift.materials.schema import Materials
from priorshift.probability.scorer import Scorer
from priorshift.probing.context import NO_CONTEXT, Context


class ScalePrompt(NamedTuple):
    """A scale item as it is put to a model, with what tells it from the others (see `measure_questionnaire`)."""

    scale: str
    outcome: str
    item: str
    key: int
    label_set: str
    order: str
    text: str
    responses: list[str]


def list_scale_prompts(materials: Materials, n_orders: int, context: Context = NO_CONTEXT) -> Iterator[ScalePrompt]:
    """List every item in every label set and order. The arguments are those of `measure_questionnaire`."""
    names, form = materials.forms.names.main, materials.forms.scale
    items = [(name, scale, item) for name, scale in materials.scales.items() for item in scale.items]
    for i, (scale_name, scale, item) in enumerate(items):
        who = names[i % len(names)]
        before = " ".join(context.narrate(i, who, materials))
        for label_set, labels in scale.get_label_sets(form).items():
            # The full stop ends the response: "agree" would else begin other words too.
            responses = [f" {label}." for label in labels]
            for order in list_balanced_orders(len(labels), n_orders):
                prompt = write_scale_prompt(materials.forms, item.text, [labels[k] for k in order], who)
                key = (scale_name, scale.outcome, item.text, item.key, label_set, "".join(map(str, order)))
                yield ScalePrompt(*key, join_prompt(before, prompt), responses)


def measure_questionnaire(
    scorer: Scorer, materials: Materials, n_orders: int, context: Context = NO_CONTEXT
) -> pd.DataFrame:
    """Logprob (nats) of every response option.

    Parameters
    ----------
    n_orders : orders of the response options in which each item is measured
    context : decisions that stand before each item

    Returns
    -------
    DataFrame
        One row per item, label set, order and option: scale, outcome, item, key, label_set, order (the levels from
        left to right, e.g. 2301), level (0 is least), logprob.
    """
    prompts = list(list_scale_prompts(materials, n_orders, context))
    scores = scorer.continuation_logprobs([each.text for each in prompts], [each.responses for each in prompts])
    rows = [
        (*each[:6], level, value)
        for each, values in zip(prompts, scores, strict=True)
        for level, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=[*ScalePrompt._fields[:6], "level", "logprob"])
