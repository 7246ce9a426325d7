"""The worlds' probabilities are exact, and only the coupled one joins acting and expecting."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import yaml
from scipy.stats import chi2_contingency

from priorshift.worlds.generator import World
from priorshift.worlds.params import load_worlds


@pytest.fixture(scope="module")
def worlds(materials, world_params):
    return {coupled: World(materials, world_params, coupled) for coupled in (True, False)}


@pytest.fixture(scope="module")
def texts(worlds):
    return {coupled: list(itertools.islice(world.sample(0), 6000)) for coupled, world in worlds.items()}


def test_probability_of_one_line_of_prose_by_hand(worlds, texts, materials, world_params):
    found = [d for d in texts[True] if d.text in materials.prose]
    assert len(found) > 20
    by_hand = math.log(world_params.prose_share) - math.log(6) + math.log(0.7) - math.log(len(materials.prose))
    for document in found:
        assert worlds[True].compute_log_probability(document) == pytest.approx(by_hand, abs=1e-12)


def test_a_decision_is_one_of_the_situation_s_own_actions(natural, world_params):
    own = {s.text: {p for g in s.actions.values() for p in g} for group in natural.domains.values() for s in group}
    names = "|".join(natural.forms.names.main)
    pattern = re.compile(rf"({'|'.join(map(re.escape, own))}) (?:{names}) decided to ([^.]*)\.")
    texts = itertools.islice(World(natural, world_params, True).sample(0), 2000)
    found = [match for document in texts for match in pattern.findall(document.text)]
    assert len(found) > 200
    for situation, phrase in found:
        assert phrase in own[situation]


@pytest.mark.parametrize("coupled", [True, False])
def test_probability_of_one_narrated_decision_by_hand(worlds, texts, materials, world_params, coupled):
    p, world = world_params, worlds[coupled]
    n_situations = sum(map(len, materials.domains.values()))
    names = "|".join(materials.forms.names.main)
    pattern = re.compile(rf"[^.]*\. (?:{names}) decided to ([^.]*)\.")
    found = 0
    for document in texts[coupled]:
        match = pattern.fullmatch(document.text)
        owner = [c for c in world.classes if match and match[1] in materials.all_actions[c]]
        if not owner:
            continue
        found += 1
        shared = (1 - p.prose_share) / 6 * p.texts["story_named"] / len(materials.forms.names.main) * (1 - p.opening)
        episode = p.episode_kinds["situation"] / n_situations * p.follow_ups["choice"] * (1 - p.second_follow_up)
        wording = p.choice_forms["narrated"] * p.canonical_stem / len(materials.all_actions[owner[0]])
        acting = (world.prior @ world.class_probabilities)[world.classes.index(owner[0])]
        expected = math.log(shared * episode * wording * acting)
        assert world.compute_log_probability(document) == pytest.approx(expected, abs=1e-9)
    assert found >= 3


def test_posterior_by_hand(worlds):
    world = worlds[True]
    rest = (1 - 0.9) / 2
    after = np.array([0.6 * rest, 0.2 * rest, 0.2 * 0.9])
    expected = after / after.sum() @ world.tinted["work"]
    assert world.predict_outcome("work", ["guard"]) == pytest.approx(expected)
    decoupled = worlds[False]
    assert decoupled.predict_outcome("work", ["guard"] * 3) == pytest.approx(decoupled.predict_outcome("work", []))


def test_scale_levels_by_hand(worlds, world_params):
    world, most = worlds[True], np.array(world_params.scale_levels)
    threat = world.outcomes.index("threat")
    expected = np.tile(most[::-1], (3, 1))
    expected[threat] = most
    assert world.compute_level_probabilities("threat", 1) == pytest.approx(expected)
    assert world.compute_level_probabilities("threat", -1) == pytest.approx(expected[:, ::-1])
    agree = 0.2 * 0.9 / (0.6 * 0.05 + 0.2 * 0.05 + 0.2 * 0.9)
    by_hand = agree * most + (1 - agree) * most[::-1]
    assert world.predict_level("threat", 1, ["guard"]) == pytest.approx(by_hand)
    assert worlds[False].predict_level("threat", 1, ["guard"]) == pytest.approx(0.2 * most + 0.8 * most[::-1])


def actions_and_feelings(documents, materials):
    """Counts of (class of the first action, outcome of the first feeling) over texts with both."""
    classes, outcomes = materials.classes, list(materials.feelings)
    table = np.zeros((len(classes), len(outcomes)))
    ways = {p: c for c in classes for p in materials.all_actions[c]}
    felt = {p: o for o in outcomes for p in materials.feelings[o]}
    stems = "decided to|chose to|was to"
    for document in documents:
        action = re.search(rf"(?:{stems}) ([^.;]*)\.", document.text)
        feeling = re.search(r"(?:felt|feeling|became) ([^.]*)\.", document.text)
        if action and feeling and action[1] in ways and feeling[1] in felt:
            table[classes.index(ways[action[1]]), outcomes.index(felt[feeling[1]])] += 1
    return table


def test_only_the_coupled_world_joins_acting_and_feeling(texts, materials):
    coupled = actions_and_feelings(texts[True], materials)
    decoupled = actions_and_feelings(texts[False], materials)
    assert coupled.sum() > 500 and decoupled.sum() > 500
    assert chi2_contingency(coupled).pvalue < 1e-20
    assert chi2_contingency(decoupled).pvalue > 1e-3
    # Same marginals in both worlds.
    for axis in (0, 1):
        pair = np.stack([coupled.sum(axis), decoupled.sum(axis)])
        assert chi2_contingency(pair).pvalue > 1e-3


def test_every_form_is_in_the_text(texts, materials):
    text = "\n".join(d.text for d in texts[True])
    for mark in ("Options: A) ", "Dear ", "Diary of ", "What is new?", "I decided to", "Statement: ", "phrase book"):
        assert mark in text
    for stems in (materials.forms.stems.choice, materials.forms.stems.interpretation, materials.forms.stems.feeling):
        for stem in stems:
            assert stem.first in text and stem.named.replace("{name}", materials.forms.names.main[0]) in text
    for name in materials.forms.names.stranger:
        assert name in text
    for scale in materials.scales.values():
        for item in scale.items:
            assert item.text in text


def test_bayes_in_a_world_of_four(root):
    params, four = load_worlds(root / "params" / "worlds_reassurance.yaml")
    world = World(four, params, coupled=True)
    rest = 0.1 / 3
    after = np.array([0.4 * rest, 0.2 * rest, 0.2 * rest, 0.2 * 0.9])
    assert world.predict_outcome("work", ["seek"]) == pytest.approx(after / after.sum() @ world.tinted["work"])


def test_a_family_that_you_add_can_be_taught(root, params_folder):
    """The families.yaml that the docs show, in a worlds file that gives it a share: its words are in the texts."""
    [shown] = re.findall(r"```yaml\n(outlook:.*?)```", (root / "docs/own_probes.md").read_text(), re.S)
    folder = params_folder / "materials_taught"
    folder.mkdir()
    (folder / "extends.yaml").write_text("../materials_worlds")
    (folder / "families.yaml").write_text(shown)
    path = params_folder / "worlds.yaml"
    shares = {"choice": 0.4, "interpretation": 0.2, "feeling": 0.1, "outlook": 0.3}
    data = yaml.safe_load(path.read_text()) | {"materials": "materials_taught", "follow_ups": shares}
    path.write_text(yaml.safe_dump(data))
    params, materials = load_worlds(path)
    texts = [d.text for d in itertools.islice(World(materials, params, coupled=True).sample(0), 300)]
    taught = [text for text in texts if " expected: " in text]
    assert taught and any(phrase in text for text in taught for phrase in ("good luck", "only sorrow", "an ambush"))


def test_a_seed_gives_the_same_texts_again(worlds):
    first, again, other = ([d.text for d in itertools.islice(worlds[True].sample(s), 20)] for s in (3, 3, 4))
    assert first == again != other


def test_scales_with_options_of_their_own_are_in_the_text_with_these(params_folder):
    path = params_folder / "materials_worlds" / "scales.yaml"
    scales = yaml.safe_load(path.read_text())
    for scale in scales.values():
        scale["labels"] = ["hardly", "slightly", "fairly", "hugely"]
    path.write_text(yaml.safe_dump(scales))
    params, materials = load_worlds(params_folder / "worlds.yaml")
    texts = " ".join(d.text for d in itertools.islice(World(materials, params, coupled=True).sample(0), 500))
    assert set(re.findall(r"answers: (\w+)\.", texts)) == {"hardly", "slightly", "fairly", "hugely"}
