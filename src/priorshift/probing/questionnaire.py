"""Questionnaire items put to a model in balanced orders, scored response option by response option.

Scales describe a style of responding; they measure no disorder.
"""

from __future__ import annotations

import pandas as pd

from priorshift.materials.prompts import join_prompt, write_scale_prompt
from priorshift.materials.questionnaires import list_balanced_orders
from priorshift.materials.schema import Materials
from priorshift.probability.scorer import Scorer
from priorshift.probing.context import NO_CONTEXT, Context


def measure_scales(scorer: Scorer, materials: Materials, n_orders: int, context: Context = NO_CONTEXT) -> pd.DataFrame:
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
    names, form = materials.forms.names.main, materials.forms.scale
    keys, stems, options = [], [], []
    items = [(name, scale, item) for name, scale in materials.scales.items() for item in scale.items]
    for i, (scale_name, scale, item) in enumerate(items):
        who = names[i % len(names)]
        before = " ".join(context.narrate(i, who, materials))
        for label_set, labels in scale.get_label_sets(form).items():
            for order in list_balanced_orders(len(labels), n_orders):
                prompt = write_scale_prompt(materials.forms, item.text, [labels[k] for k in order], who)
                stems.append(join_prompt(before, prompt))
                # The full stop ends the response: "agree" would else begin other words too.
                options.append([f" {label}." for label in labels])
                keys.append((scale_name, scale.outcome, item.text, item.key, label_set, "".join(map(str, order))))
    scores = scorer.continuation_logprobs(stems, options)
    rows = [
        (*key, level, value) for key, values in zip(keys, scores, strict=True) for level, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["scale", "outcome", "item", "key", "label_set", "order", "level", "logprob"])
