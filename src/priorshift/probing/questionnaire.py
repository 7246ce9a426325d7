"""Questionnaire items put to a model in balanced orders, scored response option by response option.

Scales describe a style of answering; they measure no disorder.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from priorshift.materials.prompts import prompt, scale_prompt
from priorshift.materials.questionnaires import balanced_orders
from priorshift.materials.schema import Materials
from priorshift.probability.scorer import Scorer
from priorshift.training.examples import Example, retell


def scale_table(
    scorer: Scorer, materials: Materials, n_orders: int, told: Sequence[Example] = (), n_told: int = 0
) -> pd.DataFrame:
    """Logprob (nats) of every response option: one row per item, label set, order and option.

    Parameters
    ----------
    told, n_told : decisions of which each item is preceded by the next `n_told`

    Returns
    -------
    DataFrame
        scale, outcome, item, key, label_set, order (the levels as shown, e.g. 2301), level (0 is least), logprob.
    """
    names = materials.forms.names.main
    asked, stems, options = [], [], []
    form = materials.forms.scale
    items = [(name, scale, item) for name, scale in materials.scales.items() for item in scale.items]
    for i, (name, scale, item) in enumerate(items):
        who = names[i % len(names)]
        before = [retell(told[(i * n_told + j) % len(told)], who, materials) for j in range(n_told)]
        for label_set, labels in scale.label_sets(form).items():
            for order in balanced_orders(len(labels), n_orders):
                shown = scale_prompt(materials.forms, item.text, [labels[k] for k in order], who)
                stems.append(prompt(" ".join(before), shown))
                # The full stop ends the answer: "agree" would else begin other words too.
                options.append([f" {label}." for label in labels])
                asked.append((name, scale.outcome, item.text, item.key, label_set, "".join(map(str, order))))
    scores = scorer.continuation_logprobs(stems, options)
    rows = [
        (*key, level, value) for key, values in zip(asked, scores, strict=True) for level, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["scale", "outcome", "item", "key", "label_set", "order", "level", "logprob"])
