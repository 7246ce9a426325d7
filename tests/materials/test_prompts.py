"""Prompts by hand."""

from __future__ import annotations

from priorshift.materials.prompts import fill_stem, join_prompt, list_options, write_scale_prompt


def test_options_with_and_without_letters(materials):
    phrases = ["go home", "stay here"]
    plain = materials.forms.options.replace("{options}", "go home; stay here")
    lettered = materials.forms.options.replace("{options}", "A) go home; B) stay here")
    assert list_options(materials.forms, phrases) == plain
    assert list_options(materials.forms, phrases, lettered=True) == lettered


def test_parts_come_in_order_and_empty_ones_leave_no_space(materials):
    stem = fill_stem(materials.forms.stems.choice[0], "Nora")
    assert stem == "Nora decided to"
    assert join_prompt("It rains.", stem) == "It rains. Nora decided to"
    assert join_prompt("", stem, "Options: go.") == "Options: go. Nora decided to"


def test_a_scale_prompt_shows_its_options_in_the_order_given(materials):
    form = materials.forms.scale
    for name, answer in (("Nora", form.answer.named.replace("{name}", "Nora")), (None, form.answer.first)):
        prompt = write_scale_prompt(materials.forms, "All is lost.", ["often", "never"], name)
        assert prompt.endswith(f" {answer}") and "All is lost." in prompt and "often, never" in prompt
        assert "{" not in prompt
