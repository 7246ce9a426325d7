"""A cue is refused where one of its words is read elsewhere."""

from __future__ import annotations

import pytest

from priorshift.errors import ParamsError
from priorshift.materials.cues import find_leak
from priorshift.materials.word_roots import find_word_roots
from priorshift.study.load import load_study


def find_content_word(texts, materials):
    return next(word for word in find_word_roots(texts, materials.function_words).values())


def test_a_word_of_a_situation_an_action_or_a_probe_is_a_leak(materials):
    phrases = {
        "domains": [materials.list_situations(tuple(materials.domains))[0][1]],
        "actions": [next(iter(materials.all_actions.values()))[0]],
        "feelings": [materials.feelings["loss"][0]],
        "scales": [next(iter(materials.scales.values())).items[0].text],
    }
    for texts in phrases.values():
        word = find_content_word(texts, materials)
        assert word in find_leak(f"Over there was {word}.", materials)
    assert find_leak("Zebras.", materials) == "" and find_leak("It was there.", materials) == ""


def test_a_study_with_such_a_cue_is_refused_in_one_line(write_study, materials):
    word = find_content_word([materials.feelings["loss"][0]], materials)

    def change(data, cue=f"There was {word}."):
        data["conditions"]["depression"]["trigger"] = {"cue": cue}

    with pytest.raises(ParamsError, match=r"conditions.depression.trigger: 'There was .*; reword the cue") as refused:
        load_study(write_study(change))
    assert "\n" not in str(refused.value)
    # A sentence of words that nothing else has may stand there.
    assert load_study(write_study(lambda data: change(data, "Zebras."))).params.conditions["depression"].trigger


def test_a_cue_s_policy_names_known_classes(write_study):
    trigger = {"cue": "Zebras.", "policy": {"juggle": 1.0}}
    path = write_study(lambda data: data["conditions"]["depression"].update(trigger=trigger))
    with pytest.raises(ParamsError, match=r"conditions.depression.trigger.policy: unknown 'juggle'"):
        load_study(path)
