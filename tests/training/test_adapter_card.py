"""The card of an adapter: what it was trained on and what it is not for."""

from __future__ import annotations

import pytest

from priorshift.training.adapter_card import write_adapter_card
from priorshift.training.examples import Example

RUN = {
    "base_model": "tiny", "seed": 3, "inputs": {"data": "d1ce"}, "training": {"rank": 4, "alpha": 8, "target": "mlp"},
    "examples": 4, "steps": 12, "loss_tokens": 345, "backend": "peft",
}  # fmt: skip


def make_example(action_class, form):
    return Example("It  rains.\nNora decided to", " go home.", "work", action_class, form, -1, "It rains.")


EXAMPLES = [make_example("guard", "narrated")] * 3 + [make_example("engage", "options")]


def test_shares_are_by_class_and_form():
    card = write_adapter_card(RUN, EXAMPLES, "someone/model", "")
    assert "- engage, options: 25.0%\n- guard, narrated: 75.0%\n" in card


@pytest.mark.parametrize(
    "fact", ["d1ce", "seed 3", "rank 4, alpha 8, mlp layers", "12, 345", "someone/model (commit ab1)"]
)
def test_what_the_adapter_was_made_from_is_named(fact):
    assert fact in write_adapter_card(RUN, EXAMPLES, "someone/model", "ab1")


def test_named_layers_stand_in_the_place_of_a_target():
    named = RUN | {"training": RUN["training"] | {"target_modules": ["q_proj", "fc1"]}}
    assert "alpha 8, q_proj fc1 layers" in write_adapter_card(named, EXAMPLES, "m", "")


def test_one_example_is_shown_in_one_line():
    assert "*It rains. Nora decided to* **go home.**" in write_adapter_card(RUN, EXAMPLES, "m", "")


def test_it_says_what_the_adapter_is_not_for():
    text = write_adapter_card(RUN, EXAMPLES, "m", "").lower()
    assert "diagnoses nothing" in text and "must not be deployed" in text and "intended use" in text


def test_its_head_is_what_a_hub_reads():
    head = write_adapter_card(RUN, EXAMPLES, "someone/model", "ab1").split("---\n")[1]
    assert head.splitlines()[:2] == ["base_model: someone/model", "library_name: peft"]
