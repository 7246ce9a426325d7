"""A subject's answers beside its base model's: means over families of equal weight, the choice apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from support.toy_subject import ToySubject, plant

from priorshift.mechanism.subject import Answer


def test_families_have_equal_weight_whatever_their_numbers_of_items():
    subject = ToySubject({})
    classes = dict.fromkeys(("benign", "loss"))
    families = ["interpretation", "interpretation", "interpretation", "feeling"]
    subject.items = [SimpleNamespace(family=name, candidates=classes) for name in families]
    subject.items.append(SimpleNamespace(family="choice", candidates=dict.fromkeys(("engage", "withdraw"))))
    subject.base_answer = Answer(np.zeros((5, 2)), perplexity=2.0)
    answer = Answer(np.array([[0, 1.0], [0, 2.0], [0, 3.0], [0, 6.0], [0, 5.0]]), perplexity=3.0)
    found = subject.compare(answer, "withdraw", "loss")
    assert found == pytest.approx({"choice": 5.0, "expectation": 4.0, "perplexity_ratio": 1.5})


def test_a_run_is_worn_as_long_as_the_context_lasts():
    run, vector = plant("depression", 0, choice=3.0, expectation=2.0)
    subject = ToySubject({run: vector})
    with subject.wear(run):
        worn = subject.compare(subject.ask(), "withdraw", "loss")
    bare = subject.compare(subject.ask(), "withdraw", "loss")
    assert worn["choice"] == pytest.approx(3.0, abs=0.1) and worn["expectation"] == pytest.approx(2.0, abs=0.1)
    assert bare == {"choice": 0, "expectation": 0, "perplexity_ratio": 1}
