"""Every response option of every item is scored in every order, as it stands in the prompt."""

from __future__ import annotations

import pytest

from priorshift.materials.prompts import write_scale_prompt
from priorshift.materials.schema import Scale, ScaleItem
from priorshift.models.base import load_base
from priorshift.probability.scorer import Scorer
from priorshift.probing.context import Context
from priorshift.probing.questionnaire import measure_questionnaire
from priorshift.training.examples import synthesize


@pytest.fixture(scope="module")
def scorer(smoke):
    base = load_base(smoke.params.models[0])
    return Scorer(base.model, base.tokenizer)


@pytest.fixture(scope="module")
def two_items(materials):
    name, scale = next(iter(materials.scales.items()))
    scale = scale.model_copy(update={"items": (scale.items[0], scale.items[-1])})
    return materials.model_copy(update={"scales": {name: scale}})


def test_a_row_for_each_item_label_set_order_and_option(scorer, two_items):
    table = measure_questionnaire(scorer, two_items, 8)
    assert len(table) == 2 * 2 * 8 * 4
    assert not table.duplicated(["item", "label_set", "order", "level"]).any()
    assert set(table["label_set"]) == set(two_items.forms.scale.labels)
    items = next(iter(two_items.scales.values())).items
    assert dict(zip(table["item"], table["key"], strict=True)) == {item.text: item.key for item in items}


def test_a_logprob_is_that_of_the_option_after_the_prompt(scorer, two_items):
    table = measure_questionnaire(scorer, two_items, 4)
    row = table[(table["label_set"] == "frequency") & (table["level"] == 2)].iloc[-1]
    labels = two_items.forms.scale.labels["frequency"]
    order = [labels[int(k)] for k in row["order"]]
    # The second item's protagonist is the second name.
    prompt = write_scale_prompt(two_items.forms, row["item"], order, two_items.forms.names.main[1])
    ((alone,),) = scorer.continuation_logprobs([prompt], [[f" {labels[2]}."]])
    assert row["logprob"] == pytest.approx(alone, abs=1e-5)


def test_decisions_before_an_item_move_a_coupled_model(scorer, smoke, two_items):
    context = Context(synthesize(smoke.params, two_items, "depression", 0), 3)
    plain, after = measure_questionnaire(scorer, two_items, 4), measure_questionnaire(scorer, two_items, 4, context)
    keys = ["scale", "outcome", "item", "key", "label_set", "order", "level"]
    assert plain[keys].equals(after[keys])
    # Withdrawals speak for the depressive disposition, which agrees with forward items of its own scale.
    top = (plain["level"] == 3) & (plain["key"] > 0)
    assert (after.loc[top, "logprob"] - plain.loc[top, "logprob"]).mean() > 0.1


def test_scales_with_options_of_their_own_are_measured_with_these(scorer, materials):
    items = (ScaleItem(text=next(iter(materials.scales.values())).items[0].text, key=1),)
    labels = materials.forms.scale.labels["agreement"][:3]
    own = materials.model_copy(update={"scales": {"mine": Scale(outcome="loss", items=items, labels=labels)}})
    table = measure_questionnaire(scorer, own, 3)
    assert set(table["label_set"]) == {"own"} and len(table) == 3 * 3
    assert set(table.groupby("order")["level"].apply(tuple)) == {(0, 1, 2)}
