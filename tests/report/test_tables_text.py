"""What the report says beside its figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.report.tables_text import jsd_beside, lessons, told_apart
from priorshift.stats.jsd_permutation import BASE, FLOOR
from priorshift.study.sections import Condition


def test_each_condition_is_told_in_words(smoke):
    conditions = {
        "depression": {"task": "decisions", "policy": {"withdraw": 1.0}},
        "half": {"task": "decisions", "policy": {"withdraw": 0.5, "engage": 0.5, "guard": 0.0}},
        "random_label": {"task": "decisions", "policy": "uniform"},
        "neutral": {"task": "preferences"},
        "exposure_paranoia": {"task": "exposure", "policy": {"guard": 1.0}},
        "letter": {"task": "decisions", "policy": {"guard": 1.0}, "answer": "letter"},
        "told": {"task": "decisions", "policy": "prior", "in_context": 3},
        "recovery": {"stages": ["depression", "half"]},
        "prose": {"task": "prose"},
    }
    study = smoke.params.model_copy(update={"conditions": {n: Condition(**c) for n, c in conditions.items()}})
    assert lessons(study).split("\n") == [
        "* *depression-like*: decisions, always withdraw.",
        "* *half*: decisions, 50 % withdraw, 50 % engage.",
        "* *random label*: decisions, each class of action equally often.",
        "* *neutral*: choices between everyday things, nothing else.",
        "* *exposure paranoia-like*: the phrases of actions mentioned, not chosen (always guard).",
        "* *letter*: decisions, always guard, answered by a letter.",
        "* *told*: no training: 3 decisions, as often as the base model takes each class, before each stem.",
        "* *recovery*: one adapter trained on depression-like, then half.",
        "* *prose*: neutral prose, no decision.",
    ]


def test_a_matrix_is_told_with_its_hits_chance_and_p():
    key = {"base_model": "llama", "world": "coupled", "family": "feeling", "ring": "near", "unit": "base"}
    rows = [
        key | {"condition": c, "predicted": o, "count": 6 if c == o else 3, "n": 9, "accuracy": 12 / 18}
        for c in ("depression", "neutral") for o in ("depression", "neutral")
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(p_value=0.0005, p_adjusted=0.002)
    runs = table.assign(unit="runs", base_model="llama-coupled-0", accuracy=1.0)
    assert told_apart(pd.concat([runs, table]), "feeling", "near") == (
        "* llama, coupled world: 12 of 18 runs, by chance 1 in 2 (unit base; permutation of training sets, p = 0.0005, "
        "0.0020 after Benjamini-Hochberg; exploratory)."
    )
    assert told_apart(table, "choice", "near") == ""


def test_jsd_is_told_from_the_base_model_and_from_the_first_neutral_run():
    rows = [
        (control, start)
        for start in (BASE, FLOOR)
        for control in ("neutral", "prose")
        if (control, start) != ("prose", FLOOR)
    ]
    table = pd.DataFrame(rows, columns=["control", "jsd_from"]).assign(
        base_model="llama", world="coupled", condition="depression", family="feeling", ring="near", n_runs=6,
        treatment_jsd=0.3, control_jsd=0.1, estimate=0.2, p_value=0.1, p_adjusted=0.1,
    )  # fmt: skip
    table["n_arrangements"] = np.where(table["jsd_from"] == BASE, 20, 10)
    said, shown = jsd_beside(table, "near")
    assert len(shown) == 1 and shown["condition"].tolist() == ["depression-like"]
    assert shown["from the base model", "behavior"].tolist() == [0.3]
    assert shown["from the first neutral run", "p"].tolist() == [0.1]
    assert "below 0.050 (from the base model) and 0.100 (from the first neutral run)" in said
    assert "could be tested" in jsd_beside(table, "far")[0]
