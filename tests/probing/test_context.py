"""Decisions before stems: each stem takes the next ones, about its own protagonist."""

from __future__ import annotations

from priorshift.probing.context import NO_CONTEXT, Context, narrate_decision
from priorshift.training.examples import Example


def make_decision(number):
    return Example("never shown", f" action {number}.", "work", "guard", "options", 0, f"Situation {number}.")


def test_a_decision_is_narrated_without_its_options(materials):
    assert narrate_decision(make_decision(1), "Zelda", materials) == "Situation 1. Zelda decided to action 1."
    assert narrate_decision(make_decision(1), None, materials) == "Situation 1. I decided to action 1."


def test_each_stem_takes_the_next_decisions_and_the_first_follow_the_last(materials):
    context = Context([make_decision(number) for number in range(5)], 3)
    taken = [[line[10] for line in context.narrate(stem, "Nora", materials)] for stem in range(4)]
    assert taken == [["0", "1", "2"], ["3", "4", "0"], ["1", "2", "3"], ["4", "0", "1"]]


def test_no_context_is_nothing(materials):
    assert NO_CONTEXT.narrate(7, "Nora", materials) == []
